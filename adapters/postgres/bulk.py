"""Many rows in one statement.

The driver encodes the elements of an array one by one, on the event loop. So a column is sent as one text, which a
thread can make: documents with a character between them that none of them holds, as JSON writes it otherwise; anything
else as the array that PostgreSQL writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Table

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)

_BETWEEN_DOCUMENTS = "\x1f"

_BATCH = 1_000_000
"""Characters that are sent at once; the driver takes a few milliseconds of the event loop for them."""


def given(table: Table, columns: Sequence[str]) -> str:
    """The rows of the parameters ``$1``, ``$2``, ... as an item of FROM with these columns of the table and ``place``.

    A column ``json`` is a document; `batches` gives the parameters.
    """
    arrays = ", ".join(_array(table, name, number) for number, name in enumerate(columns, start=1))
    return f"unnest({arrays}) WITH ORDINALITY AS given ({', '.join(columns)}, place)"


def batches(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The rows column by column as the parameters of `given`, so many rows at a time that a batch is quickly sent."""
    groups: list[list[Mapping[str, Any]]] = []
    size = _BATCH
    for row in rows:
        if size >= _BATCH:
            groups.append([])
            size = 0
        groups[-1].append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str))
    return [{name: _column(name, [row[name] for row in group]) for name in group[0]} for group in groups]


def _array(table: Table, name: str, number: int) -> str:
    if name == "json":
        return f"string_to_array(${number}::text, U&'\\{ord(_BETWEEN_DOCUMENTS):04x}')"
    kind = table.c[name].type
    type_ = "bigint" if isinstance(kind, BigInteger) else "timestamptz" if isinstance(kind, DateTime) else "text"
    return f"${number}::text::{type_}[]"


def _column(name: str, values: Sequence[Any]) -> str:
    return _BETWEEN_DOCUMENTS.join(values) if name == "json" else _literal(values)


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
