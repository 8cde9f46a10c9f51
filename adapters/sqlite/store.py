"""What every store on a SQLite file can do so that its content can be moved."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractAsyncContextManager

from adapters.sqlite.database import SqliteDatabase
from ports.transfer import SupportsCheckpoints, SupportsSnapshot, SupportsTransactions, check_checkpoint

_READ = "SELECT text FROM checkpoints WHERE name = :name"
_WRITE = (
    "INSERT INTO checkpoints (name, text) VALUES (:name, :text) ON CONFLICT (name) DO UPDATE SET text = excluded.text"
)
_REMOVE = "DELETE FROM checkpoints WHERE name = :name"


class SqliteStore(SupportsCheckpoints, SupportsTransactions, SupportsSnapshot):
    """Base of the stores on a `SqliteDatabase`, which several may share: its checkpoints are those of all of them."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    @property
    def location(self) -> str:
        """The path of the file."""
        return f"sqlite:{self._database.path.resolve()}"

    async def read_checkpoint(self, name: str) -> str | None:
        """The text under the name."""
        check_checkpoint(name)
        return await self._database.read(_read_checkpoint, name)

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        """Keep or remove the text, in one statement."""
        check_checkpoint(name, text)
        await self._database.write(_write_checkpoint, name, text)

    def begin_transaction(self) -> AbstractAsyncContextManager[None]:
        """A transaction of this task on the whole database file."""
        return self._database.transaction()

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """A snapshot, for this task, of the whole database file."""
        return self._database.snapshot()


# ---------------------------------------------------------------- on the thread of a connection


def _read_checkpoint(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute(_READ, {"name": name}).fetchone()
    return row[0] if row else None


def _write_checkpoint(connection: sqlite3.Connection, name: str, text: str | None) -> None:
    connection.execute(_REMOVE if text is None else _WRITE, {"name": name, "text": text})
