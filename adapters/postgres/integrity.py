"""Examination of every single document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from sqlalchemy import Column

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import compile_sql
from adapters.sql import statements
from ports.errors import StorageCorrupt

_BATCH = 100


async def check_rows(
    database: PostgresDatabase, key: Column[str], read: Callable[..., object], *row: Column[Any]
) -> list[str]:
    """The rows of the table of which ``read`` cannot make a value; it gets the columns ``row``."""
    sql = compile_sql(statements.scan(key, key, *row))
    problems: list[str] = []
    after = ""
    try:
        while rows := await database.read(sql, {"after": after, "limit": _BATCH}):
            # Documents may be long, and reading a hundred of them would hold up the event loop.
            problems += await asyncio.to_thread(_unreadable, key, read, rows)
            after = rows[-1][0]
    except StorageCorrupt as error:
        problems.append(f"{key.table.description}, after {key.name} {after!r}: {error}")
    return problems


def _unreadable(key: Column[str], read: Callable[..., object], rows: Sequence[asyncpg.Record]) -> list[str]:
    problems = []
    for row_key, *values in rows:
        try:
            read(*values)
        except StorageCorrupt as error:
            problems.append(f"{key.table.description}, {key.name} {row_key!r}: {error}")
    return problems
