"""Statements of SQLAlchemy Core as SQL text for the driver: compiled once, executed without SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement

_DIALECT = sqlite.dialect(paramstyle="named")


def compile_sql(statement: ClauseElement, columns: Iterable[str] | None = None) -> str:
    """The text, with parameters written ``:name``.

    ``columns`` are those that an INSERT or UPDATE sets from a parameter of the same name.
    """
    column_keys = None if columns is None else list(columns)
    compiled = _DIALECT.statement_compiler(_DIALECT, statement, column_keys=column_keys)
    fixed = [name for name, parameter in compiled.binds.items() if not parameter.required]
    if fixed:
        raise ValueError(f"a value is bound into the statement instead of a named parameter: {fixed}")
    return str(compiled)


def one_of(values: str) -> Select[Any]:
    """The elements of the JSON list ``:values``, so that one statement serves any number of values."""
    return select(func.json_each(bindparam(values)).table_valued("value").c.value)
