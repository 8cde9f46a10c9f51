"""Cases and users in SQLite, written by hand: a row by its key on the event loop, all else with one hop to a thread.

A row by its key is read in microseconds, so no thread is worth its price. Pages go through the driver's own
`execute_fetchall`, which takes one hop; what writes is a function that is sent to the thread of an executor. It does
what the port promises: see `benchmarks.overhead.baselines.postgres`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from domain.case import Case
from domain.message import Message
from domain.user import User, fold_name
from domain.values import search_text
from ports.paging import Page

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

GET = "SELECT message_count, last_activity_at, document_sha256, document FROM cases WHERE case_id = ?"
SAVE = """
    UPDATE cases SET
        version = ?, user_id = ?, organization_id = ?, opened_in_session = ?, status = ?, created_at = ?,
        updated_at = ?, closed_at = ?, title_text = ?, description_text = ?, document_sha256 = ?, document = ?,
        last_activity_at = max(last_activity_at, ?)
    WHERE case_id = ? AND version = ?
    RETURNING message_count, last_activity_at
"""
OWNER = "SELECT case_id FROM case_messages WHERE message_id = ?"
COUNT = """
    UPDATE cases SET message_count = message_count + 1, last_activity_at = max(last_activity_at, ?)
    WHERE case_id = ? RETURNING message_count
"""
ADD_MESSAGE = """
    INSERT INTO case_messages (message_id, case_id, seq, created_at, content_text, document_sha256, document)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""
MESSAGES = """
    SELECT (SELECT message_count FROM cases WHERE case_id = :key), page.document_sha256, page.document
    FROM (SELECT 1) LEFT JOIN (
        SELECT seq, document_sha256, document FROM case_messages WHERE case_id = :key
        ORDER BY seq LIMIT :limit OFFSET :offset
    ) AS page
    ORDER BY page.seq
"""
LIST = """
    SELECT (SELECT count(*) FROM cases WHERE user_id = :user_id), page.*
    FROM (SELECT 1) LEFT JOIN (
        SELECT message_count, last_activity_at, document_sha256, document, case_id
        FROM cases WHERE user_id = :user_id ORDER BY last_activity_at DESC, case_id LIMIT :limit OFFSET :offset
    ) AS page
    ORDER BY page.last_activity_at DESC, page.case_id
"""
GET_USER = "SELECT document_sha256, document FROM users WHERE user_id = ?"
GET_USER_BY_NAME = "SELECT document_sha256, document FROM users WHERE username_folded = ?"
SAVE_USER = """
    UPDATE users SET
        version = ?, username_folded = ?, email_folded = ?, created_at = ?, document_sha256 = ?, document = ?
    WHERE user_id = ? AND version = ?
    RETURNING user_id
"""
LIST_USERS = """
    SELECT (SELECT count(*) FROM users), page.*
    FROM (SELECT 1) LEFT JOIN (
        SELECT document_sha256, document, created_at, user_id
        FROM users ORDER BY created_at DESC, user_id LIMIT :limit OFFSET :offset
    ) AS page
    ORDER BY page.created_at DESC, page.user_id
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the durability that the adapter has by default."""
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, cached_statements=256, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


class Connections:
    """One connection that writes, with a thread of its own, four that read pages, and one that reads single rows."""

    def __init__(self, path: Path) -> None:
        self.executor = ThreadPoolExecutor(1)
        self.plain = connect(path)
        self.reader = connect(path)
        self.writer = aiosqlite.Connection(lambda: connect(path), 64)
        self.readers = [aiosqlite.Connection(lambda: connect(path), 64) for _ in range(4)]
        self._next = 0

    async def __aenter__(self) -> Connections:
        for connection in (self.writer, *self.readers):
            await connection
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in (self.writer, *self.readers):
            await connection.close()
        self.executor.shutdown()
        self.plain.close()
        self.reader.close()

    async def read(self, sql: str, parameters: Any) -> list[Any]:
        """All rows, by the next one of the readers."""
        self._next = (self._next + 1) % 4
        return list(await self.readers[self._next].execute_fetchall(sql, parameters))

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """A function of several statements, on the thread of the plain connection."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, function, self.plain, *arguments)


async def get(connections: Connections, case_id: str) -> Case | None:
    """The case, or None."""
    return _get(connections.reader, case_id)


async def get_by_fetchall(connections: Connections, case_id: str) -> Case | None:
    """The same by way of the driver's own one hop."""
    rows = await connections.read(GET, (case_id,))
    return to_case(*rows[0]) if rows else None


async def get_in_executor(connections: Connections, case_id: str) -> Case | None:
    """The same by way of the standard library's executor."""
    return await connections.run(_get, case_id)


def _get(connection: sqlite3.Connection, case_id: str) -> Case | None:
    row = connection.execute(GET, (case_id,)).fetchone()
    return to_case(*row) if row else None


async def save_by_fetchall(connections: Connections, case: Case) -> Case:
    """The same by way of the driver's own one hop."""
    saved = case.model_copy(update={"version": case.version + 1, "message_count": 0})
    rows = list(await connections.writer.execute_fetchall(SAVE, _row(saved)))
    if not rows:
        raise LookupError("somebody else has saved it")
    return saved.model_copy(update={"message_count": rows[0][0], "last_activity_at": _instant(rows[0][1])})


async def save(connections: Connections, case: Case) -> Case:
    """Replace the version that the case was read as."""
    return await connections.run(_save, case)


def _save(connection: sqlite3.Connection, case: Case) -> Case:
    saved = case.model_copy(update={"version": case.version + 1, "message_count": 0})
    rows = connection.execute(SAVE, _row(saved)).fetchall()
    if not rows:
        raise LookupError("somebody else has saved it")
    return saved.model_copy(update={"message_count": rows[0][0], "last_activity_at": _instant(rows[0][1])})


def _row(saved: Case) -> tuple[Any, ...]:
    document = saved.model_dump_json()
    return (
        saved.version,
        saved.user_id,
        saved.organization_id,
        saved.opened_in_session,
        saved.status.value,
        _micros(saved.created_at),
        _micros(saved.updated_at),
        None if saved.closed_at is None else _micros(saved.closed_at),
        search_text(saved.title),
        search_text(saved.description),
        sha256(document.encode()).digest(),
        document,
        _micros(saved.last_activity_at),
        saved.case_id,
        saved.version - 1,
    )


async def add_message(connections: Connections, message: Message) -> bool:
    """Append it once."""
    return await connections.run(_add_message, message)


def _add_message(connection: sqlite3.Connection, message: Message) -> bool:
    document = message.model_dump_json()
    connection.execute("BEGIN IMMEDIATE")
    try:
        owner = connection.execute(OWNER, (message.message_id,)).fetchone()
        if owner is None:
            created_at = _micros(message.created_at)
            ((seq,),) = connection.execute(COUNT, (created_at, message.case_id)).fetchall()
            connection.execute(
                ADD_MESSAGE,
                (
                    message.message_id,
                    message.case_id,
                    seq,
                    created_at,
                    search_text(message.content),
                    sha256(document.encode()).digest(),
                    document,
                ),
            )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return owner is None or owner[0] == message.case_id


async def get_messages(connections: Connections, case_id: str, limit: int, offset: int) -> Page[Message]:
    """A page of the messages."""
    rows = await connections.read(MESSAGES, {"key": case_id, "limit": limit, "offset": offset})
    return Page(tuple(to_message(row[1], row[2]) for row in rows if row[1] is not None), rows[0][0] or 0)


async def list_cases(connections: Connections, user_id: str, limit: int, offset: int) -> Page[Case]:
    """A page of a user's cases, the latest activity first."""
    rows = await connections.read(LIST, {"user_id": user_id, "limit": limit, "offset": offset})
    cases = []
    for number, row in enumerate(rows):
        # Decoding a whole page at once would hold up the event loop for more than 25 ms.
        if number % 10 == 9:
            await asyncio.sleep(0)
        if row[5] is not None:
            cases.append(to_case(*row[1:5]))
    return Page(tuple(cases), rows[0][0])


async def get_user(connections: Connections, user_id: str) -> User | None:
    """The user, or None."""
    row = connections.reader.execute(GET_USER, (user_id,)).fetchone()
    return to_user(*row) if row else None


async def get_by_username(connections: Connections, username: str) -> User | None:
    """The user of this name, or None."""
    row = connections.reader.execute(GET_USER_BY_NAME, (fold_name(username),)).fetchone()
    return to_user(*row) if row else None


async def save_user(connections: Connections, user: User) -> User:
    """Replace the version that the user was read as."""
    saved = user.model_copy(update={"version": user.version + 1})
    document = saved.model_dump_json()
    rows = list(
        await connections.writer.execute_fetchall(
            SAVE_USER,
            (
                saved.version,
                fold_name(saved.username),
                fold_name(saved.email),
                _micros(saved.created_at),
                sha256(document.encode()).digest(),
                document,
                saved.user_id,
                user.version,
            ),
        )
    )
    if not rows:
        raise LookupError("somebody else has saved it")
    return saved


async def list_users(connections: Connections, limit: int, offset: int) -> Page[User]:
    """A page of the users, the newest first."""
    rows = await connections.read(LIST_USERS, {"limit": limit, "offset": offset})
    return Page(tuple(to_user(row[1], row[2]) for row in rows if row[1] is not None), rows[0][0])


def to_case(message_count: int, last_activity_at: int, digest: bytes, document: str) -> Case:
    """A case from its row."""
    if sha256(document.encode()).digest() != digest:
        raise ValueError("the document is damaged")
    case = Case.model_validate_json(document)
    activity = _instant(last_activity_at)
    if case.message_count == message_count and case.last_activity_at == activity:
        return case
    return case.model_copy(update={"message_count": message_count, "last_activity_at": activity})


def to_message(digest: bytes, document: str) -> Message:
    """A message from its row."""
    if sha256(document.encode()).digest() != digest:
        raise ValueError("the document is damaged")
    return Message.model_validate_json(document)


def to_user(digest: bytes, document: str) -> User:
    """A user from its row."""
    if sha256(document.encode()).digest() != digest:
        raise ValueError("the document is damaged")
    return User.model_validate_json(document)


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
