"""Servers that die, statements that hang, writers in each other's way, and an event loop that has to go on."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import asyncpg
import numpy as np
import pytest
import pytest_asyncio

from adapters.pgvector.vectors import BATCH, PgVectorStore
from domain.filter import parse_filter
from ports.errors import NotFound, OutcomeUnknown, StorageUnavailable
from ports.vectors import EmbeddingSpace
from tests.adapters.pgvector.conftest import COLLECTION, Open, options_of
from tests.contract.vectors.data import SPACE, a_record, a_vector, clusters, everything, ids, put, put_matrix
from tests.faults.test_loop_gap import (
    frozen_heap,  # noqa: F401 - a fixture
    no_long_pause,
)
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

FAST = 5.0
"""Within how many seconds a call fails when the server is away."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that the tests may kill."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest_asyncio.fixture(loop_scope="module")
async def mortal(server: PostgresServer) -> AsyncIterator[PgVectorStore]:
    """An empty store on that server."""
    store = await PgVectorStore.open(options_of(server.dsn()), COLLECTION, SPACE)
    await store.delete(ids(await everything(store)))
    yield store
    assert store._database.checked_out == 0
    await store.aclose()


async def test_server_is_away(server: PostgresServer, mortal: PgVectorStore) -> None:
    """Every call fails at once, and the first one after the server is back succeeds."""
    records = [a_record(number) for number in range(250)]
    await put(mortal, *records)
    await asyncio.to_thread(server.kill)
    try:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: mortal.query(a_vector(1.0)),
            lambda: mortal.get([a_record(1).id]),
            lambda: mortal.delete([a_record(1).id]),
            lambda: mortal.update([a_record(1).id], documents=["x"]),
            mortal.count,
            mortal.scan,
            lambda: put(mortal, a_record(300)),
            lambda: put(mortal, *(a_record(number) for number in range(300, 600))),
            mortal.check_health,
            mortal.check_integrity,
        ]
        for call in calls:
            began = time.monotonic()
            with pytest.raises(StorageUnavailable, match="PGVECTOR_HOST"):
                await call()
            assert time.monotonic() - began < FAST
    finally:
        await asyncio.to_thread(server.start)
    await put(mortal, a_record(250))
    assert await everything(mortal) == [*records, a_record(250)]
    assert ids(await mortal.query(a_record(0).embedding, 1)) == [a_record(0).id]


async def test_killed_in_the_middle_of_writes(server: PostgresServer, mortal: PgVectorStore) -> None:
    """Five times; every acknowledged call is there afterwards, and of the others all or nothing."""
    acknowledged: set[int] = set()
    progress: asyncio.Queue[int] = asyncio.Queue()
    size = 2 * BATCH + 50

    async def write(turn: int) -> None:
        with suppress(OutcomeUnknown, StorageUnavailable):
            for call in range(turn * 1000, (turn + 1) * 1000):
                vectors = [a_vector(1.0, call % 7, number % 11) for number in range(size)]
                names = [f"{call:05}_{number:03}" for number in range(size)]
                await mortal.add_documents(["x"] * size, vectors, [{"call": call}] * size, names)
                acknowledged.add(call)
                progress.put_nowait(call)

    for turn in range(5):
        writing = asyncio.ensure_future(write(turn))
        await progress.get()
        await asyncio.sleep(0.02 * turn)
        await asyncio.to_thread(server.kill)
        await writing
        await asyncio.to_thread(server.start)
    calls = {record.metadata["call"] for record in await everything(mortal)}
    assert len(acknowledged) >= 5
    assert acknowledged <= calls
    for call in calls:
        assert await mortal.count(parse_filter({"call": call})) == size
    near = await mortal.query(a_vector(1.0, 0.0, 0.0), 1000)
    assert len({hit.id for hit in near}) == min(1000, size * len(calls))


async def test_statement_that_takes_too_long(module_dsn: str, store: PgVectorStore) -> None:
    """It is given up, with a word on the setting; afterwards all goes on."""
    impatient = await PgVectorStore.open(replace(options_of(module_dsn), statement_timeout=0.2), COLLECTION, SPACE)
    blocker = await asyncpg.connect(module_dsn)
    try:
        async with blocker.transaction():
            await blocker.execute('LOCK TABLE "vectors_knowledge"')
            for call in (impatient.query(a_vector(1.0)), put(impatient, a_record(1)), impatient.count()):
                with pytest.raises(StorageUnavailable, match="DB_STATEMENT_TIMEOUT"):
                    await call
        await put(impatient, a_record(1))
        assert ids(await impatient.query(a_vector(1.0))) == [a_record(1).id]
        assert impatient._database.checked_out == 0
    finally:
        await blocker.close()
        await impatient.aclose()


async def test_writers_of_the_same_records(store: PgVectorStore) -> None:
    """They wait for each other in one order, so none is refused, whatever order their records have."""
    names = [f"row_{number:03}" for number in range(3 * BATCH)]
    vectors = [a_vector(1.0, number) for number in range(len(names))]

    async def write(order: list[str], text: str) -> None:
        for _ in range(3):
            await store.add_documents([text] * len(order), vectors, [{}] * len(order), order)
            await store.update(order, documents=[text] * len(order))

    await asyncio.gather(write(names, "up"), write(names[::-1], "down"), write(names[1::2] + names[::2], "mixed"))
    assert await store.count() == len(names)
    assert len({record.document for record in await everything(store)}) == 1


async def test_deleting_what_others_write(store: PgVectorStore) -> None:
    """Neither side is refused, and a record that was deleted by two is counted once."""
    names = [a_record(number).id for number in range(150)]

    async def remove(order: list[str]) -> int:
        return sum([await store.delete(order) for _ in range(5)])

    await put(store, *(a_record(number) for number in range(150)))
    assert sum(await asyncio.gather(remove(names), remove(names[::-1]))) == 150
    await asyncio.gather(
        remove(names), *(put(store, *(a_record(number) for number in range(149, -1, -1))) for _ in range(3))
    )
    assert await store.count() == await store.delete(names)


async def test_cancelled_import_leaves_nothing(store: PgVectorStore) -> None:
    """A call of many batches happens as a whole or not at all, whenever it is cancelled."""
    matrix = clusters(seed=1, groups=10, size=100)
    for pause in (0.01, 0.05, 0.1, 0.2):
        adding = asyncio.ensure_future(put_matrix(store, matrix))
        await asyncio.sleep(pause)
        adding.cancel()
        with suppress(asyncio.CancelledError):
            await adding
        assert await store.count() in (0, 1000)
        await store.delete(ids(await everything(store)))


async def test_update_that_fails_releases_its_locks(store: PgVectorStore) -> None:
    """The next writer does not wait."""
    await put(store, a_record(1))
    with pytest.raises(NotFound):
        await store.update([a_record(1).id, "unknown"], documents=["x", "y"])
    async with asyncio.timeout(2):
        await put(store, a_record(1))


async def test_behind_a_pooler(module_dsn: str, store: PgVectorStore) -> None:
    """Without prepared statements everything works the same."""
    matrix = clusters(seed=1, groups=5, size=50)
    pooled = await PgVectorStore.open(replace(options_of(module_dsn), pgbouncer=True), COLLECTION, SPACE)
    try:
        names = await put_matrix(pooled, matrix)
        await pooled.update(names[:5], metadatas=[{"new": 1}] * 5)
        assert {hit.id for hit in await pooled.query(matrix[0].tolist(), 10, parse_filter({"new": 1}))} == set(
            names[:5]
        )
        assert await pooled.delete(names) == 250
    finally:
        await pooled.aclose()


@pytest.mark.timed
@pytest.mark.usefixtures("frozen_heap")
async def test_the_event_loop_goes_on(open_store: Open) -> None:
    """Neither writing a hundred long vectors, nor searching, nor reading many holds up anybody else."""
    dimension = 1024
    store = await open_store(EmbeddingSpace("long", dimension), collection="long")
    random = np.random.default_rng(3)
    matrix = random.normal(size=(400, dimension))
    vectors = matrix.tolist()
    names = [f"row_{row:05}" for row in range(400)]
    await store.add_documents(["x"] * 10, vectors[:10], [{}] * 10, names[:10])
    async with no_long_pause():
        for start in range(0, 400, 100):
            part = slice(start, start + 100)
            await store.add_documents(["text " * 100] * 100, vectors[part], [{"row": 0.5}] * 100, names[part])
        for query in vectors[:5]:
            assert len(await store.query(query, 300)) == 300
        assert ids(await store.get(names)) == names
        assert len(await store.scan(limit=200)) == 200
        await store.update(names, embeddings=vectors[::-1])
