"""Examination of every single document of a table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import Column

from ports.errors import StorageCorrupt

BATCH = 100
"""How many rows are fetched at once."""


async def find_damaged_rows(
    key: Column[str], fetch: Callable[[str], Awaitable[Sequence[Sequence[Any]]]], read: Callable[..., object]
) -> list[str]:
    """The rows of which ``read`` cannot make a value, in words.

    ``fetch`` gives the next rows after a key, in the order of the keys; the first value of a row is its key, and
    ``read`` gets the others.
    """
    problems: list[str] = []
    after = ""
    try:
        while rows := await fetch(after):
            # Documents may be long, and reading a hundred of them would hold up the event loop.
            problems += await asyncio.to_thread(_unreadable, key, read, rows)
            after = rows[-1][0]
    except StorageCorrupt as error:
        problems.append(f"{key.table.description}, after {key.name} {after!r}: {error}")
    return problems


def _unreadable(key: Column[str], read: Callable[..., object], rows: Sequence[Sequence[Any]]) -> list[str]:
    problems = []
    for row_key, *values in rows:
        try:
            read(*values)
        except StorageCorrupt as error:
            problems.append(f"{key.table.description}, {key.name} {row_key!r}: {error}")
    return problems
