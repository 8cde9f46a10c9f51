"""Databases for the tests: copies of one empty database, since making the schema takes a while.

A module has one database, which is emptied before each of its tests.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from tests.plugins.servers import POSTGRES

EMPTY = "DELETE FROM cases; DELETE FROM users; DELETE FROM knowledge_documents; DELETE FROM checkpoints"


def address(dsn: str, database: str) -> str:
    """The address of another database of the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


async def execute(dsn: str, *statements: str) -> None:
    """Run statements outside of a transaction."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def new_database(postgres_dsn: str) -> Iterator[Callable[..., str]]:
    """Makes a database and gives its address: an empty one, or with ``like`` a copy. Removed at the end."""
    made: list[str] = []

    def make(*, like: str = "template0", options: str = "") -> str:
        name = f"test_{uuid4().hex}"
        asyncio.run(execute(postgres_dsn, f'CREATE DATABASE "{name}" TEMPLATE "{like}" {options}'))
        made.append(name)
        return address(postgres_dsn, name)

    yield make
    # A server of the session's own goes with all that it holds; dropping takes a while.
    if POSTGRES in os.environ:
        asyncio.run(execute(postgres_dsn, *(f'DROP DATABASE "{name}" WITH (FORCE)' for name in made)))


@pytest.fixture(scope="session")
def migrated(new_database: Callable[..., str]) -> str:
    """The name of a database with the current schema and no data."""
    dsn = new_database()

    async def migrate() -> None:
        await (await PostgresDatabase.open(PostgresOptions(dsn))).aclose()

    asyncio.run(migrate())
    return urlsplit(dsn).path.removeprefix("/")


@pytest.fixture(scope="module")
def module_dsn(new_database: Callable[..., str], migrated: str) -> str:
    """The address of the module's database."""
    return new_database(like=migrated)


@pytest.fixture
async def dsn(module_dsn: str) -> str:
    """The address of the module's database, emptied."""
    await execute(module_dsn, EMPTY)
    return module_dsn


@pytest.fixture
def options(dsn: str) -> PostgresOptions:
    """How the tests open the database."""
    return PostgresOptions(dsn)


@pytest.fixture
async def open_again(options: PostgresOptions) -> AsyncIterator[Callable[[], Awaitable[PostgresDatabase]]]:
    """Closes the database if it is open, and opens it. No test may leave a connection in use."""
    opened: list[PostgresDatabase] = []

    async def close_and_open() -> PostgresDatabase:
        for database in opened:
            await database.aclose()
        opened.append(await PostgresDatabase.open(options))
        return opened[-1]

    yield close_and_open
    in_use = [database.checked_out for database in opened]
    for database in opened:
        await database.aclose()
    assert not any(in_use), "connections were left in use"


@pytest.fixture
async def database(open_again: Callable[[], Awaitable[PostgresDatabase]]) -> PostgresDatabase:
    """The database, opened."""
    return await open_again()
