"""One case leaves one installation and comes into another one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.archive.zip_file import reading, writing
from adapters.memory.vectors import InMemoryVectorStore
from application.transfer.archive import Archive
from application.transfer.archive_format import ArchiveRefused
from application.transfer.backup import Backup
from application.transfer.items import IndexedDocument, Kind, canonical_bytes
from application.transfer.migrator import TransferRefused
from application.transfer.restore import CaseImport, ImportedCase
from application.transfer.stores import Stores
from domain.chunking import chunk_document
from domain.knowledge import GLOBAL, Scope
from ports.errors import AlreadyExists, NotFound, StorageCorrupt
from tests.builders import OWNER, a_case, a_file, a_message, a_user, an_id
from tests.contract.knowledge.samples import a_document
from tests.migration.archives import NOW, in_memory, members_of, pieces_of, rewritten
from tests.migration.content import everything

CASE = an_id("case", 1)
KEY = f"{CASE}/{an_id('file', 1)}"


async def with_a_case() -> Stores:
    """A case with messages, a file and a document, beside another case and other documents."""
    stores = in_memory(vectors=False, sessions=False)
    await stores.users.save(a_user(1))
    case = a_case(1, uploaded_files=(a_file(1, content_ref=KEY),))
    await stores.cases.save(case)
    await stores.cases.save(a_case(2))
    for number in range(1, 8):
        await stores.cases.add_message(a_message(CASE, number))
    await stores.files.put(KEY, pieces_of(b"a log"))
    for number, scope in enumerate(
        (Scope.for_case(CASE), GLOBAL, Scope.for_case(an_id("case", 2)), Scope.for_user(OWNER)), 1
    ):
        document = a_document(number, scope=scope, version=0)
        await stores.documents.save(document, chunk_document(document.document_id, document.title, document.content))
    return stores


async def elsewhere(*, owner: bool = True) -> Stores:
    """An installation with vectors and users."""
    stores = in_memory(vectors=False, sessions=False)
    assert stores.embeddings is not None
    if owner:
        await stores.users.save(a_user(1))
    await stores.users.save(a_user(7))
    return replace(stores, vectors=InMemoryVectorStore(stores.embeddings.space))


async def exported(stores: Stores, path: Path, case_id: str = CASE) -> Path:
    with writing(path) as writer:
        await Backup(stores, writer, now=NOW, release="0").case(case_id)
    return path


async def imported(path: Path, stores: Stores, owner: str | None = None) -> ImportedCase:
    with reading(path) as reader:
        return await CaseImport(Archive(reader), stores).import_case(owner)


@pytest.fixture
async def archive(tmp_path: Path) -> Path:
    return await exported(await with_a_case(), tmp_path / "case.zip")


async def nothing(stores: Stores) -> bool:
    return not [
        item for kind, each in stores.collections().items() if kind is not Kind.USERS for item in await everything(each)
    ]


async def test_round_trip(archive: Path, tmp_path: Path) -> None:
    source, target = await with_a_case(), await elsewhere()
    done = await imported(archive, target)
    assert done.verification.is_clean
    assert (done.previous_owner, done.files, done.documents, done.indexed) == (None, 1, 1, True)
    mine = [item async for item in source.collections()[Kind.CASES].entity(CASE)]
    theirs = await everything(target.collections()[Kind.CASES])
    assert [canonical_bytes(item.content) for item in mine] == [canonical_bytes(item.content) for item in theirs]
    assert b"".join([piece async for piece in await target.files.open(KEY)]) == b"a log"
    (document,) = await everything(target.collections()[Kind.DOCUMENTS])
    assert isinstance(document.content, IndexedDocument)
    assert document.content.document.scope == Scope.for_case(CASE)
    assert target.vectors is not None
    assert await target.vectors.count() == len(document.content.chunks) > 0
    assert "users.jsonl" not in [member.name for member in members_of(archive)]
    # What was imported can be exported, and is the same archive.
    again = await exported(target, tmp_path / "again.zip")
    assert again.read_bytes() == archive.read_bytes()  # noqa: ASYNC240


async def test_it_is_refused_where_the_case_exists(archive: Path) -> None:
    target = await elsewhere()
    await imported(archive, target)
    with pytest.raises(AlreadyExists):
        await imported(archive, target)


async def test_it_needs_an_owner(archive: Path) -> None:
    target = await elsewhere(owner=False)
    with pytest.raises(TransferRefused, match="--owner"):
        await imported(archive, target)
    with pytest.raises(NotFound, match="nobody"):
        await imported(archive, target, "nobody")
    assert await nothing(target)
    done = await imported(archive, target, "USER7")
    assert done.verification.is_clean
    assert (done.previous_owner, done.case.user_id) == (OWNER, an_id("user", 7))
    stored = await target.cases.get(CASE)
    assert stored == done.case
    assert stored.organization_id == an_id("user", 7)


async def test_without_vectors_it_says_so(archive: Path) -> None:
    target = replace(await elsewhere(), vectors=None)
    done = await imported(archive, target)
    assert not done.indexed
    assert done.verification.is_clean


async def test_an_interrupted_import_is_repeated(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = await elsewhere()

    async def failing(*_: object) -> None:
        raise StorageCorrupt("planted")

    with monkeypatch.context() as patch:
        patch.setattr(target.cases, "add_messages", failing)
        with pytest.raises(StorageCorrupt, match="planted"):
            await imported(archive, target)
    assert await target.cases.get(CASE) is None
    assert (await imported(archive, target)).verification.is_clean


async def test_what_belongs_to_others_is_not_overwritten(archive: Path, tmp_path: Path) -> None:
    """An archive that somebody made by hand cannot reach beyond its case."""
    source = await with_a_case()
    foreign = f"{an_id('case', 2)}/{an_id('file', 1)}"
    await source.files.put(foreign, pieces_of(b"mine"))
    case = await source.cases.get(CASE)
    assert case is not None
    await source.cases.save(case.replace(uploaded_files=(a_file(1, content_ref=foreign),)))
    path = await exported(source, tmp_path / "foreign.zip")
    target = await elsewhere()
    with pytest.raises(ArchiveRefused, match="does not belong to the case"):
        await imported(path, target)
    assert await nothing(target)
    await target.documents.save(a_document(1, scope=GLOBAL, version=0), ())
    with pytest.raises(AlreadyExists):
        await imported(archive, target)


async def test_knowledge_of_others_in_it_is_refused(archive: Path, tmp_path: Path) -> None:
    members = {member.name: member.content for member in members_of(archive)}
    altered = (
        members["documents.jsonl"]
        .replace(f'"owner_id":"{CASE}"'.encode(), b'"owner_id":null')
        .replace(b'"kind":"case"', b'"kind":"global"')
    )
    contents = json.loads(members["contents.json"])
    contents["members"]["documents.jsonl"] |= {"size": len(altered), "sha256": hashlib.sha256(altered).hexdigest()}
    changes = {"documents.jsonl": altered, "contents.json": json.dumps(contents).encode()}
    path = rewritten(archive, tmp_path / "changed.zip", changes)
    target = await elsewhere()
    with pytest.raises(ArchiveRefused, match="does not belong to the case"):
        await imported(path, target)
    assert await nothing(target)


async def test_what_does_not_exist_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await exported(await with_a_case(), tmp_path / "none.zip", an_id("case", 99))
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240
