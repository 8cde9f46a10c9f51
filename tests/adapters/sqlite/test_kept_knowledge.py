"""What was found by its words is kept until a chunk changes, whoever changes it."""

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.sqlite import knowledge
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from domain.knowledge import GLOBAL, KnowledgeType
from ports.errors import StorageCorrupt
from tests.contract.knowledge.samples import MINE, a_document, chunks, places

Reads = list[str]


@pytest.fixture
async def repository(database: SqliteDatabase) -> SqliteKnowledgeRepository:
    """With one document of two chunks."""
    repository = SqliteKnowledgeRepository(database)
    await repository.save(a_document(1), chunks(1, "disk full", "swap"))
    return repository


@pytest.fixture
def reads(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> Reads:
    """The names of the functions that are sent to a reader from now on."""
    sent: Reads = []
    read = database.read

    def noted(function: Callable[..., object], *args: object) -> Awaitable[object]:
        sent.append(function.__name__)
        return read(function, *args)

    monkeypatch.setattr(database, "read", noted)
    return sent


async def test_searched_once(repository: SqliteKnowledgeRepository, reads: Reads) -> None:
    """The same question is not searched for twice; another one, of other scopes, types or size too, is."""
    once = await repository.search(["disk"], [GLOBAL])
    assert await repository.search(["disk"], [GLOBAL]) == once
    assert reads == ["_search"]
    await repository.search(["swap"], [GLOBAL])
    await repository.search(["disk"], [GLOBAL, MINE])
    await repository.search(["disk"], [GLOBAL], document_types=[KnowledgeType.FAQ])
    await repository.search(["disk"], [GLOBAL], limit=1)
    assert reads == ["_search"] * 5


async def test_fetched_once(repository: SqliteKnowledgeRepository, reads: Reads) -> None:
    """Chunks that are known are not read again, nor are ids that have none."""
    ids = [chunk.chunk_id for chunk in chunks(1, "disk full", "swap", "never written")]
    assert [chunk.text for chunk in await repository.get_chunks(ids)] == ["disk full", "swap"]
    assert [chunk.text for chunk in await repository.get_chunks(ids[::-1])] == ["swap", "disk full"]
    assert reads == ["_get_chunks"]


async def test_another_process_writes(repository: SqliteKnowledgeRepository, path: Path, reads: Reads) -> None:
    """What somebody else adds to the file is found, although this process asked before."""
    ids = [chunk.chunk_id for chunk in (*chunks(1, "disk full"), *chunks(2, "disk lost"))]
    for _ in range(2):
        assert places(await repository.search(["disk"], [GLOBAL])) == [(1, 0)]
        assert len(await repository.get_chunks(ids)) == 1
    other = await SqliteDatabase.open(path)
    await SqliteKnowledgeRepository(other).save(a_document(2), chunks(2, "disk lost"))
    await other.aclose()
    assert places(await repository.search(["disk"], [GLOBAL])) == [(1, 0), (2, 0)]
    assert len(await repository.get_chunks(ids)) == 2
    assert reads == ["_search", "_get_chunks"] * 2


async def test_damage_is_seen(repository: SqliteKnowledgeRepository, path: Path) -> None:
    """A chunk that was changed behind the back of the program is refused although the right one is known."""
    assert places(await repository.search(["disk"], [GLOBAL])) == [(1, 0)]
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE knowledge_chunks SET document = replace(document, 'full', 'fine')")
    connection.close()
    with pytest.raises(StorageCorrupt):
        await repository.search(["disk"], [GLOBAL])


async def test_no_more_than_so_many(database: SqliteDatabase, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more questions the latest ones are kept, also of those without a hit."""
    monkeypatch.setattr(knowledge, "KEPT_HITS", 2)
    repository = SqliteKnowledgeRepository(database)
    for term in ("disk", "swap", "disk", "queue", "disk", "swap"):
        await repository.search([term], [GLOBAL])
    assert len(reads) == 4
