"""Many rows in one statement.

The driver encodes the elements of an array one by one, on the event loop. So a column is sent as one text, the array as
PostgreSQL writes it, which a thread can make.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Table

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)

_BATCH = 1_000_000
"""Characters that are sent at once; the driver takes a few milliseconds of the event loop for them."""


def given(table: Table, columns: Sequence[str]) -> str:
    """The rows of the parameters ``$1``, ``$2``, ... as an item of FROM with these columns of the table and ``place``.

    A column ``json`` is a document; `literals` gives the parameters.
    """
    types = [_type(table, name) for name in columns]
    arrays = ", ".join(f"${number}::text::{name}[]" for number, name in enumerate(types, start=1))
    return f"unnest({arrays}) WITH ORDINALITY AS given ({', '.join(columns)}, place)"


def batches(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The rows column by column as literals of arrays, so many rows at a time that a batch is quickly sent."""
    groups: list[list[Mapping[str, Any]]] = []
    size = _BATCH
    for row in rows:
        if size >= _BATCH:
            groups.append([])
            size = 0
        groups[-1].append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str))
    return [{name: _literal([row[name] for row in group]) for name in group[0]} for group in groups]


def _type(table: Table, name: str) -> str:
    if name == "json":
        return "text"
    kind = table.c[name].type
    return "bigint" if isinstance(kind, BigInteger) else "timestamptz" if isinstance(kind, DateTime) else "text"


def _literal(values: Sequence[Any]) -> str:
    if all(type(value) is str for value in values):
        # All at once costs a third. No text that can be stored holds the character that stands between them.
        joined = "\0".join(values)
        if joined.count("\0") == len(values) - 1:
            escaped = joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
            return f'{{"{escaped}"}}'
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case datetime():
            # As the driver writes them where they are single values: else they would differ from those.
            return "-infinity" if value == _FIRST else "infinity" if value == _LAST else value.isoformat()
        case _:
            return str(value)
