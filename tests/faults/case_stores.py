"""Stores of cases for the tests of faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from adapters.memory.cases import InMemoryCaseRepository
from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from ports.cases import CaseRepository


class CaseStore(Protocol):
    """A store that a test opens."""

    def open(self) -> AbstractAsyncContextManager[CaseRepository]:
        """The store, closed at the end of the block."""
        ...

    def assert_at_rest(self) -> None:
        """Fail if something of the store is still in use."""
        ...


class InMemory:
    """In this process."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CaseRepository]:
        """A new store."""
        yield InMemoryCaseRepository()

    def assert_at_rest(self) -> None:
        """Nothing is ever in use."""


class OnSqlite:
    """In a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CaseRepository]:
        """The file, which need not exist."""
        self._database = await SqliteDatabase.open(self._path)
        try:
            yield SqliteCaseRepository(self._database)
        finally:
            await self._database.aclose()

    def assert_at_rest(self) -> None:
        """No operation waits for a thread."""
        assert not any(worker.waiting for worker in (self._database._writer, *self._database._readers))


class OnPostgres:
    """On a server."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CaseRepository]:
        """The database."""
        self._database = await PostgresDatabase.open(PostgresOptions(self.dsn))
        try:
            yield PostgresCaseRepository(self._database)
        finally:
            await self._database.aclose()

    def assert_at_rest(self) -> None:
        """No connection of the pool is in use."""
        assert self._database.checked_out == 0
