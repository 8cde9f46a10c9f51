"""The overhead of the port of the vectors."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from adapters.chroma.vectors import ChromaVectorStore
from adapters.pgvector.collection import Collection
from adapters.pgvector.vectors import PgVectorStore
from benchmarks import stores
from benchmarks.content import SCOPES, SPACE, Numbers, Records, fill_vectors, some_records, some_vectors
from benchmarks.harness.timing import AnyOperation, Operation
from benchmarks.overhead.baselines import chroma, chroma_server, pgvector, postgres
from benchmarks.overhead.comparison import PROMISED, Comparison, OverheadSuite
from benchmarks.surroundings import Surroundings, a_name
from domain.filter import parse_filter
from ports.vectors import VectorHit, VectorRecord, VectorStore

WANTED = 10
BATCHES = {"add_documents": 20, "add_documents(100)": 100}
"""How many records are added at once. A runbook has about 5 pieces, a long one 13. A hundred take too long for as many
rounds as a promise needs; they are measured for the table of times.
"""
GOTTEN = 10
"""How many records are got at once."""


class Baseline(Protocol):
    """What every baseline has."""

    async def add(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Sequence[float]],
        metadatas: Sequence[Mapping[str, Any]],
        ids: Sequence[str],
    ) -> None:
        """Store records."""
        ...

    async def query(
        self, embedding: Sequence[float], wanted: int, where: dict[str, Any] | None
    ) -> tuple[VectorHit, ...]:
        """The nearest."""
        ...

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """Some."""
        ...


class Adapted(Baseline):
    """An adapter in the same shape."""

    def __init__(self, store: VectorStore) -> None:
        self.add = store.add_documents
        self.get = store.get
        self._query = store.query
        self._filters = {scope: parse_filter({"scope": scope}) for scope in map(_scope, range(SCOPES))}

    async def query(
        self, embedding: Sequence[float], wanted: int, where: dict[str, Any] | None
    ) -> tuple[VectorHit, ...]:
        """The nearest."""
        return await self._query(embedding, wanted, self._filters[where["scope"]] if where else None)


def _scope(number: int) -> str:
    return f"user:{number % SCOPES}"


def operations(side: Baseline, among: int, numbers: Numbers) -> Mapping[str, AnyOperation]:
    """What is measured of a store."""

    def questions(count: int, chance: random.Random) -> Sequence[tuple[float, ...]]:
        # No question is asked twice, for an adapter may keep its latest answers.
        return [
            some_vectors([chance.randrange(among)], noise=50_000_000 + chance.getrandbits(40))[0] for _ in range(count)
        ]

    def scoped(count: int, chance: random.Random) -> Sequence[tuple[tuple[float, ...], dict[str, Any]]]:
        return [(vector, {"scope": _scope(number)}) for number, vector in enumerate(questions(count, chance))]

    def ids(count: int, chance: random.Random) -> Sequence[list[str]]:
        return [[f"chunk_{number:012x}" for number in chance.sample(range(among), GOTTEN)] for _ in range(count)]

    def adding(size: int) -> Operation:
        return Operation(
            lambda batch: _add(side, batch), lambda count, _: [some_records(numbers.take(size)) for _ in range(count)]
        )

    return {
        "query": Operation(lambda vector: side.query(vector, WANTED, None), questions),
        "query in a tenth": Operation(lambda given: side.query(given[0], WANTED, given[1]), scoped),
        "get": Operation(side.get, ids),
        **{name: adding(size) for name, size in BATCHES.items()},
    }


async def _add(side: Baseline, batch: Records) -> None:
    await side.add(batch.documents, batch.embeddings, batch.metadatas, batch.ids)


def _first(found: Sequence[VectorHit]) -> object:
    """What an index that is approximate may not miss."""
    return found[0].id, found[0].document, found[0].metadata, len(found)


def _ids(found: Sequence[VectorRecord]) -> object:
    return [(record.id, record.document, record.metadata) for record in found]


_ANSWERS = {"query": _first, "query in a tenth": _first, "get": _ids}


def comparisons(
    ours: VectorStore, baseline: Baseline, among: int, context: Mapping[str, Baseline] | None = None
) -> Sequence[Comparison]:
    """Each operation of both sides."""
    numbers = Numbers(1_000_000)
    theirs = operations(baseline, among, numbers)
    others = {name: operations(side, among, numbers) for name, side in (context or {}).items()}
    return [
        Comparison(
            name,
            operation,
            theirs[name],
            limit=None if name == "add_documents(100)" else PROMISED,
            answer=_ANSWERS.get(name),
            context={other: sides[name] for other, sides in others.items()},
        )
        for name, operation in operations(Adapted(ours), among, numbers).items()
    ]


async def fill(side: Baseline, count: int) -> None:
    """Put the records there."""
    await fill_vectors(lambda batch: _add(side, batch), count)


@asynccontextmanager
async def embedded(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The vectors in the embedded Chroma."""
    ours = await ChromaVectorStore.open(surroundings.folder(), "bench", SPACE)
    plain = chroma.Embedded(surroundings.folder())
    try:
        for side in (Adapted(ours), plain):
            await fill(side, surroundings.vectors)
        yield comparisons(ours, plain, surroundings.vectors)
    finally:
        plain.close()
        await ours.aclose()


@asynccontextmanager
async def on_server(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The vectors on a Chroma server."""
    url = surroundings.chroma_url()
    parts = urlsplit(url)
    ours = await ChromaServerVectorStore.open(ChromaServerOptions(url, a_name("bench")), SPACE)
    plain = await chroma_server.Server.open(url, a_name("bench"))
    loose = await chroma_server.WithoutPrecautions.open(url, a_name("bench"))
    own = await chroma_server.OwnClient.open(str(parts.hostname), parts.port or 8000, a_name("bench"))
    try:
        for side in (Adapted(ours), plain, loose, own):
            await fill(side, surroundings.vectors)
        context = {"without precautions": loose, "Chroma's own client": own}
        yield comparisons(ours, plain, surroundings.vectors, context)
    finally:
        await loose.aclose()
        await plain.aclose()
        await ours.aclose()


@asynccontextmanager
async def on_postgres(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The vectors in PostgreSQL."""
    async with AsyncExitStack() as stack:
        options = await stack.enter_async_context(stores.postgres_options(surroundings))
        ours = await PgVectorStore.open(options, "bench", SPACE)
        stack.push_async_callback(ours.aclose)
        table = Collection("bench", SPACE).table
        pool = await stack.enter_async_context(await pgvector.open_pool(options.dsn))
        connection = await stack.enter_async_context(pool.acquire())
        await fill(Adapted(ours), surroundings.vectors)
        await connection.execute("ANALYZE")
        held = pgvector.Table(postgres.Held(connection), table)
        yield comparisons(ours, pgvector.Table(pool, table), surroundings.vectors, {"held connection": held})


SUITES = (
    OverheadSuite("vectors", "chroma", "benchmarks.overhead.baselines.chroma", embedded),
    OverheadSuite("vectors", "chroma server", "benchmarks.overhead.baselines.chroma_server", on_server),
    OverheadSuite("vectors", "pgvector", "benchmarks.overhead.baselines.pgvector", on_postgres),
)
