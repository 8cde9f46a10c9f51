"""Cases and messages of a SQLite file as rows, for a store that has the same tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, bindparam, select

from adapters.sql import statements
from adapters.sql.documents import check
from adapters.sql.tables import case_messages, cases
from adapters.sql.types import UtcDateTime, from_micros
from adapters.sqlite.database import snapshot
from adapters.sqlite.sql import compile_sql
from domain.case import Case
from domain.message import Message
from ports.transfer import CaseRows

_CASES_AT_ONCE = 100

_CASE = [cases.c[name] for name in statements.columns_of(cases)]
_MESSAGE = [case_messages.c[name] for name in statements.columns_of(case_messages)]
_CASES = compile_sql(statements.scan(cases.c.case_id, *_CASE))
_MESSAGES = compile_sql(
    select(*_MESSAGE)
    .where(case_messages.c.case_id == bindparam("key"), case_messages.c.seq > bindparam("seq"))
    .order_by(case_messages.c.seq)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def read_rows(connection: sqlite3.Connection, after: tuple[str, int] | None, limit: int) -> CaseRows | None:
    """See `ports.transfer.GivesCaseRows`. Runs on the thread of a connection."""
    case_rows: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []

    def read_messages(case_id: str, seq: int) -> int:
        parameters = {"key": case_id, "seq": seq, "limit": limit - len(messages), "offset": 0}
        for row in connection.execute(_MESSAGES, parameters):
            message = _row(Message, _MESSAGE, row)
            seq = message.pop("seq")
            messages.append(message)
        return seq

    case_id, seq = after or ("", 0)
    with snapshot(connection):
        if after is not None:
            seq = read_messages(case_id, seq)
        if len(messages) < limit:
            for row in connection.execute(_CASES, {"after": case_id, "limit": _CASES_AT_ONCE}):
                case = _row(Case, _CASE, row)
                case_rows.append(case)
                case_id = case["case_id"]
                seq = read_messages(case_id, 0)
                if len(messages) == limit:
                    break
    return CaseRows(case_rows, messages, (case_id, seq)) if case_rows or messages else None


def _row(kind: type[Case | Message], columns: Sequence[Column[Any]], values: Sequence[Any]) -> dict[str, Any]:
    # Checksum and document are the last columns of each table.
    *others, digest, document = values
    check(kind, digest, document)
    row = {
        column.name: from_micros(value) if column.type is UtcDateTime and value is not None else value
        for column, value in zip(columns, others, strict=False)
    }
    return {**row, "json": document}
