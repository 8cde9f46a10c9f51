"""Stores of cases for the tests of faults, with a quick way of appending many messages."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from adapters.memory.cases import InMemoryCaseRepository
from adapters.postgres.cases import _ADD_MESSAGE, PostgresCaseRepository, _message_row
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase, atomic
from adapters.sqlite.messages import add_message
from domain.message import Message
from ports.cases import CaseRepository


class CaseStore(Protocol):
    """A store that a test opens."""

    def open(self) -> AbstractAsyncContextManager[CaseRepository]:
        """The store, closed at the end of the block."""
        ...

    async def append(self, messages: Sequence[Message]) -> None:
        """Do with each message what `add_message` does, with fewer waits in between."""
        ...

    def assert_at_rest(self) -> None:
        """Fail if something of the store is still in use."""
        ...


class InMemory:
    """In this process."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[CaseRepository]:
        """A new store."""
        self._repository = InMemoryCaseRepository()
        yield self._repository

    async def append(self, messages: Sequence[Message]) -> None:
        """One after the other."""
        for message in messages:
            assert await self._repository.add_message(message)

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

    async def append(self, messages: Sequence[Message]) -> None:
        """All with one commit."""

        def work(connection: sqlite3.Connection) -> None:
            with atomic(connection):
                for message in messages:
                    assert add_message(connection, message)

        await self._database.write(work)

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

    async def append(self, messages: Sequence[Message]) -> None:
        """All with one commit, sent without waiting for the answers in between."""
        rows = [_ADD_MESSAGE.arguments(_message_row(message)) for message in messages]
        async with self._database.atomic() as connection:
            await connection.executemany(_ADD_MESSAGE.text, rows)

    def assert_at_rest(self) -> None:
        """No connection of the pool is in use."""
        assert self._database.checked_out == 0
