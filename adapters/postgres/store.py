"""What every store in a PostgreSQL database can do so that its content can be moved."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import Sql
from ports.transfer import SupportsCheckpoints, SupportsSnapshot, SupportsTransactions, check_checkpoint


def create_checkpoints(table: str) -> str:
    """The statement that makes a table of checkpoints, unless it is there.

    For stores with a schema of their own; that of cases has ``checkpoints`` by a migration, so they take another name.
    """
    return (
        f'CREATE TABLE IF NOT EXISTS {table} (name text COLLATE "C" CONSTRAINT pk_{table} PRIMARY KEY, '
        "text text NOT NULL)"
    )


class PostgresStore(SupportsCheckpoints, SupportsTransactions, SupportsSnapshot):
    """Base of the stores in a `PostgresDatabase`, which several may share.

    The stores with the same table ``checkpoints`` share its names.
    """

    def __init__(self, database: PostgresDatabase, checkpoints: str = "checkpoints") -> None:
        self._database = database
        self._read_checkpoint = Sql(f"SELECT text FROM {checkpoints} WHERE name = $1", ("name",))  # noqa: S608
        self._write_checkpoint = Sql(
            f"INSERT INTO {checkpoints} (name, text) VALUES ($1, $2) "  # noqa: S608
            "ON CONFLICT (name) DO UPDATE SET text = excluded.text",
            ("name", "text"),
        )
        self._remove_checkpoint = Sql(f"DELETE FROM {checkpoints} WHERE name = $1", ("name",))  # noqa: S608

    @property
    def location(self) -> str:
        """The address of the database."""
        return self._database.options.location

    async def read_checkpoint(self, name: str) -> str | None:
        """The text under the name."""
        check_checkpoint(name)
        rows = await self._database.read(self._read_checkpoint, {"name": name})
        return rows[0][0] if rows else None

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        """Keep or remove the text, in one statement."""
        check_checkpoint(name, text)
        if text is None:
            await self._database.write(self._remove_checkpoint, {"name": name})
        else:
            await self._database.write(self._write_checkpoint, {"name": name, "text": text})

    def begin_transaction(self) -> AbstractAsyncContextManager[None]:
        """A transaction of this task on the whole database."""
        return self._database.transaction()

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """A view of this task on the whole database, as it is now."""
        return self._database.snapshot()
