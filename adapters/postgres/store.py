"""What every store in a PostgreSQL database can do so that its content can be moved."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import Sql
from ports.transfer import SupportsCheckpoints, SupportsSnapshot, SupportsTransactions, check_checkpoint

_READ = Sql("SELECT text FROM checkpoints WHERE name = $1", ("name",))
_WRITE = Sql(
    "INSERT INTO checkpoints (name, text) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET text = excluded.text",
    ("name", "text"),
)
_REMOVE = Sql("DELETE FROM checkpoints WHERE name = $1", ("name",))


class PostgresStore(SupportsCheckpoints, SupportsTransactions, SupportsSnapshot):
    """Base of the stores in a `PostgresDatabase`, which several may share: its checkpoints are those of all of them."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    @property
    def location(self) -> str:
        """The address of the database."""
        return self._database.options.location

    async def read_checkpoint(self, name: str) -> str | None:
        """The text under the name."""
        check_checkpoint(name)
        rows = await self._database.read(_READ, {"name": name})
        return rows[0][0] if rows else None

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        """Keep or remove the text, in one statement."""
        check_checkpoint(name, text)
        if text is None:
            await self._database.write(_REMOVE, {"name": name})
        else:
            await self._database.write(_WRITE, {"name": name, "text": text})

    def begin_transaction(self) -> AbstractAsyncContextManager[None]:
        """A transaction of this task on the whole database."""
        return self._database.transaction()

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """A snapshot, for this task, of the whole database."""
        return self._database.snapshot()
