"""Stores of each adapter, opened for a benchmark and gone afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.sqlite.database import SqliteDatabase
from benchmarks.surroundings import Surroundings, a_name


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
