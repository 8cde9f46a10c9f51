"""The full-text index in PostgreSQL: it fits the chunks whatever happens, and ranks as the one in memory does."""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.full_text import SEARCH
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.options import PostgresOptions
from adapters.postgres.sql import Sql
from adapters.sql.documents import encode
from adapters.sql.schema import upgrade
from domain.knowledge import GLOBAL
from domain.terms import terms
from ports.errors import AlreadyExists, Conflict, StorageCorrupt
from tests.adapters.postgres.conftest import execute
from tests.adapters.postgres.test_schema import run_sync
from tests.builders import AT, an_id
from tests.contract.knowledge.samples import MINE, a_document, chunks, places

WORDS = ("disk", "full", "node", "Pod", "CrashLoop", "redis", "queue", "é", "数据", "slow", "network", "lost")


EMPTY = "TRUNCATE knowledge_documents, knowledge_chunks"


@pytest.fixture
async def dsn(module_dsn: str) -> str:
    """The address of the module's database, emptied, whatever a test has done to the index."""
    await execute(module_dsn, EMPTY)
    return module_dsn


@pytest.fixture
def repository(database: PostgresDatabase) -> PostgresKnowledgeRepository:
    """An empty store."""
    return PostgresKnowledgeRepository(database)


async def totals(database: PostgresDatabase) -> list[int]:
    """The number of chunks and of terms of which the index knows, and in how many rows that stands."""
    (row,) = await database.read(Sql("SELECT sum(chunks)::int, sum(length)::int, count(*)::int FROM knowledge_totals"))
    return list(row)


async def test_ranks_as_memory_does(repository: PostgresKnowledgeRepository) -> None:
    """Every score is the very same number as in memory, so equal ones stand in the same order."""
    random = Random(7)
    memory = InMemoryKnowledgeRepository()
    for number in range(30):
        texts = [" ".join(random.choices(WORDS, k=random.randint(1, 20))) for _ in range(random.randint(0, 8))]
        document = a_document(number, scope=random.choice((GLOBAL, MINE)))
        parts = chunks(document, *texts, heading=random.choice(("", "Disk full")))
        for store in (memory, repository):
            await store.save(document, parts)
    for _ in range(40):
        query = terms(" ".join(random.choices(WORDS, k=random.randint(1, 6))))
        for scopes in ([GLOBAL], [GLOBAL, MINE]):
            expected = await memory.search(query, scopes, limit=25)
            assert await repository.search(query, scopes, limit=25) == expected


async def test_writers_at_once(repository: PostgresKnowledgeRepository, database: PostgresDatabase) -> None:
    """Writers of different documents and of the same ones leave exact statistics, and none waits for another's end."""

    async def write(number: int) -> None:
        document = a_document(number % 7)
        for turn in range(6):
            stored = await repository.get(document.document_id)
            version = stored.version if stored else 0
            try:
                await repository.save(
                    document.replace(version=version), chunks(document, *["disk full again"] * ((number + turn) % 5))
                )
            except Conflict:
                await repository.delete(document.document_id)

    await asyncio.gather(*map(write, range(20)))
    assert await repository.check_integrity() == []
    found, length, rows = await totals(database)
    assert length == 3 * found
    assert rows <= 20


async def test_open_transaction_holds_up_nobody(
    repository: PostgresKnowledgeRepository, database: PostgresDatabase
) -> None:
    """While a transaction with a saved document is open, others are saved, and see nothing of it."""
    await repository.save(a_document(3), chunks(3, "queue"))
    async with database.transaction():
        await repository.save(a_document(1), chunks(1, "disk full"))
        other = asyncio.create_task(repository.save(a_document(2), chunks(2, "disk")))
        await asyncio.wait_for(other, 5)
        seen = asyncio.create_task(repository.search(["disk"], [GLOBAL]))
        assert places(await seen) == [(2, 0)]
        assert sorted(places(await repository.search(["disk"], [GLOBAL]))) == [(1, 0), (2, 0)]
    assert await repository.check_integrity() == []
    assert await totals(database) == [3, 4, 2]


async def test_rolled_back_transaction(repository: PostgresKnowledgeRepository, database: PostgresDatabase) -> None:
    """A save and a deletion are undone together with what the index took from them."""
    kept = await repository.save(a_document(1), chunks(1, "disk full"))

    async def work() -> None:
        async with database.transaction():
            await repository.save(a_document(2), chunks(2, "disk"))
            await repository.delete(kept.document_id)
            assert places(await repository.search(["disk"], [GLOBAL])) == [(2, 0)]
            raise LookupError

    with pytest.raises(LookupError):
        await work()
    assert places(await repository.search(["disk"], [GLOBAL])) == [(1, 0)]
    assert await repository.check_integrity() == []


async def test_refused_save_inside_a_transaction(
    repository: PostgresKnowledgeRepository, database: PostgresDatabase
) -> None:
    """A taken source key and a stale version leave the rest of the transaction as it was."""
    await repository.save(a_document(1, source_key="a.md"), chunks(1, "alpha"))
    second = await repository.save(a_document(2), chunks(2, "beta"))
    async with database.transaction():
        with pytest.raises(AlreadyExists):
            await repository.save(second.replace(source_key="a.md"), chunks(2, "gamma"))
        with pytest.raises(AlreadyExists):
            await repository.save(a_document(3, source_key="a.md"), chunks(3, "gamma"))
        with pytest.raises(Conflict):
            await repository.save(a_document(2), chunks(2, "gamma"))
        await repository.save(a_document(4), chunks(4, "delta"))
    assert await repository.search(["gamma"], [GLOBAL]) == ()
    assert places(await repository.search(["beta", "delta"], [GLOBAL])) == [(2, 0), (4, 0)]
    assert await repository.check_integrity() == []


async def test_version_is_checked_before_the_source_key(repository: PostgresKnowledgeRepository) -> None:
    """A stale document whose source key is taken too is a conflict, new or not."""
    await repository.save(a_document(1, source_key="a.md"), [])
    second = await repository.save(a_document(2), [])
    for stale in (second.replace(version=0, source_key="a.md"), second.replace(version=5, source_key="a.md")):
        with pytest.raises(Conflict) as conflict:
            await repository.save(stale, [])
        assert conflict.value.actual == 1


async def test_cancelled_saves(repository: PostgresKnowledgeRepository, database: PostgresDatabase) -> None:
    """A save that is cancelled at any moment has happened or not, and the next operation works."""
    parts = chunks(1, *(f"disk number {number}" for number in range(50)))
    for pause in range(12):
        stored = await repository.get(an_id("kb", 1, 16))
        task = asyncio.create_task(repository.save(a_document(1, version=stored.version if stored else 0), parts))
        await asyncio.sleep(pause * 0.002)
        task.cancel()
        await asyncio.wait([task])
        assert len(await repository.chunks_of(an_id("kb", 1, 16))) in (0, 50)
        assert database.checked_out == 0
    assert await repository.check_integrity() == []


@pytest.mark.quirk("PostgreSQL", "TRUNCATE fires no trigger for the rows that it takes")
async def test_emptied_table(repository: PostgresKnowledgeRepository, dsn: str) -> None:
    """TRUNCATE, which fires no trigger for the rows, empties the index too."""
    await repository.save(a_document(1), chunks(1, "alpha"))
    await execute(dsn, EMPTY)
    assert await repository.check_integrity() == []
    await repository.save(a_document(1), chunks(1, "beta", "gamma"))
    assert await repository.search(["alpha"], [GLOBAL]) == ()
    assert await repository.check_integrity() == []


async def test_chunks_written_one_by_one(repository: PostgresKnowledgeRepository, dsn: str) -> None:
    """Whoever inserts or deletes single chunks, such as a tool that restores a dump, leaves a whole index."""
    await repository.save(a_document(1), chunks(1, "alpha", "alpha beta", "beta"))
    await execute(
        dsn,
        "DELETE FROM knowledge_chunks WHERE position = 1",
        "INSERT INTO knowledge_chunks (chunk_id, document_id, position, terms, document_sha256, document)"
        " SELECT 'kb_0000000000000001:9', document_id, 9, 'alpha gamma gamma', document_sha256, document"
        " FROM knowledge_chunks WHERE position = 0",
    )
    assert await repository.check_integrity() == []
    assert places(await repository.search(["alpha"], [GLOBAL])) == [(1, 0), (1, 0)]
    assert places(await repository.search(["beta"], [GLOBAL])) == [(1, 2)]


STALE = "full-text index, document_id 'kb_{:016x}': does not fit the chunks; save the document again"
STALE_AND_LOST = [STALE.format(2), STALE.format(255)]


@pytest.mark.parametrize(
    ("damage", "problems"),
    [
        ("DELETE FROM knowledge_postings WHERE term = 'full'", [STALE.format(1)]),
        ("UPDATE knowledge_postings SET counts = '{9}' WHERE term = 'queue'", [STALE.format(2)]),
        ("UPDATE knowledge_postings SET lengths = lengths || 1 WHERE term = 'full'", [STALE.format(1)]),
        ("UPDATE knowledge_postings SET chunk_rows = '{1000}' WHERE term = 'queue'", [STALE.format(2)]),
        ("UPDATE knowledge_postings SET document_id = 'kb_00000000000000ff' WHERE term = 'queue'", STALE_AND_LOST),
        (
            "UPDATE knowledge_totals SET chunks = chunks + 1",
            ["full-text index: counts 4 chunks with 6 terms, 3 with 6 are there"],
        ),
        (
            "DELETE FROM knowledge_totals",
            ["full-text index: counts 0 chunks with 0 terms, 3 with 6 are there"],
        ),
    ],
)
async def test_damaged_index(
    repository: PostgresKnowledgeRepository, database: PostgresDatabase, damage: str, problems: list[str]
) -> None:
    """An index that differs from the chunks is found, document by document."""
    await repository.save(a_document(1), chunks(1, "disk full full", "disk"))
    await repository.save(a_document(2), chunks(2, "queue slow"))
    await database.write(Sql(damage))
    assert await repository.check_integrity() == problems


@pytest.mark.parametrize(
    "damage", ["DELETE FROM knowledge_totals", "UPDATE knowledge_totals SET chunks = 0, length = 0"]
)
async def test_search_with_damaged_totals(
    repository: PostgresKnowledgeRepository, database: PostgresDatabase, damage: str
) -> None:
    """Totals with which no score can be computed are named, and no hit has a made-up score."""
    await repository.save(a_document(1), chunks(1, "disk full full", "disk"))
    await database.write(Sql(damage))
    with pytest.raises(StorageCorrupt, match="full-text index"):
        await repository.search(["disk"], [GLOBAL])


async def test_search_reads_the_postings_of_its_terms(
    repository: PostgresKnowledgeRepository, database: PostgresDatabase
) -> None:
    """The cost of a search follows from how often its terms occur, not from the size of the store."""
    for number in range(50):
        await repository.save(
            a_document(number), chunks(number, *(f"disk n{number}x{each} full" for each in range(50)))
        )
    parameters = {"terms": ["n7x7"], "scopes": ["global"], "types": [], "limit": 20}
    async with database.atomic() as connection:
        await connection.execute("ANALYZE knowledge_documents, knowledge_chunks, knowledge_postings")
        arguments = SEARCH.arguments(parameters)
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {SEARCH.text}", *arguments))
    assert plan.count("ix_knowledge_postings_term") >= 2
    assert "Seq Scan on knowledge_postings" not in plan
    assert "Seq Scan on knowledge_chunks" not in plan


async def test_search_with_nul(repository: PostgresKnowledgeRepository) -> None:
    """A term with a character that no text can have finds nothing and hinders no other term."""
    await repository.save(a_document(1), chunks(1, "disk"))
    assert await repository.search(["di\0sk"], [GLOBAL]) == ()
    assert places(await repository.search(["\0", "disk"], [GLOBAL])) == [(1, 0)]


async def test_saving_again_repairs_the_index(
    repository: PostgresKnowledgeRepository, database: PostgresDatabase
) -> None:
    """The advice of the examination helps."""
    saved = await repository.save(a_document(1), chunks(1, "disk full full", "disk"))
    await database.write(Sql("UPDATE knowledge_postings SET counts = '{9}' WHERE term = 'full'"))
    assert await repository.check_integrity() == [STALE.format(1)]
    await repository.save(saved, chunks(1, "disk full full", "disk"))
    assert await repository.check_integrity() == []


async def test_damaged_documents(repository: PostgresKnowledgeRepository, database: PostgresDatabase) -> None:
    """A changed letter in a document or a chunk is found, and never read as if nothing were wrong."""
    await repository.save(a_document(1), chunks(1, "alpha"))
    await repository.save(a_document(2), chunks(2, "beta"))
    await database.write(
        Sql(
            "UPDATE knowledge_documents SET document = jsonb_set(document, '{title}', '\"x\"') WHERE document_id ~ '1$'"
        )
    )
    await database.write(
        Sql("UPDATE knowledge_chunks SET document = jsonb_set(document, '{text}', '\"x\"') WHERE document_id ~ '2$'")
    )
    for call in (repository.get(an_id("kb", 1, 16)), repository.search(["beta"], [GLOBAL]), repository.list([GLOBAL])):
        with pytest.raises(StorageCorrupt, match="checksum"):
            await call
    assert [problem.partition(":")[0] for problem in await repository.check_integrity()] == [
        "knowledge_documents, document_id 'kb_0000000000000001'",
        "knowledge_chunks, chunk_id 'kb_0000000000000002",
    ]


async def test_upgrade_indexes_what_is_there(new_database: Callable[..., str]) -> None:
    """Chunks of a database from before the index are found after the upgrade."""
    dsn = await asyncio.to_thread(new_database)
    await run_sync(dsn, partial(upgrade, where="", to="0003"))
    (chunk,) = chunks(1, "disk full disk")
    values = []
    for value in (a_document(1, version=1), chunk):
        document, _ = encode(value)
        values.append(f"sha256(convert_to($json${document}$json$::jsonb::text, 'UTF8')), $json${document}$json$")
    await execute(
        dsn,
        "INSERT INTO knowledge_documents (document_id, version, scope_key, document_type, created_at, document_sha256,"
        f" document) SELECT 'kb_0000000000000001', 1, 'global', 'playbook', '{AT}', {values[0]}",
        "INSERT INTO knowledge_chunks (chunk_id, document_id, position, terms, document_sha256, document)"
        f" SELECT '{chunk.chunk_id}', '{chunk.document_id}', 0, 'disk full disk', {values[1]}",
    )
    database = await PostgresDatabase.open(PostgresOptions(dsn))
    repository = PostgresKnowledgeRepository(database)
    try:
        assert await repository.get(an_id("kb", 1, 16)) == a_document(1, version=1)
        assert [hit.chunk for hit in await repository.search(["disk"], [GLOBAL])] == [chunk]
        assert await repository.check_integrity() == []
        await repository.save(a_document(1, version=1), chunks(1, "queue"))
        assert await repository.search(["disk"], [GLOBAL]) == ()
        assert await repository.check_integrity() == []
    finally:
        await database.aclose()
