"""Archives of generated content."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.archive.zip_file import reading, writing
from adapters.hashing.embeddings import HashingEmbedding
from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.users import InMemoryUserRepository
from adapters.memory.vectors import InMemoryVectorStore
from adapters.system.clock import SystemClock
from application.transfer.archive import Archive
from application.transfer.backup import Backup, BackupReport
from application.transfer.items import Item, Kind
from application.transfer.migrator import Migration, is_empty
from application.transfer.restore import Restore
from application.transfer.stores import Stores
from application.transfer.system import Verification
from domain.case import Case
from tests.contract.vectors.data import SPACE
from tests.migration.content import content, fill

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def in_memory(*, vectors: bool = True, sessions: bool = True) -> Stores:
    """Empty stores in memory."""
    return Stores(
        users=InMemoryUserRepository(),
        documents=InMemoryKnowledgeRepository(),
        cases=InMemoryCaseRepository(),
        files=InMemoryBlobStore(),
        vectors=InMemoryVectorStore(SPACE) if vectors else None,
        sessions=InMemorySessionStore(SystemClock()) if sessions else None,
        embeddings=HashingEmbedding(),
    )


def bytes_of(key: str) -> bytes:
    """What the file with this key holds: nothing, a little, or more than a piece."""
    seed = hashlib.sha256(key.encode()).digest()
    return seed * (seed[0] % 3 * 1500 * (seed[1] % 3))


async def pieces_of(content: bytes) -> AsyncIterator[bytes]:
    """The content in pieces."""
    for start in range(0, len(content), 64 * 1024):
        yield content[start : start + 64 * 1024]


def with_files(item: Item, number: int) -> Item:
    """A case with files of its own, whose keys can be keys."""
    case = item.content
    if not isinstance(case, Case):
        return item
    files = tuple(
        file.replace(content_ref=f"{case.case_id}/{file.file_id}") for file in case.uploaded_files[: number % 4]
    )
    named = {file.file_id for file in files}
    evidence = tuple(each.replace(file_id=each.file_id if each.file_id in named else None) for each in case.evidence)
    written = tuple(
        each.replace(content_ref=f"{case.case_id}/{each.document_id}")
        for each in case.documentation.documents_generated[:1]
    )
    return Item(
        item.key,
        0,
        case.replace(
            uploaded_files=files,
            evidence=evidence,
            documentation=case.documentation.replace(documents_generated=written),
        ),
    )


async def filled(stores: Stores, number: int = 60) -> Stores:
    """The stores with hostile content of every kind, and all the files that the cases name."""
    cases = [with_files(item, index) for index, item in enumerate(content(Kind.CASES, number))]
    for kind, collection in stores.collections().items():
        if kind is Kind.CASES:
            await fill(stores.cases, cases)
        elif kind is not Kind.FILES:
            await fill(collection.store, content(kind, number))
    for item in cases:
        if isinstance(item.content, Case):
            for file in (*item.content.uploaded_files, *item.content.documentation.documents_generated):
                await stores.files.put(file.content_ref, pieces_of(bytes_of(file.content_ref)))
    return stores


async def backed_up(stores: Stores, path: Path) -> BackupReport:
    """Write everything to an archive."""
    with writing(path) as writer:
        return await Backup(stores, writer, now=NOW, release="0.0.0").everything()


async def restored(path: Path, stores: Stores) -> tuple[list[Migration], Verification]:
    """Read everything from an archive."""
    with reading(path) as reader:
        task = Restore(Archive(reader), stores)
        return await task.restore(), await task.verify()


async def all_empty(stores: Stores) -> bool:
    """True if nothing was written to any of the stores, not even a checkpoint."""
    for kind, collection in stores.collections().items():
        if not await is_empty(collection) or await collection.store.read_checkpoint(f"transfer-{kind}") is not None:
            return False
    return True


@dataclass(frozen=True)
class Member:
    """A member of an archive as it is written anew."""

    name: str
    content: bytes


def members_of(path: Path) -> list[Member]:
    """The members in their order."""
    with zipfile.ZipFile(path) as archive:
        return [Member(name, archive.read(name)) for name in archive.namelist()]


def rewritten(path: Path, target: Path, changes: Mapping[str, bytes | None], added: tuple[Member, ...] = ()) -> Path:
    """The archive with some members replaced, or left out, and others added in front of the last."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        *first, last = members_of(path)
        for member in (*first, *added, last):
            changed = changes.get(member.name, member.content)
            if changed is not None:
                archive.writestr(member.name, changed)
    return target
