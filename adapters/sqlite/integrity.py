"""Examination of what is stored: the file, its search indexes and every single document."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column

from adapters.sql import statements
from adapters.sql.integrity import BATCH, find_damaged_rows
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.sql import compile_sql
from ports.errors import StorageCorrupt

_INDEXES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5(%'"


async def check_file(database: SqliteDatabase) -> list[str]:
    """What is wrong with the structure of the file, its foreign keys and its search indexes."""
    try:
        return [*await database.read(_check_structure), *await database.write(_check_indexes)]
    except StorageCorrupt as error:
        return [str(error)]


async def check_rows(
    database: SqliteDatabase, key: Column[str], read: Callable[..., object], *row: Column[Any]
) -> list[str]:
    """The rows of the table of which ``read`` cannot make a value; it gets the columns ``row``."""
    sql = compile_sql(statements.scan(key, key, *row))

    async def fetch(after: str) -> Sequence[Sequence[Any]]:
        return await database.read(_fetch, sql, after)

    return await find_damaged_rows(key, fetch, read)


def _fetch(connection: sqlite3.Connection, sql: str, after: str) -> list[Any]:
    return connection.execute(sql, {"after": after, "limit": BATCH}).fetchall()


def _check_structure(connection: sqlite3.Connection) -> list[str]:
    problems = [f"database file: {line}" for (line,) in connection.execute("PRAGMA quick_check") if line != "ok"]
    return problems + [
        f"{table}, row {row}: refers to a row of {parent} that is gone"
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check")
    ]


def _check_indexes(connection: sqlite3.Connection) -> list[str]:
    problems = []
    for (name,) in connection.execute(_INDEXES).fetchall():
        try:
            connection.execute(f"INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)")  # noqa: S608
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            problems.append(f"search index {name}: does not fit its table")
    return problems
