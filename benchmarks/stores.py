"""Stores of each adapter, opened for a benchmark and gone afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from adapters.chroma.vectors import ChromaVectorStore
from adapters.memory.vectors import InMemoryVectorStore
from adapters.pgvector.vectors import PgVectorStore
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.sqlite.database import SqliteDatabase
from benchmarks.surroundings import Surroundings, a_name
from ports.vectors import EmbeddingSpace, VectorStore

Vectors = tuple[VectorStore, Callable[[], Awaitable[None]]]
"""A store, and what lets it learn what it holds once it has been filled."""


@asynccontextmanager
async def sqlite_database(surroundings: Surroundings) -> AsyncIterator[SqliteDatabase]:
    """A file with its durable defaults."""
    database = await SqliteDatabase.open(surroundings.folder() / "faultmaven.db")
    try:
        yield database
    finally:
        await database.aclose()


@asynccontextmanager
async def postgres_options(surroundings: Surroundings) -> AsyncIterator[PostgresOptions]:
    """A new database of the server."""
    server = surroundings.postgres_dsn()
    name = a_name("bench")
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield PostgresOptions(urlunsplit(urlsplit(server)._replace(path=f"/{name}")))
        finally:
            await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@asynccontextmanager
async def postgres_database(surroundings: Surroundings) -> AsyncIterator[PostgresDatabase]:
    """A new database of the server, with the tables."""
    async with postgres_options(surroundings) as options:
        database = await PostgresDatabase.open(options)
        try:
            yield database
        finally:
            await database.aclose()


async def analyse(dsn: str) -> None:
    """Let the server learn what a database holds, as it does by itself some time after so much was written."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


@contextmanager
def redis_database(surroundings: Surroundings) -> Iterator[str]:
    """One of the numbered databases of the server that nobody else has."""
    taken = surroundings.redis_databases
    number = next(number for number in range(1, 16) if number not in taken)
    taken.add(number)
    try:
        yield urlunsplit(urlsplit(surroundings.redis_url())._replace(path=f"/{number}"))
    finally:
        taken.remove(number)


@asynccontextmanager
async def _memory_vectors(_: Surroundings, space: EmbeddingSpace) -> AsyncIterator[Vectors]:
    store = InMemoryVectorStore(space)
    try:
        yield store, _nothing
    finally:
        await store.aclose()


@asynccontextmanager
async def _embedded_vectors(surroundings: Surroundings, space: EmbeddingSpace) -> AsyncIterator[Vectors]:
    store = await ChromaVectorStore.open(surroundings.folder(), "bench", space)
    try:
        yield store, _nothing
    finally:
        await store.aclose()


@asynccontextmanager
async def _server_vectors(surroundings: Surroundings, space: EmbeddingSpace) -> AsyncIterator[Vectors]:
    options = ChromaServerOptions(surroundings.chroma_url(), a_name("bench"))
    store = await ChromaServerVectorStore.open(options, space)
    try:
        yield store, _nothing
    finally:
        await store.aclose()


@asynccontextmanager
async def _postgres_vectors(surroundings: Surroundings, space: EmbeddingSpace) -> AsyncIterator[Vectors]:
    async with postgres_options(surroundings) as options:
        store = await PgVectorStore.open(options, "bench", space)
        try:
            yield store, partial(analyse, options.dsn)
        finally:
            await store.aclose()


async def _nothing() -> None:
    """There is nothing to learn."""


VECTORS: Mapping[str, Callable[[Surroundings, EmbeddingSpace], AbstractAsyncContextManager[Vectors]]] = {
    "memory": _memory_vectors,
    "chroma": _embedded_vectors,
    "chroma server": _server_vectors,
    "pgvector": _postgres_vectors,
}
"""A new store of each adapter, by the adapter's name."""
