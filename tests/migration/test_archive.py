"""What goes into an archive comes out of it, and a damaged archive brings nothing out."""

from __future__ import annotations

import json
import os
import random
import stat
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.archive.zip_file import reading, writing
from adapters.filesystem.blobs import FileBlobStore
from adapters.memory.vectors import InMemoryVectorStore
from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.options import PostgresOptions
from adapters.postgres.users import PostgresUserRepository
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.users import SqliteUserRepository
from application.transfer import archive_format
from application.transfer.archive import Archive
from application.transfer.archive_format import ArchiveRefused
from application.transfer.backup import Backup
from application.transfer.items import Item, Kind, StoredFile, canonical_bytes
from application.transfer.migrator import TransferRefused
from application.transfer.restore import Restore
from application.transfer.stores import Stores
from application.transfer.verification import compare
from ports.errors import PortError, StorageCorrupt
from tests.builders import a_case
from tests.migration.archives import (
    NOW,
    Member,
    all_empty,
    backed_up,
    bytes_of,
    filled,
    in_memory,
    members_of,
    restored,
    rewritten,
)
from tests.migration.content import everything
from tests.stateful.server_adapters import new_postgres_database

LINES = ["users.jsonl", "documents.jsonl", "vectors.jsonl", "files.jsonl", "cases.jsonl", "sessions.jsonl"]


@pytest.fixture
async def source() -> Stores:
    return await filled(in_memory())


@pytest.fixture
async def archive(source: Stores, tmp_path: Path) -> Path:
    path = tmp_path / "backup.zip"
    await backed_up(source, path)
    return path


async def same(mine: Stores, theirs: Stores, kinds: set[Kind] | None = None) -> None:
    """Fails unless both hold the same, byte for byte in canonical form."""
    ours, others = mine.collections(), theirs.collections()
    for kind in kinds or set(ours) & set(others):
        left, right = await everything(ours[kind]), await everything(others[kind])
        assert [(item.key, item.part) for item in left] == [(item.key, item.part) for item in right]
        for one, other in zip(left, right, strict=True):
            assert canonical_bytes(one.content) == canonical_bytes(other.content), one.key


async def test_round_trip(source: Stores, archive: Path) -> None:
    target = in_memory()
    migrations, verification = await restored(archive, target)
    assert verification.is_clean, verification
    assert [each.kind for each in migrations] == list(Kind)
    assert all(each.written == each.read > 0 for each in migrations)
    await same(source, target)
    for item in await everything(target.collections()[Kind.FILES]):
        assert isinstance(item.content, StoredFile)
        assert b"".join([piece async for piece in await target.files.open(item.key)]) == bytes_of(item.key)


async def test_two_backups_of_the_same_are_the_same_bytes(source: Stores, archive: Path, tmp_path: Path) -> None:
    await backed_up(source, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()  # noqa: ASYNC240


async def test_round_trip_by_sqlite(source: Stores, archive: Path, tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "cases.db")
    target = Stores(
        users=SqliteUserRepository(database),
        documents=SqliteKnowledgeRepository(database),
        cases=SqliteCaseRepository(database),
        files=FileBlobStore(tmp_path / "files"),
    )
    try:
        _, verification = await restored(archive, target)
        assert verification.is_clean, verification
        await same(source, target)
        await backed_up(target, tmp_path / "again.zip")
        home = in_memory(vectors=False, sessions=False)
        _, verification = await restored(tmp_path / "again.zip", home)
        assert verification.is_clean, verification
        await same(source, home)
    finally:
        await target.files.aclose()  # type: ignore[attr-defined]
        await database.aclose()


@pytest.mark.postgres
async def test_round_trip_by_postgres(source: Stores, archive: Path, request: pytest.FixtureRequest) -> None:
    async with new_postgres_database(request.getfixturevalue) as dsn:
        database = await PostgresDatabase.open(PostgresOptions(dsn))
        target = replace(
            in_memory(vectors=False, sessions=False),
            users=PostgresUserRepository(database),
            documents=PostgresKnowledgeRepository(database),
            cases=PostgresCaseRepository(database),
        )
        try:
            _, verification = await restored(archive, target)
            assert verification.is_clean, verification
            await same(source, target)
            async with target.cases.snapshot():  # type: ignore[attr-defined]
                await same(source, target)
        finally:
            await database.aclose()


# ---------------------------------------------------------------- restoring


async def test_vectors_are_left_out_and_made_again(tmp_path: Path) -> None:
    source = await filled(in_memory(vectors=False))
    await backed_up(source, tmp_path / "backup.zip")
    made = in_memory(vectors=False)
    assert made.embeddings is not None
    target = replace(made, vectors=InMemoryVectorStore(made.embeddings.space))
    _, verification = await restored(tmp_path / "backup.zip", target)
    assert not [text for text in verification.dangling if "has no vector" in text]
    assert target.vectors is not None
    assert await target.vectors.count() > 0


@pytest.mark.parametrize("kind", [Kind.USERS, Kind.DOCUMENTS, Kind.CASES, Kind.FILES])
async def test_a_store_that_is_not_empty_is_refused(kind: Kind, source: Stores, archive: Path) -> None:
    target = in_memory()
    (first, *_) = await everything(source.collections()[kind])
    await target.collections()[kind].put([first])
    with pytest.raises(TransferRefused, match=f"already holds {kind}"):
        await restored(archive, target)
    for other, collection in target.collections().items():
        assert len(await everything(collection)) == (other is kind)


async def test_an_interrupted_restore_goes_on(source: Stores, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = in_memory()
    stored = target.files.put
    calls = 0

    async def failing(key: str, content: AsyncIterator[bytes]) -> Any:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise StorageCorrupt("planted")
        return await stored(key, content)

    monkeypatch.setattr(target.files, "put", failing)
    with pytest.raises(StorageCorrupt, match="planted"):
        await restored(archive, target)
    _, verification = await restored(archive, target)
    assert verification.is_clean
    await same(source, target)


async def test_another_archive_does_not_go_on_with_an_interrupted_restore(
    source: Stores, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = in_memory()

    async def failing(key: str, content: AsyncIterator[bytes]) -> Any:
        raise StorageCorrupt("planted")

    with monkeypatch.context() as patch:
        patch.setattr(target.files, "put", failing)
        with pytest.raises(StorageCorrupt, match="planted"):
            await restored(archive, target)
    await source.cases.save(a_case(999))
    await backed_up(source, tmp_path / "later.zip")
    with pytest.raises(TransferRefused):
        await restored(tmp_path / "later.zip", target)


# ---------------------------------------------------------------- damage


async def refused(path: Path) -> Exception:
    """The error with which the archive is refused, after a look that nothing was written."""
    target = in_memory()
    with pytest.raises((StorageCorrupt, ArchiveRefused)) as caught:
        await restored(path, target)
    assert await all_empty(target)
    return caught.value


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99, 0.9999])
async def test_a_truncated_archive_is_refused(archive: Path, share: float) -> None:
    content = archive.read_bytes()  # noqa: ASYNC240
    archive.write_bytes(content[: int(len(content) * share)])  # noqa: ASYNC240
    assert "archive" in str(await refused(archive))


async def test_a_flipped_byte_is_refused_or_says_nothing(source: Stores, archive: Path) -> None:
    """Some bytes of a ZIP file mean nothing to a reader, such as the times of members."""
    content = archive.read_bytes()  # noqa: ASYNC240
    chosen = random.Random(4)
    harmless = 0
    for _ in range(40):
        damaged = bytearray(content)
        damaged[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        archive.write_bytes(damaged)  # noqa: ASYNC240
        target = in_memory()
        try:
            await restored(archive, target)
        except (StorageCorrupt, ArchiveRefused):
            assert await all_empty(target)
        else:
            harmless += 1
            await same(source, target)
    assert harmless < 20


@pytest.mark.parametrize("name", LINES)
async def test_a_removed_line_is_refused(archive: Path, tmp_path: Path, name: str) -> None:
    (content,) = [member.content for member in members_of(archive) if member.name == name]
    fewer = b"".join(content.splitlines(keepends=True)[:-1])
    await refused(rewritten(archive, tmp_path / "changed.zip", {name: fewer}))


@pytest.mark.parametrize("name", LINES)
async def test_an_altered_line_is_refused(archive: Path, tmp_path: Path, name: str) -> None:
    (content,) = [member.content for member in members_of(archive) if member.name == name]
    altered = content.replace(b'"kind"', b'"kind" ', 1)
    await refused(rewritten(archive, tmp_path / "changed.zip", {name: altered}))


@pytest.mark.parametrize("name", ["manifest.json", "contents.json", *LINES])
async def test_a_missing_member_is_refused(archive: Path, tmp_path: Path, name: str) -> None:
    await refused(rewritten(archive, tmp_path / "changed.zip", {name: None}))


async def test_a_wrong_or_missing_file_is_refused(archive: Path, tmp_path: Path) -> None:
    names = [member.name for member in members_of(archive) if member.name.startswith("files/") and member.content]
    assert names[0] in str(await refused(rewritten(archive, tmp_path / "1.zip", {names[0]: None})))
    await refused(rewritten(archive, tmp_path / "2.zip", {names[0]: b"something else"}))
    bomb = b"\0" * 50_000_000
    assert "longer than" in str(await refused(rewritten(archive, tmp_path / "3.zip", {names[0]: bomb})))


@pytest.mark.parametrize("name", ["files/../../etc/passwd", "files/case_1/unnamed", "notes.txt", "/etc/passwd"])
async def test_a_foreign_member_is_refused(archive: Path, tmp_path: Path, name: str) -> None:
    changed = rewritten(archive, tmp_path / "changed.zip", {}, (Member(name, b"x"),))
    assert "does not belong" in str(await refused(changed))


@pytest.mark.filterwarnings("ignore:Duplicate name")
async def test_a_member_that_stands_twice_is_refused(archive: Path, tmp_path: Path) -> None:
    changed = rewritten(archive, tmp_path / "changed.zip", {}, (Member("users.jsonl", b""),))
    assert "same name" in str(await refused(changed))


async def test_a_bomb_of_lines_is_refused(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither more bytes than are announced are read, nor an endless line is held."""
    bomb = b" " * 100_000_000
    assert "longer than" in str(await refused(rewritten(archive, tmp_path / "1.zip", {"users.jsonl": bomb})))
    monkeypatch.setattr(archive_format, "MAX_LINE", 1_000_000)
    contents = json.loads(members_of(archive)[-1].content)
    contents["members"]["users.jsonl"]["size"] = len(bomb)
    announced = {"users.jsonl": bomb, "contents.json": json.dumps(contents).encode()}
    assert "has a line of more" in str(await refused(rewritten(archive, tmp_path / "2.zip", announced)))


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "a/../b", "", "a\\b", "a b"])
async def test_a_key_that_leads_elsewhere_is_refused(archive: Path, tmp_path: Path, key: str) -> None:
    record = json.dumps({"data": {"key": key, "sha256": "0" * 64, "size": 0}, "kind": "file"}).encode() + b"\n"
    contents = json.loads(members_of(archive)[-1].content)
    contents["members"]["files.jsonl"]["size"] = len(record)
    changes = {"files.jsonl": record, "contents.json": json.dumps(contents).encode()}
    assert "blob key" in str(await refused(rewritten(archive, tmp_path / "changed.zip", changes)))


async def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("hello.txt", "hello")
    assert "no archive of FaultMaven" in str(await refused(path))
    path.write_bytes(b"no zip at all")
    assert "no ZIP file" in str(await refused(path))
    with pytest.raises(ArchiveRefused, match="cannot be read"), reading(tmp_path / "absent.zip"):
        pass


async def test_a_newer_version_is_refused(archive: Path, tmp_path: Path) -> None:
    manifest = json.loads(members_of(archive)[0].content)
    newer = {"manifest.json": json.dumps({**manifest, "version": 2, "release": "9.9", "more": 1}).encode()}
    said = str(await refused(rewritten(archive, tmp_path / "changed.zip", newer)))
    assert "release 9.9 wrote this archive in version 2" in said
    assert "versions 1 to 1" in said


async def test_version_1_is_read(tmp_path: Path) -> None:
    """The file is never made again: a release that cannot read it has broken its promise."""
    target = in_memory()
    _, verification = await restored(Path(__file__).parent / "data" / "archive-1.zip", target)
    assert verification.is_clean, verification
    counts = {kind: len(await everything(each)) for kind, each in target.collections().items()}
    assert counts == {
        Kind.USERS: 12,
        Kind.DOCUMENTS: 12,
        Kind.VECTORS: 12,
        Kind.FILES: 4,
        Kind.CASES: 39,
        Kind.SESSIONS: 12,
    }


# ---------------------------------------------------------------- writing


async def test_the_file_is_for_its_owner_and_whole_or_not_there(source: Stores, tmp_path: Path) -> None:
    path = tmp_path / "backup.zip"
    before = os.umask(0)
    try:
        await backed_up(source, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    with pytest.raises(ArchiveRefused, match="exists already"):
        await backed_up(source, path)
    failing = replace(source, files=in_memory().files)
    failing.files.open = _unreadable  # type: ignore[method-assign]
    with pytest.raises(StorageCorrupt), writing(path, overwrite=True) as writer:
        await Backup(failing, writer, now=NOW, release="0").everything()
    assert path.read_bytes() == content
    assert [item.name for item in tmp_path.iterdir()] == ["backup.zip"]  # noqa: ASYNC240


async def _unreadable(key: str) -> AsyncIterator[bytes]:
    raise StorageCorrupt(key)


async def test_a_case_that_is_deleted_meanwhile_is_left_out(tmp_path: Path) -> None:
    """Its files are gone before they are copied; what is in the archive names no missing file."""
    database = await SqliteDatabase.open(tmp_path / "cases.db")
    memory = await filled(in_memory())
    source = replace(memory, cases=SqliteCaseRepository(database), vectors=None, sessions=None)
    cases = await everything(memory.collections()[Kind.CASES])
    for start in range(0, len(cases), 50):
        await source.collections()[Kind.CASES].put(cases[start : start + 50])
    (victim, *_) = [item for item in cases if item.part == 0 and getattr(item.content, "uploaded_files", ())]
    other = SqliteCaseRepository(await SqliteDatabase.open(tmp_path / "cases.db"))
    opened = source.files.open
    deleted = False

    async def deleting(key: str) -> AsyncIterator[bytes]:
        nonlocal deleted
        if not deleted:
            deleted = True
            await other.delete(victim.key)
            while found := await source.files.scan(prefix=victim.key):
                for blob in found:
                    await source.files.delete(blob.key)
        return await opened(key)

    source.files.open = deleting  # type: ignore[method-assign]
    try:
        report = await backed_up(source, tmp_path / "backup.zip")
        assert report.left_out == (victim.key,)
        target = in_memory(vectors=False, sessions=False)
        _, verification = await restored(tmp_path / "backup.zip", target)
        assert verification.is_clean, verification
        kept = {item.key for item in await everything(target.collections()[Kind.CASES])}
        assert kept == {item.key for item in cases} - {victim.key}
    finally:
        await other._database.aclose()  # type: ignore[attr-defined]
        await database.aclose()


async def test_a_case_that_is_deleted_after_its_files_were_copied_is_whole(source: Stores, tmp_path: Path) -> None:
    """Found with backups under load: its files were said to be missing, though the archive has them."""
    opened = source.files.open

    async def pieces(key: str) -> AsyncIterator[bytes]:
        async for piece in await opened(key):
            yield piece
        await source.files.delete(key)

    async def vanishing(key: str) -> AsyncIterator[bytes]:
        return pieces(key)

    source.files.open = vanishing  # type: ignore[method-assign]
    report = await backed_up(source, tmp_path / "backup.zip")
    assert report.left_out == ()
    assert [text for text in report.dangling if "its file" in text] == []
    assert report.file_bytes > 0
    assert await source.files.scan() == ()
    _, verification = await restored(tmp_path / "backup.zip", in_memory())
    assert verification.is_clean, verification


async def test_what_was_lost_before_stays_as_it_was(source: Stores, tmp_path: Path) -> None:
    """A case whose file is missing is still worth keeping; the restore does not complain of what it did not break."""
    (lost, *_) = await everything(source.collections()[Kind.FILES])
    await source.files.delete(lost.key)
    report = await backed_up(source, tmp_path / "backup.zip")
    assert report.left_out == ()
    assert any(lost.key in text for text in report.dangling)
    _, verification = await restored(tmp_path / "backup.zip", in_memory())
    assert verification.is_clean, verification


async def test_the_archive_is_a_source_like_any_other(source: Stores, archive: Path) -> None:
    with reading(archive) as reader:
        sources = Archive(reader).sources()
        for kind, collection in source.collections().items():
            comparison = await compare(sources[kind], collection)
            assert comparison.is_clean, comparison
            items: list[Item] = await everything(sources[kind])
            middle = items[len(items) // 2]
            rest = [item async for item in sources[kind].items(middle.position)]
            assert [(item.key, item.part) for item in rest] == [
                (item.key, item.part) for item in items[len(items) // 2 + 1 :]
            ]


async def test_an_archive_of_a_case_is_no_backup(source: Stores, tmp_path: Path) -> None:
    (case, *_) = await everything(source.collections()[Kind.CASES])
    path = tmp_path / "case.zip"
    with writing(path) as writer:
        await Backup(source, writer, now=NOW, release="0").case(case.key)
    with reading(path) as reader, pytest.raises(ArchiveRefused, match="case import"):
        Restore(Archive(reader), in_memory())
    assert issubclass(StorageCorrupt, PortError)
