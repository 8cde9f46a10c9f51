"""Statements of SQLAlchemy Core as SQL text for the driver: compiled once, executed without SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql import ClauseElement

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Sql:
    """The text with parameters written ``$1``, and the names of the parameters in this order."""

    text: str
    names: tuple[str, ...] = ()

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """The values of the parameters as the driver wants them; names that the statement does not use are ignored."""
        return [parameters[name] for name in self.names]


def compile_sql(statement: ClauseElement, columns: Iterable[str] | None = None) -> Sql:
    """The statement for the driver.

    ``columns`` are those that an INSERT or UPDATE sets from a parameter of the same name.
    """
    column_keys = None if columns is None else list(columns)
    compiled = _DIALECT.statement_compiler(_DIALECT, statement, column_keys=column_keys)
    fixed = [name for name, parameter in compiled.binds.items() if not parameter.required]
    if fixed:
        raise ValueError(f"a value is bound into the statement instead of a named parameter: {fixed}")
    return Sql(str(compiled), tuple(compiled.positiontup or ()))


async def fetch(connection: Any, sql: Sql, parameters: Mapping[str, Any]) -> list[Any]:
    """The rows of a statement on a connection of `PostgresDatabase.atomic`."""
    rows: list[Any] = await connection.fetch(sql.text, *sql.arguments(parameters))
    return rows
