"""Reading many rows: a page together with the number of all matches, and documents a few at a time."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Column, ColumnElement, Select, literal_column, select, true
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import Sql, compile_sql
from ports.paging import Page

T = TypeVar("T")

Order: TypeAlias = Callable[[ReadOnlyColumnCollection[str, Any]], Sequence[ColumnElement[Any]]]
"""Takes the columns of a page and says what it is ordered by."""

_TURN_SECONDS = 0.002
"""How long documents are read before other tasks get their turn."""


def compile_page(total: Select[Any], page: Select[Any], row: Sequence[Column[Any]], order: Order) -> Sql:
    """The columns ``row`` of the page, before each row the total: one statement, so both describe the same moment.

    An empty page is one row without values behind the total. The first column of ``row`` is never NULL.
    """
    one = select(literal_column("1")).subquery("one")
    rows = page.subquery("page")
    return compile_sql(
        select(total.scalar_subquery(), *(rows.c[column.name] for column in row))
        .select_from(one.outerjoin(rows, true()))
        .order_by(*order(rows.c))
    )


async def fetch_page(
    database: PostgresDatabase, sql: Sql, parameters: Mapping[str, Any], make: Callable[..., T]
) -> Page[T]:
    """The page of a statement of `compile_page`; ``make`` gets the columns of a row."""
    rows = await database.read(sql, parameters)
    items = await make_all((row[1:] for row in rows if row[1] is not None), make)
    return Page(items, rows[0][0] or 0)


async def make_all(rows: Iterable[Iterable[Any]], make: Callable[..., T]) -> tuple[T, ...]:
    """``make`` of each row, with a rest for other tasks now and then."""
    items: list[T] = []
    turn_ends = monotonic() + _TURN_SECONDS
    for row in rows:
        if monotonic() > turn_ends:
            await sleep(0)
            turn_ends = monotonic() + _TURN_SECONDS
        items.append(make(*row))
    return tuple(items)
