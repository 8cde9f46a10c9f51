"""One PostgreSQL database and the pool of connections to it.

An operation is one statement, sent on a connection of the pool without a transaction around it: one round trip. Inside
of a task's own transaction it is sent on the connection of that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from adapters.postgres.errors import DRIVER_ERRORS, REPEATABLE, translate
from adapters.postgres.options import PostgresOptions
from adapters.postgres.pool import PING_SECONDS, Connection, ConnectionPool, Hook, connect_arguments, is_gone
from adapters.postgres.schema import (
    check_server,
    drop_search_indexes,
    has_trigrams,
    is_current,
    make_search_indexes,
    migrate,
)
from adapters.postgres.sql import Sql
from domain.errors import InvalidInput
from ports.errors import StorageUnavailable

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
_IS_READ_ONLY = Sql("SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean")

# The SELECT settles what is seen. Between two reads, and in all, a snapshot may take longer than transactions may.
_BEGIN_SNAPSHOT = """
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
"""


class PostgresDatabase:
    """An open database. Made by `open`; several repositories may share it."""

    def __init__(self, options: PostgresOptions, pool: ConnectionPool) -> None:
        self.options = options
        self.has_trigrams = False
        self._pool = pool
        self._transactions: dict[asyncio.Task[object] | None, asyncpg.pool.PoolConnectionProxy[asyncpg.Record]] = {}
        self._snapshots: set[asyncio.Task[object] | None] = set()

    @classmethod
    async def open(
        cls, options: PostgresOptions, *, prepare: Hook | None = None, setup: Hook | None = None
    ) -> PostgresDatabase:
        """Reach the database and bring an older or empty one to the current schema.

        With ``prepare`` the schema is another one, which that brings up to date. ``setup`` is called with each new
        connection.

        Several processes may do this at once. Without the extension pg_trgm, and the right to create it, the search
        works without an index; this is logged.

        Raises:
            SchemaTooNew: a newer release wrote the database.
            NotSupported: the server is too old, or the database is not in UTF-8.
            PortError: the database cannot be reached or used; the message says which setting to look at.
        """
        database = cls(options, await ConnectionPool.open(options, setup))
        try:
            await database._prepare(prepare)
        except BaseException:
            await database.aclose()
            raise
        return database

    @property
    def checked_out(self) -> int:
        """How many connections are in use."""
        return self._pool.checked_out

    async def read(self, sql: Sql, parameters: Mapping[str, Any] | None = None) -> list[asyncpg.Record]:
        """The rows of a statement that changes nothing. Repeated once if its connection turns out to be broken.

        Inside of the task's own transaction it reads there, so it sees what that has written; inside of its snapshot
        it sees that.
        """
        return await self._run(sql, parameters, changes=False)

    async def write(
        self, sql: Sql, parameters: Mapping[str, Any] | None = None, *, savepoint: bool = False
    ) -> list[asyncpg.Record]:
        """The rows that a changing statement returns. Inside of the task's own transaction it is part of that, and an
        error that the server raises spoils the transaction, unless it stands behind a ``savepoint``.

        Raises:
            InvalidInput: the task reads a snapshot.
            Taken: the statement violates a unique constraint.
            OutcomeUnknown: the connection broke after the statement was sent.
        """
        self._refuse_in_snapshot()
        if savepoint and self._joined() is not None:
            async with self.atomic() as connection:
                return await connection.fetch(sql.text, *sql.arguments(parameters or {}))
        return await self._run(sql, parameters, changes=True)

    @asynccontextmanager
    async def atomic(self) -> AsyncIterator[Connection]:
        """A connection on which all of the block happens or nothing: a transaction, or inside of the task's own
        transaction a savepoint. Errors of the driver leave the block as errors of the ports.

        Raises:
            InvalidInput: the task reads a snapshot.
        """
        self._refuse_in_snapshot()
        connection = self._joined()
        if connection is None:
            async with self.transaction():
                with self._translated():
                    yield self._transactions[asyncio.current_task()]
            return
        with self._translated():
            await connection.execute("SAVEPOINT operation")
            try:
                yield connection
            except BaseException:
                await _undo(connection, "ROLLBACK TO SAVEPOINT operation; RELEASE SAVEPOINT operation")
                raise
            await connection.execute("RELEASE SAVEPOINT operation")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction that every operation of the same task joins; a block inside a block joins the outer.

        Committed at the end of the block, rolled back by an exception or a cancellation.

        Raises:
            InvalidInput: the task reads a snapshot.
            OutcomeUnknown: the connection broke during the commit.
            StorageUnavailable: an earlier error has spoiled the transaction; nothing of it has happened.
        """
        self._refuse_in_snapshot()
        if self._joined() is not None:
            yield
            return
        async with self._block("BEGIN", self._commit):
            yield

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """In the block every `read` of the same task sees what was committed when it was entered; a block inside a
        block joins the outer.

        It takes a connection of the pool and holds nobody up. Until its end the server keeps all that it can see.

        Raises:
            InvalidInput: the task has a transaction open.
        """
        task = asyncio.current_task()
        if task in self._snapshots:
            yield
            return
        if self._joined() is not None:
            raise InvalidInput("a snapshot cannot be taken inside of a transaction, whose writes it would not see")
        async with self._block(_BEGIN_SNAPSHOT, _roll_back):
            self._snapshots.add(task)
            try:
                yield
            finally:
                self._snapshots.remove(task)

    @asynccontextmanager
    async def filling(self) -> AsyncIterator[None]:
        """In the block the indexes of the search are missing, and are made at its end: all at once costs half as much
        as row by row. After an error in the block, the next `open` makes them.

        Raises:
            InvalidInput: the task has a transaction or a snapshot open.
        """
        self._refuse_in_snapshot()
        if self._joined() is not None:
            raise InvalidInput(
                "a store cannot be filled inside of a transaction, which would hide all of it; do it before"
            )
        async with self.atomic() as connection:
            dropped = await drop_search_indexes(connection)
        yield
        if not dropped:
            return
        with self._translated():
            maker = await self._connect()
            try:
                await make_search_indexes(maker)
            finally:
                await maker.close()

    async def check_health(self) -> None:
        """Do a round trip, and see that the server would take a write.

        Raises:
            PortError: the database cannot be reached, or only be read.
        """
        (row,) = await self.read(_IS_READ_ONLY)
        if row[0]:
            raise StorageUnavailable(
                f"{self.options.where} can only be read; is {self.options.settings_prefix}_HOST a standby instead of "
                "the primary?"
            )

    async def aclose(self) -> None:
        """Wait for what is under way and close all connections; a second call does nothing."""
        await self._pool.aclose()

    async def _prepare(self, prepare: Hook | None) -> None:
        where = self.options.where
        connection = await self._pool.acquire()
        try:
            with self._translated():
                check_server(connection, where)
                if prepare is not None:
                    await prepare(connection)
                    return
                if not await is_current(connection):
                    await migrate(self._connect, where)
                self.has_trigrams = await has_trigrams(connection)
        finally:
            await self._pool.release(connection)
        if not self.has_trigrams:
            logger.warning(
                "%s has no extension pg_trgm, so each search reads all texts; let a superuser run "
                "CREATE EXTENSION pg_trgm in it and start again",
                where,
            )

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        # No limit of time: a migration may rewrite a large table.
        arguments = connect_arguments(self.options) | {"statement_cache_size": 0, "command_timeout": None}
        return await asyncpg.connect(**arguments)

    async def _run(self, sql: Sql, parameters: Mapping[str, Any] | None, *, changes: bool) -> list[asyncpg.Record]:
        arguments = sql.arguments(parameters or {})
        if (connection := self._joined()) is not None:
            with self._translated():
                return await connection.fetch(sql.text, *arguments)
        attempt = 0
        while True:
            attempt += 1
            connection = await self._pool.acquire()
            at_rest = False
            try:
                rows = await connection.fetch(sql.text, *arguments)
                at_rest = True
                return rows
            except REPEATABLE as error:
                if attempt == _ATTEMPTS:
                    raise translate(error, self.options) from error
            except DRIVER_ERRORS as error:
                if changes or attempt > 1 or not is_gone(connection):
                    raise translate(error, self.options, unknown=changes) from error
            except asyncio.CancelledError:
                # If the driver has only prepared the statement, the server waits for more and keeps its locks.
                await _undo(connection, "SELECT 1")
                raise
            finally:
                await self._pool.release(connection, at_rest=at_rest)

    @asynccontextmanager
    async def _block(self, begin: str, end: Callable[[Connection], Awaitable[None]]) -> AsyncIterator[None]:
        """What the task does in the block happens on one connection, between ``begin`` and ``end`` or a rollback."""
        task = asyncio.current_task()
        connection = await self._pool.acquire()
        at_rest = False
        try:
            try:
                with self._translated():
                    await connection.execute(begin)
                self._transactions[task] = connection
                try:
                    yield
                finally:
                    del self._transactions[task]
            except BaseException:
                await _roll_back(connection)
                raise
            await end(connection)
            at_rest = True
        finally:
            await self._pool.release(connection, at_rest=at_rest)

    def _refuse_in_snapshot(self) -> None:
        if asyncio.current_task() in self._snapshots:
            raise InvalidInput("nothing can be written inside of a snapshot, which would not show it; do it afterwards")

    def _joined(self) -> Connection | None:
        return self._transactions.get(asyncio.current_task()) if self._transactions else None

    async def _commit(self, connection: Connection) -> None:
        try:
            outcome = await connection.execute("COMMIT")
        except DRIVER_ERRORS as error:
            raise translate(error, self.options, unknown=True) from error
        # The server answers the COMMIT of a spoilt transaction with a rollback, which is no error to it.
        if outcome != "COMMIT":
            raise StorageUnavailable(
                f"{self.options.where} rolled the transaction back because of an earlier error; repeat it as a whole"
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DRIVER_ERRORS as error:
            raise translate(error, self.options) from error


async def _roll_back(connection: Connection) -> None:
    await _undo(connection, "ROLLBACK")


async def _undo(connection: Connection, command: str) -> None:
    try:
        await connection.execute(command, timeout=PING_SECONDS)
    except DRIVER_ERRORS:
        # Without its connection the server rolls back by itself.
        if not is_gone(connection):
            connection.terminate()
    except BaseException:
        connection.terminate()
        raise
