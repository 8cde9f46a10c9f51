"""The adapters of each port, each with a way to an empty store that takes milliseconds.

An adapter is an async context manager that opens what lasts for all lists of commands (an engine, a pool of
connections; ``server("redis_url")`` gives the address of a server) and gives another one, which opens an empty store.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from adapters.chroma.vectors import ChromaVectorStore
from adapters.filesystem.blobs import FileBlobStore
from adapters.filesystem.sessions import FileSessionStore
from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.users import InMemoryUserRepository
from adapters.memory.vectors import InMemoryVectorStore
from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.users import PostgresUserRepository
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.schema import prepare
from adapters.sqlite.sessions import SqliteSessionStore, open_session_database
from adapters.sqlite.users import SqliteUserRepository
from ports.blobs import BlobStore
from ports.vectors import VectorStore
from tests.contract.vectors.data import SPACE, everything
from tests.contract.vectors.data import ids as ids_of
from tests.stateful.agreement import Adapter, Empty, Servers
from tests.stateful.ports.sessions import Timed, with_clock
from tests.stateful.server_adapters import chroma_server, in_postgres, on_redis, pgvector

S = TypeVar("S")


def each_time(name: str, empty: Empty[S]) -> Adapter[S]:
    """An adapter that has nothing to keep open."""

    @asynccontextmanager
    async def open_nothing(_server: Servers) -> AsyncIterator[Empty[S]]:
        yield empty

    return Adapter(name, open_nothing)


def in_memory(make: Callable[[], S]) -> Adapter[S]:
    """A store that a call makes."""

    @asynccontextmanager
    async def empty() -> AsyncIterator[S]:
        yield make()

    return each_time("memory", empty)


@cache
def empty_sqlite_file() -> bytes:
    """A database without data; making one takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "empty.db")
        prepare(path, busy_timeout=5)
        return path.read_bytes()


def sqlite_file(folder: str) -> Path:
    """A database file without data in the folder."""
    path = Path(folder, "faultmaven.db")
    path.write_bytes(empty_sqlite_file())
    return path


def in_sqlite(make: Callable[[SqliteDatabase], S]) -> Adapter[S]:
    """A repository on a file of its own."""

    @asynccontextmanager
    async def empty() -> AsyncIterator[S]:
        with tempfile.TemporaryDirectory() as folder:
            database = await SqliteDatabase.open(sqlite_file(folder), synchronous="NORMAL", readers=1)
            try:
                yield make(database)
            finally:
                await database.aclose()

    return each_time("sqlite", empty)


@asynccontextmanager
async def sqlite_sessions() -> AsyncIterator[Timed]:
    """Sessions in a file of their own."""
    with tempfile.TemporaryDirectory() as folder:
        database = await open_session_database(Path(folder, "sessions.db"), readers=1)
        yield with_clock(partial(SqliteSessionStore, database))
        await database.aclose()


@asynccontextmanager
async def file_sessions() -> AsyncIterator[Timed]:
    """Sessions in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        timed = with_clock(partial(FileSessionStore, Path(folder)))
        assert isinstance(timed.store, FileSessionStore)
        yield timed
        await timed.store.aclose()


@asynccontextmanager
async def file_blobs() -> AsyncIterator[BlobStore]:
    """Blobs in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        store = FileBlobStore(Path(folder))
        yield store
        await store.aclose()


@asynccontextmanager
async def chroma_folder(_server: Servers) -> AsyncIterator[Empty[VectorStore]]:
    """One open folder for all lists of commands: starting the engine takes longer than a list."""
    with tempfile.TemporaryDirectory() as folder:
        store = await ChromaVectorStore.open(Path(folder, "vectors"), "knowledge", SPACE)

        @asynccontextmanager
        async def empty() -> AsyncIterator[VectorStore]:
            await store.delete(ids_of(await everything(store)))
            yield store

        try:
            yield empty
        finally:
            await store.aclose()


ADAPTERS: dict[str, list[Adapter[Any]]] = {
    "cases": [in_memory(InMemoryCaseRepository), in_sqlite(SqliteCaseRepository), in_postgres(PostgresCaseRepository)],
    "users": [in_memory(InMemoryUserRepository), in_sqlite(SqliteUserRepository), in_postgres(PostgresUserRepository)],
    "knowledge": [
        in_memory(InMemoryKnowledgeRepository),
        in_sqlite(SqliteKnowledgeRepository),
        in_postgres(PostgresKnowledgeRepository),
    ],
    "vectors": [
        in_memory(partial(InMemoryVectorStore, SPACE)),
        Adapter("chroma", chroma_folder, marker="chroma"),
        Adapter("chroma server", chroma_server, marker="chroma"),
        Adapter("pgvector", pgvector, marker="postgres"),
    ],
    "sessions": [
        in_memory(partial(with_clock, InMemorySessionStore)),
        each_time("file", file_sessions),
        each_time("sqlite", sqlite_sessions),
        on_redis("redis", "redis_url"),
        on_redis("redis cluster", "redis_cluster_url"),
        on_redis("valkey", "valkey_url"),
    ],
    "blobs": [in_memory(InMemoryBlobStore), each_time("file", file_blobs)],
}
