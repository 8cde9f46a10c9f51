"""A connection to a SQLite file with a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar, TypeVarTuple

import aiosqlite

A = TypeVarTuple("A")
T = TypeVar("T")
Synchronous = Literal["FULL", "NORMAL"]

_CACHED_STATEMENTS = 256
_JOURNAL_SIZE_LIMIT = 64 * 2**20

# At level DEBUG the driver logs every operation with its arguments, which are the texts of the users.
logging.getLogger("aiosqlite").setLevel(logging.INFO)


class Worker(aiosqlite.Connection):
    """A connection whose thread runs functions. Awaiting it opens it."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(self._open, iter_chunk_size=64)
        self.waiting = 0
        self._open_file = connect
        self._opened: sqlite3.Connection | None = None
        # Else a process that ends without closing the file, because of an error, would wait for the thread forever.
        self._thread.daemon = True

    async def run(self, function: Callable[[sqlite3.Connection, *A], T], *args: *A) -> T:
        """The result of ``function(connection, *args)``. It is queued before this coroutine first suspends."""
        self.waiting += 1
        try:
            result: T = await self._execute(function, self._conn, *args)  # type: ignore[no-untyped-call]
        finally:
            self.waiting -= 1
        return result

    def stop(self) -> asyncio.Future[object] | None:
        """End the thread, and close what it has opened for somebody who was cancelled meanwhile."""
        self._tx.put_nowait((None, self._close_file))
        return super().stop()

    def _open(self) -> sqlite3.Connection:
        self._opened = self._open_file()
        return self._opened

    def _close_file(self) -> None:
        if self._opened is not None:
            self._opened.close()


def connect(path: Path, synchronous: Synchronous, busy_timeout: float, query_only: bool) -> sqlite3.Connection:
    """A connection with the settings that all of them have."""
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, cached_statements=_CACHED_STATEMENTS)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_SIZE_LIMIT}")
        connection.execute(f"PRAGMA query_only={int(query_only)}")
    except BaseException:
        connection.close()
        raise
    return connection
