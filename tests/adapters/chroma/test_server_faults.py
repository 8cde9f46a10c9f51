"""A Chroma server that goes away and comes back, callers that lose patience, and the event loop meanwhile."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import numpy as np
import pytest
import pytest_asyncio

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_client import CONNECTIONS
from adapters.chroma.server_options import ChromaServerOptions
from domain.filter import parse_filter
from ports.errors import OutcomeUnknown, StorageUnavailable
from ports.vectors import EmbeddingSpace
from tests.adapters.chroma.conftest import OpenOnServer
from tests.contract.vectors.data import SPACE, a_record, a_vector, everything, ids, put
from tests.faults.test_loop_gap import no_long_pause
from tests.servers.chroma import ChromaServer

pytestmark = [pytest.mark.chroma, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def server() -> Iterator[ChromaServer]:
    """A server of the test's own."""
    private = ChromaServer()
    try:
        private.start()
        yield private
    finally:
        private.remove()


@pytest_asyncio.fixture(loop_scope="module")
async def store(server: ChromaServer) -> AsyncIterator[ChromaServerVectorStore]:
    """A store on it."""
    opened = await ChromaServerVectorStore.open(ChromaServerOptions(server.url, "knowledge"), SPACE)
    yield opened
    await opened.aclose()


async def test_server_away(server: ChromaServer, store: ChromaServerVectorStore) -> None:
    """It is said at once, the first call after its return works, and everything acknowledged is there."""
    await put(store, *(a_record(number) for number in range(150)))
    await asyncio.gather(*(store.count() for _ in range(10)))
    server.kill()
    async with asyncio.timeout(2):
        for _ in range(3):
            for call in (
                store.count(),
                store.get(["a"]),
                store.query(a_vector(1.0)),
                store.scan(),
                store.delete(["a"]),
            ):
                with pytest.raises(StorageUnavailable, match="CHROMADB_URL"):
                    await call
            with pytest.raises(StorageUnavailable):
                await store.check_health()
    await asyncio.to_thread(server.start)
    assert await store.count() == 150
    assert await everything(store) == [a_record(number) for number in range(150)]
    server.kill()
    await asyncio.to_thread(server.start)
    await put(store, a_record(150))
    assert ids(await store.query(a_record(150).embedding, 1)) == [a_record(150).id]


async def test_killed_in_the_middle_of_upserts(server: ChromaServer, store: ChromaServerVectorStore) -> None:
    """Twice; every acknowledged record is there afterwards, whole."""
    acknowledged: set[int] = set()
    progress: asyncio.Queue[int] = asyncio.Queue()
    number = 0

    async def write() -> None:
        nonlocal number
        with suppress(OutcomeUnknown, StorageUnavailable):
            while True:
                number += 1
                await put(store, a_record(number, one="yes", two=number))
                acknowledged.add(number)
                progress.put_nowait(number)

    for kill in range(2):
        writing = asyncio.ensure_future(write())
        for _ in range(5 + 4 * kill):
            await progress.get()
        server.kill()
        await writing
        await asyncio.to_thread(server.start)
    records = await everything(store)
    assert all(record == a_record(record.metadata["two"], one="yes", two=record.metadata["two"]) for record in records)
    assert {a_record(number).id for number in acknowledged} <= set(ids(records))
    assert len(acknowledged) >= 2 * 5


async def test_cancelled_calls_leave_the_pool_whole(open_on_server: OpenOnServer) -> None:
    """A hundred tasks, cancelled at many points: no connection stays taken, no answer goes to another call."""
    store = await open_on_server()
    connections = store._client._connections
    records = [a_record(number) for number in range(100)]
    await put(store, *records)
    for turn in range(40):
        tasks = [asyncio.ensure_future(store.get([record.id])) for record in records]
        await asyncio.sleep((0.0, 0.001, 0.005, 0.02, 0.1)[turn % 5])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not connections._busy
        assert connections._free._value == CONNECTIONS
        for transport in connections._idle:
            pool = transport._pool  # type: ignore[attr-defined]
            assert not pool._requests
            assert all(connection.is_idle() or connection.is_closed() for connection in pool.connections)
        some = records[turn::20]
        assert await asyncio.gather(*(store.get([record.id]) for record in some)) == [(record,) for record in some]


@pytest.fixture
def frozen_heap() -> Iterator[None]:
    """Keeps the garbage collector from walking through what other tests have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.usefixtures("frozen_heap")
async def test_loop_never_pauses(open_on_server: OpenOnServer) -> None:
    """Wide vectors are written, fetched by the hundred, searched and counted; nobody else waits for more than 25 ms."""
    dimension, rows = 1024, 400
    store = await open_on_server(EmbeddingSpace("wide", dimension))
    names = [f"row_{row:05}" for row in range(rows)]
    vectors = [[((row * 31 + column * 17) % 101) / 101 + 0.01 for column in range(dimension)] for row in range(rows)]
    async with no_long_pause():
        await store.add_documents(["text " * 200] * rows, vectors, [{"row": row} for row in range(rows)], names)
        assert len(await store.get(names)) == rows
        assert len(await store.query(vectors[0], 300)) == 300
        assert len(await store.query(vectors[0], 300, parse_filter({"row": {"$lt": 300}}))) == 300
        assert len(await store.scan(limit=200)) == 200
        assert await store.count(parse_filter({"row": {"$gte": 100}})) == 300
        assert await store.delete(names) == rows


@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.quirk(
    "Chroma server", "the first write after the first question makes the index of all that was written before"
)
async def test_first_write_after_a_question_takes_no_longer(open_on_server: OpenOnServer) -> None:
    """Of 990 random vectors, with a threshold of 1,000, it took 12 seconds, and the client gave up after 4.5."""
    dimension, rows = 1024, 990
    store = await open_on_server(EmbeddingSpace("random", dimension))
    vectors = np.random.default_rng(1).normal(size=(rows, dimension)).astype(np.float32).tolist()
    await store.add_documents(["text"] * rows, vectors, [{}] * rows, [f"row_{row:05}" for row in range(rows)])
    assert len(await store._reader.by_index(np.asarray(vectors[0], dtype=np.float32), 10, {}, None)) == 10
    began = time.perf_counter()
    await store.add_documents(["text"], [[1.0] * dimension], [{}], ["another"])
    assert time.perf_counter() - began < 3.0


async def test_long_answers_are_decoded_in_threads(
    open_on_server: OpenOnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes long to decode is decoded in a thread, what does not is not worth one."""
    store = await open_on_server()
    await put(store, *(a_record(number) for number in range(300)))
    in_threads = 0
    to_thread = asyncio.to_thread

    async def counted(*arguments: object) -> object:
        nonlocal in_threads
        in_threads += 1
        return await to_thread(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "to_thread", counted)
    await store.get([a_record(1).id])
    assert in_threads == 0
    await put(store, *(a_record(number, text="x" * 3000) for number in range(100)))
    await store.get([a_record(number).id for number in range(100)])
    assert in_threads == 1
