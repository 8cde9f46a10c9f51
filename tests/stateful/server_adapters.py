"""The adapters whose backends are servers. See `tests.stateful.adapters`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar
from uuid import uuid4

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from adapters.pgvector.vectors import PgVectorStore
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from ports.vectors import VectorStore
from tests.adapters.pgvector import conftest as pgvector_tests
from tests.adapters.postgres.conftest import EMPTY, address, execute
from tests.contract.vectors.data import SPACE, everything
from tests.contract.vectors.data import ids as ids_of
from tests.servers.redis_time import client_of, let_pass
from tests.stateful.agreement import Adapter, Empty, Servers
from tests.stateful.ports.sessions import Timed

S = TypeVar("S")


@asynccontextmanager
async def new_postgres_database(server: Servers) -> AsyncIterator[str]:
    """The address of a database of the test's own."""
    dsn, name = server("postgres_dsn"), f"test_{uuid4().hex}"
    await execute(dsn, f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield address(dsn, name)
    await execute(dsn, f'DROP DATABASE "{name}" WITH (FORCE)')


def in_postgres(make: Callable[[PostgresDatabase], S]) -> Adapter[S]:
    """A repository in PostgreSQL."""

    @asynccontextmanager
    async def open_database(server: Servers) -> AsyncIterator[Empty[S]]:
        async with new_postgres_database(server) as dsn:
            database = await PostgresDatabase.open(PostgresOptions(dsn))

            @asynccontextmanager
            async def empty() -> AsyncIterator[S]:
                async with database.atomic() as connection:
                    await connection.execute(EMPTY)
                yield make(database)
                assert database.checked_out == 0, "connections were left in use"

            try:
                yield empty
            finally:
                await database.aclose()

    return Adapter("postgres", open_database, marker="postgres")


@asynccontextmanager
async def pgvector(server: Servers) -> AsyncIterator[Empty[VectorStore]]:
    """Vectors in PostgreSQL."""
    async with new_postgres_database(server) as dsn:
        store = await PgVectorStore.open(pgvector_tests.options_of(dsn), pgvector_tests.COLLECTION, SPACE)

        @asynccontextmanager
        async def empty() -> AsyncIterator[VectorStore]:
            await pgvector_tests.empty(store)
            yield store

        try:
            yield empty
        finally:
            await store.aclose()


@asynccontextmanager
async def chroma_server(server: Servers) -> AsyncIterator[Empty[VectorStore]]:
    """Vectors on a Chroma server."""
    store = await ChromaServerVectorStore.open(ChromaServerOptions(server("chroma_url"), f"test-{uuid4().hex}"), SPACE)

    @asynccontextmanager
    async def empty() -> AsyncIterator[VectorStore]:
        await store.delete(ids_of(await everything(store)))
        yield store

    try:
        yield empty
    finally:
        await store.aclose()


def on_redis(name: str, fixture: str) -> Adapter[Timed]:
    """Sessions on the server of the fixture, whose keys age by being told to."""

    @asynccontextmanager
    async def open_store(server: Servers) -> AsyncIterator[Empty[Timed]]:
        namespace = f"test:{uuid4().hex}:"
        with client_of(server(fixture)) as client:
            store = await RedisSessionStore.open(RedisOptions(server(fixture), namespace=namespace))

            @asynccontextmanager
            async def empty() -> AsyncIterator[Timed]:
                await store.clear()
                yield Timed(store, lambda by: asyncio.to_thread(partial(let_pass, client, by, namespace)))
                await store.clear()

            try:
                yield empty
            finally:
                await store.aclose()

    return Adapter(name, open_store, marker="redis")
