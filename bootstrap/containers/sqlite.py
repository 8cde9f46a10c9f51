"""Adapters on SQLite files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from dependency_injector import containers, providers

from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase, Synchronous
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.sessions import SqliteSessionStore, open_session_database
from adapters.sqlite.users import SqliteUserRepository
from bootstrap.settings import Settings
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.knowledge import KnowledgeRepository
from ports.sessions import CacheStore
from ports.users import UserRepository


async def _database(path: Path, synchronous: Synchronous) -> AsyncIterator[SqliteDatabase]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = await SqliteDatabase.open(path, synchronous=synchronous)
    yield database
    await database.aclose()


async def _session_database(path: Path) -> AsyncIterator[SqliteDatabase]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = await open_session_database(path)
    yield database
    await database.aclose()


class SqliteContainer(containers.DeclarativeContainer):
    """Cases, knowledge documents and users share a file; sessions and caches have one of their own."""

    settings: providers.Provider[Settings] = providers.Dependency()
    clock: providers.Provider[Clock] = providers.Dependency()
    database = providers.Resource(
        _database, path=settings.provided.sqlite_file, synchronous=settings.provided.sqlite_synchronous
    )
    cases: providers.Provider[CaseRepository] = providers.Singleton(SqliteCaseRepository, database)
    documents: providers.Provider[KnowledgeRepository] = providers.Singleton(SqliteKnowledgeRepository, database)
    users: providers.Provider[UserRepository] = providers.Singleton(SqliteUserRepository, database)
    sessions: providers.Provider[CacheStore] = providers.Singleton(
        SqliteSessionStore, providers.Resource(_session_database, path=settings.provided.session_database), clock
    )
