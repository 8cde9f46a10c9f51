"""The messages of cases in SQLite. Everything here runs on the thread of a connection, but `message_rows`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from adapters.sql import statements
from adapters.sql.documents import decode, encode
from adapters.sql.rows import message_columns
from adapters.sql.tables import case_messages, cases
from adapters.sql.types import to_micros
from adapters.sqlite.database import atomic, snapshot
from adapters.sqlite.sql import compile_sql, one_of
from domain.message import Message
from ports.errors import AlreadyExists, NotFound
from ports.paging import Page

_VERSION = compile_sql(statements.version_of(cases, cases.c.case_id))
_CASE_OF_MESSAGE = compile_sql(statements.case_of_message())
_COUNT_MESSAGE = compile_sql(statements.count_message())
_INSERT_MESSAGE = compile_sql(insert(case_messages), statements.columns_of(case_messages))
_MESSAGES = compile_sql(statements.page_of_messages())
_MESSAGE_COUNT = compile_sql(statements.message_count())

_COUNTS = compile_sql(select(cases.c.case_id, cases.c.message_count).where(cases.c.case_id.in_(one_of("ids"))))
_OWNERS = compile_sql(
    select(case_messages.c.message_id, case_messages.c.case_id).where(case_messages.c.message_id.in_(one_of("ids")))
)
_COUNT_MESSAGES = compile_sql(statements.touch_case().values(message_count=bindparam("count")))


def message_rows(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The columns of messages but their numbers in the cases."""
    return [_row(message) for message in messages]


def add_message(connection: sqlite3.Connection, message: Message) -> bool:
    """Append with the next number of the case, which the case's own row counts."""
    row = _row(message)
    with atomic(connection):
        owner = connection.execute(_CASE_OF_MESSAGE, row).fetchone()
        if owner:
            if owner[0] == message.case_id:
                return True
            if connection.execute(_VERSION, {"key": message.case_id}).fetchone():
                raise AlreadyExists("message", "message_id")
            return False
        counted = connection.execute(_COUNT_MESSAGE, row).fetchone()
        if not counted:
            return False
        connection.execute(_INSERT_MESSAGE, {**row, "seq": counted[0]})
    return True


def add_messages(connection: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Append what `message_rows` gave, all or nothing."""
    with atomic(connection):
        case_ids = json.dumps(list({row["case_id"] for row in rows}))
        counts = dict(connection.execute(_COUNTS, {"ids": case_ids}).fetchall())
        for row in rows:
            if row["case_id"] not in counts:
                raise NotFound("case", row["case_id"])
        message_ids = json.dumps([row["message_id"] for row in rows])
        owners = dict(connection.execute(_OWNERS, {"ids": message_ids}).fetchall())
        fresh = []
        activities: dict[str, int] = {}
        for row in rows:
            case_id = row["case_id"]
            owner = owners.get(row["message_id"])
            if owner is None:
                owners[row["message_id"]] = case_id
                counts[case_id] += 1
                activities[case_id] = max(row["created_at"], activities.get(case_id, row["created_at"]))
                fresh.append({**row, "seq": counts[case_id]})
            elif owner != case_id:
                raise AlreadyExists("message", "message_id")
        connection.executemany(_INSERT_MESSAGE, fresh)
        connection.executemany(
            _COUNT_MESSAGES,
            [
                {"case_id": case_id, "count": counts[case_id], "activity": activity}
                for case_id, activity in activities.items()
            ],
        )


def get_messages(connection: sqlite3.Connection, case_id: str, limit: int, offset: int) -> Page[Message]:
    """A page of the messages of a case."""
    with snapshot(connection):
        counted = connection.execute(_MESSAGE_COUNT, {"key": case_id}).fetchone()
        rows = connection.execute(_MESSAGES, {"key": case_id, "limit": limit, "offset": offset}).fetchall()
    return Page(tuple(decode(Message, *row) for row in rows), counted[0] if counted else 0)


def _row(message: Message) -> dict[str, Any]:
    document, digest = encode(message)
    return {**message_columns(message, to_micros), "document_sha256": digest, "document": document}
