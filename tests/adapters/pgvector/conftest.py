"""Stores for the tests: a module has one database, and one store that most of its tests share and find empty."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from adapters.pgvector.vectors import PgVectorStore
from adapters.postgres.options import PostgresOptions
from adapters.postgres.sql import Sql
from ports.vectors import EmbeddingSpace
from tests.adapters.postgres import conftest as postgres
from tests.contract.vectors.data import SPACE

COLLECTION = "knowledge"
PREFIX = "PGVECTOR"

Open = Callable[..., Awaitable[PgVectorStore]]

new_database = postgres.new_database


async def empty(store: PgVectorStore) -> None:
    """Remove all records, and what an index remembers of them."""
    _ = await store._database.write(Sql(f"TRUNCATE {store._collection.table}, vector_checkpoints"))


def options_of(dsn: str) -> PostgresOptions:
    """How the tests open a database."""
    return PostgresOptions(dsn, settings_prefix=PREFIX, pool_size=5, max_overflow=5)


@pytest.fixture(scope="module")
def module_dsn(new_database: Callable[..., str]) -> str:
    """The address of the module's database, which is empty at first."""
    return new_database()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_dsn: str) -> AsyncIterator[PgVectorStore]:
    """A store for all tests of the module."""
    store = await PgVectorStore.open(options_of(module_dsn), COLLECTION, SPACE)
    yield store
    await store.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def store(shared: PgVectorStore) -> AsyncIterator[PgVectorStore]:
    """An emptied store. No test may leave a connection in use."""
    await empty(shared)
    yield shared
    assert shared._database.checked_out == 0, "connections were left in use"


@pytest_asyncio.fixture(loop_scope="module")
async def open_store(module_dsn: str) -> AsyncIterator[Open]:
    """Opens a collection of the module's database, and closes it at the end; the usual one is emptied at first."""
    opened: list[PgVectorStore] = []

    async def open_it(space: EmbeddingSpace = SPACE, collection: str = COLLECTION) -> PgVectorStore:
        opened.append(await PgVectorStore.open(options_of(module_dsn), collection, space))
        return opened[-1]

    await empty(await open_it())
    yield open_it
    in_use = [store._database.checked_out for store in opened]
    for store in opened:
        await store.aclose()
    assert not any(in_use), "connections were left in use"
