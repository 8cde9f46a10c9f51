"""Examination of every single document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import compile_sql
from adapters.sql import statements
from adapters.sql.integrity import BATCH, find_damaged_rows


async def check_rows(
    database: PostgresDatabase, key: Column[str], read: Callable[..., object], *row: Column[Any]
) -> list[str]:
    """The rows of the table of which ``read`` cannot make a value; it gets the columns ``row``."""
    sql = compile_sql(statements.scan(key, key, *row))

    async def fetch(after: str) -> Sequence[Sequence[Any]]:
        return [tuple(row) for row in await database.read(sql, {"after": after, "limit": BATCH})]

    return await find_damaged_rows(key, fetch, read)
