"""One SQLite file: a connection that writes, some that read, each with a thread of its own, and one for quick reads.

An operation is one function that is sent to the thread of a connection and returns its result: one hop, however many
statements it runs. A function that has begun is carried out to its end even if its caller is cancelled meanwhile, so
an operation happens as a whole or not at all, and the next one finds the connection at rest.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar, TypeVarTuple

from adapters.sqlite import schema
from adapters.sqlite.errors import translate
from adapters.sqlite.worker import Synchronous, Worker, connect
from adapters.system.quick_reads import QuickReads
from domain.errors import InvalidInput
from ports.errors import StorageUnavailable

A = TypeVarTuple("A")
T = TypeVar("T")


class Prepare(Protocol):
    """Makes a file that is missing, and brings an older one to the schema that this release knows. Blocks."""

    def __call__(self, path: Path, *, busy_timeout: float) -> None:
        """See to it that the file at ``path`` has the schema."""
        ...


@contextmanager
def atomic(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements of the block or none: a transaction, or inside of one a savepoint. Runs on the writer's thread."""
    nested = connection.in_transaction
    connection.execute("SAVEPOINT operation" if nested else "BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("RELEASE operation" if nested else "COMMIT")
    except BaseException:
        # Some errors, such as a full disk, make SQLite itself roll back the whole transaction.
        if connection.in_transaction:
            connection.execute("ROLLBACK TO operation" if nested else "ROLLBACK")
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All reads of the block see one state of the database."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


class SqliteDatabase:
    """An open SQLite file. Made by `open`; the caller holds the lock on the data folder while it is open."""

    def __init__(
        self,
        path: Path,
        writer: Worker,
        readers: tuple[Worker, ...],
        quick_reader: sqlite3.Connection,
        busy_timeout: float,
    ) -> None:
        self.path = path
        self._writer = writer
        self._readers = readers
        self._quick_reader = quick_reader
        self._quick_reads = QuickReads()
        self._snapshots: dict[asyncio.Task[object] | None, Worker] = {}
        self._busy_timeout = busy_timeout
        self._turn = asyncio.Lock()
        self._owner: asyncio.Task[object] | None = None
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        prepare: Prepare = schema.prepare,
        synchronous: Synchronous = "FULL",
        readers: int = 4,
        busy_timeout: float = 5.0,
    ) -> SqliteDatabase:
        """Open the file; one that is missing is made, an older one is brought to the current schema by ``prepare``.

        With ``synchronous`` FULL an acknowledged write survives a loss of power; with NORMAL the last ones may be lost
        then, but survive a crash of the process. ``busy_timeout`` is in seconds: how long a write waits for another.

        Raises:
            SchemaTooNew: a newer release wrote the file.
            PortError: the file cannot be opened, or is no database.
        """
        await asyncio.to_thread(prepare, path, busy_timeout=busy_timeout)
        workers = [
            Worker(partial(connect, path, synchronous, busy_timeout, query_only=index > 0))
            for index in range(1 + readers)
        ]
        try:
            for worker in workers:
                _ = await worker
            quick_reader = connect(path, synchronous, busy_timeout=0, query_only=True)
        except BaseException as error:
            for worker in workers:
                await worker.close()
            if isinstance(error, sqlite3.Error):
                raise translate(error, path) from error
            raise
        return cls(path, workers[0], tuple(workers[1:]), quick_reader, busy_timeout)

    async def read(self, function: Callable[[sqlite3.Connection, *A], T], *args: *A) -> T:
        """The result of ``function(connection, *args)`` on a connection that reads what is committed.

        Inside of the task's own transaction it reads there, so it sees what that has written; inside of its snapshot
        it sees that.
        """
        if self._owns_transaction():
            return await self._join(self._writer, function, *args)
        if (worker := self._snapshots.get(asyncio.current_task())) is not None:
            return await self._join(worker, function, *args)
        return await self._run(min(self._readers, key=_waiting), function, *args)

    async def read_few(self, function: Callable[[sqlite3.Connection, *A], T], *args: *A) -> T:
        """Like `read`, for what looks at a few rows by their key: without a thread, while that is quick."""
        began = self._quick_reads.begin()
        if began is None or self._closed or ((self._owner or self._snapshots) and self._reads_apart()):
            return await self.read(function, *args)
        try:
            return function(self._quick_reader, *args)
        except sqlite3.Error:
            # Whatever it is, a thread may wait for its end or meet it again.
            pass
        finally:
            if self._quick_reads.end(began):
                await asyncio.sleep(0)
        return await self.read(function, *args)

    async def write(self, function: Callable[[sqlite3.Connection, *A], T], *args: *A) -> T:
        """The result of ``function(connection, *args)`` on the connection that writes.

        The function is one statement, or does its work in `atomic`. Inside of the task's own transaction it is part of
        that.

        Raises:
            InvalidInput: the task reads a snapshot.
            StorageUnavailable: another transaction was open for longer than the busy timeout.
        """
        self._refuse_in_snapshot()
        if self._owns_transaction():
            return await self._join(self._writer, function, *args)
        if self._turn.locked():
            await self._take_turn()
            self._turn.release()
        # From here to the queue of the thread nothing suspends, so no transaction can begin in between.
        return await self._run(self._writer, function, *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction that every `read` and `write` of the same task joins; a block inside a block joins the outer.

        Committed at the end of the block, rolled back by an exception or a cancellation.

        Raises:
            InvalidInput: the task reads a snapshot.
        """
        self._refuse_in_snapshot()
        if self._owns_transaction():
            yield
            return
        await self._take_turn()
        try:
            await self._run(self._writer, _begin)
            self._owner = asyncio.current_task()
            yield
            self._owner = None
            await self._run(self._writer, _commit)
        except BaseException:
            self._owner = None
            # It is queued at once, so it comes before all that the next owner does, even if this wait is cancelled.
            await self._run(self._writer, _roll_back)
            raise
        finally:
            self._turn.release()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """In the block every `read` of the same task sees what was committed when it was entered; a block inside a
        block joins the outer.

        It reads on a connection of its own and holds nobody up. Until its end the write-ahead log can only grow.

        Raises:
            InvalidInput: the task has a transaction open.
        """
        task = asyncio.current_task()
        if task in self._snapshots:
            yield
            return
        if self._owns_transaction():
            raise InvalidInput("a snapshot cannot be taken inside of a transaction, whose writes it would not see")
        if self._closed:
            raise StorageUnavailable(f"database {self.path} is closed")
        worker = Worker(partial(connect, self.path, "NORMAL", self._busy_timeout, query_only=True))
        try:
            try:
                _ = await worker
            except sqlite3.Error as error:
                raise translate(error, self.path) from error
            self._snapshots[task] = worker
            await self._run(worker, _begin_snapshot)
            yield
        finally:
            self._snapshots.pop(task, None)
            await worker.close()

    async def check_health(self) -> None:
        """Read, and take and give back the right to write.

        Raises:
            PortError: the file cannot be read, or nothing can be written to it now.
        """
        await self.read(_first_page)
        await self.write(_take_write_lock)

    async def aclose(self) -> None:
        """Finish what is queued and close the file; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._quick_reader.close()
        # The writer is last: it moves the write-ahead log into the file.
        for worker in (*self._snapshots.values(), *self._readers, self._writer):
            await worker.close()

    async def _run(self, worker: Worker, function: Callable[[sqlite3.Connection, *A], T], *args: *A) -> T:
        if self._closed:
            raise StorageUnavailable(f"database {self.path} is closed")
        try:
            return await worker.run(function, *args)
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    async def _join(self, worker: Worker, function: Callable[[sqlite3.Connection, *A], T], *args: *A) -> T:
        def inside(connection: sqlite3.Connection) -> T:
            _require_transaction(connection)
            return function(connection, *args)

        return await self._run(worker, inside)

    def _owns_transaction(self) -> bool:
        return self._owner is not None and self._owner is asyncio.current_task()

    def _reads_apart(self) -> bool:
        """Whether this task sees something else than what is committed."""
        return self._owns_transaction() or asyncio.current_task() in self._snapshots

    def _refuse_in_snapshot(self) -> None:
        if asyncio.current_task() in self._snapshots:
            raise InvalidInput("nothing can be written inside of a snapshot, which would not show it; do it afterwards")

    async def _take_turn(self) -> None:
        try:
            async with asyncio.timeout(self._busy_timeout):
                await self._turn.acquire()
        except TimeoutError:
            raise StorageUnavailable(
                f"database {self.path} is busy: another transaction has been open for {self._busy_timeout:g} s"
            ) from None


def _waiting(worker: Worker) -> int:
    return worker.waiting


def _require_transaction(connection: sqlite3.Connection) -> None:
    """An error such as a full disk makes SQLite roll back by itself; what follows must not run outside of it."""
    if not connection.in_transaction:
        raise StorageUnavailable("the transaction was rolled back by an earlier error; repeat it as a whole")


def _begin_snapshot(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    # What is seen is settled by the first statement that reads.
    _first_page(connection)


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


def _commit(connection: sqlite3.Connection) -> None:
    _require_transaction(connection)
    connection.execute("COMMIT")


def _roll_back(connection: sqlite3.Connection) -> None:
    connection.rollback()


def _first_page(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _take_write_lock(connection: sqlite3.Connection) -> None:
    with atomic(connection):
        pass
