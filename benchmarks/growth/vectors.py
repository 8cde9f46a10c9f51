"""How the costs of the port of the vectors grow with the number of vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from adapters.chroma.vectors import ChromaVectorStore
from adapters.memory.vectors import InMemoryVectorStore
from adapters.pgvector.vectors import PgVectorStore
from benchmarks import stores
from benchmarks.content import SPACE, Numbers
from benchmarks.growth.growth import GENTLE, GrowthSuite
from benchmarks.harness.timing import AnyOperation
from benchmarks.overhead.vectors import Adapted, fill, operations
from benchmarks.surroundings import Surroundings, a_name
from ports.vectors import VectorStore

LIMITS: Mapping[str, float] = {"query": GENTLE, "query in a tenth": GENTLE}
NUMBERS = Numbers(1_000_000)


async def filled(store: VectorStore, size: int) -> Mapping[str, AnyOperation]:
    """So many vectors, and what is measured."""
    side = Adapted(store)
    await fill(side, size)
    return operations(side, size, NUMBERS)


@asynccontextmanager
async def in_memory(_: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A matrix."""
    store = InMemoryVectorStore(SPACE)
    yield await filled(store, size)
    await store.aclose()


@asynccontextmanager
async def embedded(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A folder and a child process."""
    store = await ChromaVectorStore.open(surroundings.folder(), "bench", SPACE)
    try:
        yield await filled(store, size)
    finally:
        await store.aclose()


@asynccontextmanager
async def on_server(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A collection of the server."""
    options = ChromaServerOptions(surroundings.chroma_url(), a_name("bench"))
    store = await ChromaServerVectorStore.open(options, SPACE)
    try:
        yield await filled(store, size)
    finally:
        await store.aclose()


@asynccontextmanager
async def on_postgres(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A database of its own."""
    async with stores.postgres_options(surroundings) as options:
        store = await PgVectorStore.open(options, "bench", SPACE)
        try:
            measured = await filled(store, size)
            await stores.analyse(options.dsn)
            yield measured
        finally:
            await store.aclose()


SUITES = (
    GrowthSuite("vectors", "memory", in_memory, LIMITS, largest=10_000),
    GrowthSuite("vectors", "chroma", embedded, LIMITS),
    GrowthSuite("vectors", "chroma server", on_server, LIMITS),
    GrowthSuite("vectors", "pgvector", on_postgres, LIMITS),
)
