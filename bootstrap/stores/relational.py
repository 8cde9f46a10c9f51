"""Opens repositories. Those on one database share it: its pool, its connections and the task's own transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from bootstrap.stores.configurations import (
    InMemoryConfiguration,
    Postgres,
    PostgresConfiguration,
    SqliteConfiguration,
)
from bootstrap.stores.kinds import Opening
from ports.cases import CaseRepository
from ports.knowledge import KnowledgeRepository
from ports.users import UserRepository

if TYPE_CHECKING:
    from adapters.postgres.database import PostgresDatabase
    from adapters.postgres.options import PostgresOptions
    from adapters.sqlite.database import SqliteDatabase


@asynccontextmanager
async def in_memory_cases(_: InMemoryConfiguration, __: Opening) -> AsyncIterator[CaseRepository]:
    """Cases in memory."""
    from adapters.memory.cases import InMemoryCaseRepository

    async with aclosing(InMemoryCaseRepository()) as cases:
        yield cases


@asynccontextmanager
async def in_memory_users(_: InMemoryConfiguration, __: Opening) -> AsyncIterator[UserRepository]:
    """Users in memory."""
    from adapters.memory.users import InMemoryUserRepository

    async with aclosing(InMemoryUserRepository()) as users:
        yield users


@asynccontextmanager
async def in_memory_documents(_: InMemoryConfiguration, __: Opening) -> AsyncIterator[KnowledgeRepository]:
    """Documents in memory."""
    from adapters.memory.knowledge import InMemoryKnowledgeRepository

    async with aclosing(InMemoryKnowledgeRepository()) as documents:
        yield documents


@asynccontextmanager
async def sqlite_cases(configuration: SqliteConfiguration, opening: Opening) -> AsyncIterator[CaseRepository]:
    """Cases in SQLite."""
    from adapters.sqlite.cases import SqliteCaseRepository

    async with _sqlite(configuration, opening) as database:
        yield SqliteCaseRepository(database)


@asynccontextmanager
async def sqlite_users(configuration: SqliteConfiguration, opening: Opening) -> AsyncIterator[UserRepository]:
    """Users in SQLite."""
    from adapters.sqlite.users import SqliteUserRepository

    async with _sqlite(configuration, opening) as database:
        yield SqliteUserRepository(database)


@asynccontextmanager
async def sqlite_documents(configuration: SqliteConfiguration, opening: Opening) -> AsyncIterator[KnowledgeRepository]:
    """Documents in SQLite."""
    from adapters.sqlite.knowledge import SqliteKnowledgeRepository

    async with _sqlite(configuration, opening) as database:
        yield SqliteKnowledgeRepository(database)


@asynccontextmanager
async def postgres_cases(configuration: PostgresConfiguration, opening: Opening) -> AsyncIterator[CaseRepository]:
    """Cases in PostgreSQL."""
    from adapters.postgres.cases import PostgresCaseRepository

    async with _postgres(configuration, opening) as database:
        yield PostgresCaseRepository(database)


@asynccontextmanager
async def postgres_users(configuration: PostgresConfiguration, opening: Opening) -> AsyncIterator[UserRepository]:
    """Users in PostgreSQL."""
    from adapters.postgres.users import PostgresUserRepository

    async with _postgres(configuration, opening) as database:
        yield PostgresUserRepository(database)


@asynccontextmanager
async def postgres_documents(
    configuration: PostgresConfiguration, opening: Opening
) -> AsyncIterator[KnowledgeRepository]:
    """Documents in PostgreSQL."""
    from adapters.postgres.knowledge import PostgresKnowledgeRepository

    async with _postgres(configuration, opening) as database:
        yield PostgresKnowledgeRepository(database)


def postgres_options(configuration: Postgres, opening: Opening) -> PostgresOptions:
    """The configuration in the words of the adapter."""
    from adapters.postgres.options import PostgresOptions

    return PostgresOptions(
        dsn=configuration.connection.get_secret_value(),
        settings_prefix=opening.settings_prefix,
        pool_size=configuration.pool_size,
        max_overflow=configuration.max_overflow,
        statement_timeout=configuration.statement_timeout,
        pgbouncer=configuration.pgbouncer,
    )


def _sqlite(configuration: SqliteConfiguration, opening: Opening) -> AbstractAsyncContextManager[SqliteDatabase]:
    from adapters.sqlite.database import SqliteDatabase

    async def open_it() -> SqliteDatabase:
        configuration.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return await SqliteDatabase.open(configuration.path, synchronous=configuration.synchronous)

    return opening.databases.use(configuration, open_it)


def _postgres(configuration: PostgresConfiguration, opening: Opening) -> AbstractAsyncContextManager[PostgresDatabase]:
    from adapters.postgres.database import PostgresDatabase

    async def open_it() -> PostgresDatabase:
        return await PostgresDatabase.open(postgres_options(configuration, opening))

    return opening.databases.use(configuration, open_it)
