"""Cases and users in PostgreSQL, written by hand for asyncpg: one statement an operation, no layer in between.

It does what the port promises: a save checks the version, a message gets the next number of its case and comes in once,
a page comes with the total as of the same moment, and what is read is compared with its checksum.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from hashlib import sha256

import asyncpg

from domain.case import Case
from domain.message import Message
from domain.user import User, fold_name
from domain.values import search_text
from ports.paging import Page

Pool = asyncpg.Pool

GET = """
    SELECT message_count, last_activity_at, document_sha256, document FROM cases WHERE case_id = $1
"""
SAVE = """
    UPDATE cases SET
        version = $2, user_id = $3, organization_id = $4, opened_in_session = $5, status = $6, created_at = $7,
        updated_at = $8, closed_at = $9, title_text = $10, description_text = $11, document = $12,
        document_sha256 = sha256(convert_to($12::jsonb::text, 'UTF8')),
        last_activity_at = greatest(last_activity_at, $13)
    WHERE case_id = $1 AND version = $14
    RETURNING message_count, last_activity_at
"""
ADD_MESSAGE = """
    WITH counted AS (
        UPDATE cases SET
            message_count = message_count + 1, last_activity_at = greatest(last_activity_at, $3)
        WHERE case_id = $2 AND NOT EXISTS (SELECT FROM case_messages WHERE message_id = $1)
        RETURNING message_count
    )
    INSERT INTO case_messages (message_id, case_id, seq, created_at, content_text, document, document_sha256)
    SELECT $1, $2, message_count, $3, $4, $5, sha256(convert_to($5::jsonb::text, 'UTF8')) FROM counted
    RETURNING seq
"""
OWNER = "SELECT case_id FROM case_messages WHERE message_id = $1"
MESSAGES = """
    SELECT (SELECT message_count FROM cases WHERE case_id = $1), page.document_sha256, page.document
    FROM (SELECT 1) AS one LEFT JOIN (
        SELECT seq, document_sha256, document FROM case_messages WHERE case_id = $1 ORDER BY seq LIMIT $2 OFFSET $3
    ) AS page ON true
    ORDER BY seq
"""
LIST = """
    SELECT (SELECT count(*) FROM cases WHERE user_id = $1), page.*
    FROM (SELECT 1) AS one LEFT JOIN (
        SELECT message_count, last_activity_at, document_sha256, document, case_id
        FROM cases WHERE user_id = $1 ORDER BY last_activity_at DESC, case_id LIMIT $2 OFFSET $3
    ) AS page ON true
    ORDER BY last_activity_at DESC, case_id
"""
GET_USER = "SELECT document_sha256, document FROM users WHERE user_id = $1"
GET_USER_BY_NAME = "SELECT document_sha256, document FROM users WHERE username_folded = $1"
SAVE_USER = """
    UPDATE users SET
        version = $2, username_folded = $3, email_folded = $4, created_at = $5, document = $6,
        document_sha256 = sha256(convert_to($6::jsonb::text, 'UTF8'))
    WHERE user_id = $1 AND version = $7
    RETURNING user_id
"""
LIST_USERS = """
    SELECT (SELECT count(*) FROM users), page.*
    FROM (SELECT 1) AS one LEFT JOIN (
        SELECT document_sha256, document, created_at, user_id
        FROM users ORDER BY created_at DESC, user_id LIMIT $1 OFFSET $2
    ) AS page ON true
    ORDER BY created_at DESC, user_id
"""


async def no_reset(_connection: object) -> None:
    """Nothing is set on a connection that would have to be set back; the driver's own way costs a round trip."""


async def open_pool(dsn: str) -> Pool:
    """The driver's pool with the limits that the adapter has."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=30,
        max_inactive_connection_lifetime=0,
        reset=no_reset,
        timeout=4,
        command_timeout=32,
        statement_cache_size=256,
        max_cached_statement_lifetime=0,
        server_settings={"statement_timeout": "30000"},
    )


class Held:
    """Gives out one connection without taking it from a pool."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    def acquire(self) -> Held:
        """For a block."""
        return self

    async def __aenter__(self) -> asyncpg.Connection:
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        pass


async def get(pool: Pool, case_id: str) -> Case | None:
    """The case, or None."""
    async with pool.acquire() as connection:
        row = await connection.fetchrow(GET, case_id)
    return to_case(*row) if row else None


async def get_unchecked(pool: Pool, case_id: str) -> Case | None:
    """The same without a look at the checksum: what it costs to notice a damaged document."""
    async with pool.acquire() as connection:
        row = await connection.fetchrow(GET, case_id)
    return Case.model_validate_json(row[3]) if row else None


async def save(pool: Pool, case: Case) -> Case:
    """Replace the version that the case was read as."""
    saved = case.model_copy(update={"version": case.version + 1, "message_count": 0})
    async with pool.acquire() as connection:
        row = await connection.fetchrow(
            SAVE,
            saved.case_id,
            saved.version,
            saved.user_id,
            saved.organization_id,
            saved.opened_in_session,
            saved.status.value,
            saved.created_at,
            saved.updated_at,
            saved.closed_at,
            search_text(saved.title),
            search_text(saved.description),
            saved.model_dump_json(),
            saved.last_activity_at,
            case.version,
        )
    if row is None:
        raise LookupError("somebody else has saved it")
    return saved.model_copy(update={"message_count": row[0], "last_activity_at": row[1]})


async def add_message(pool: Pool, message: Message) -> bool:
    """Append it once."""
    async with pool.acquire() as connection:
        row = await connection.fetchrow(
            ADD_MESSAGE,
            message.message_id,
            message.case_id,
            message.created_at,
            search_text(message.content),
            message.model_dump_json(),
        )
        return row is not None or await connection.fetchval(OWNER, message.message_id) == message.case_id


async def get_messages(pool: Pool, case_id: str, limit: int, offset: int) -> Page[Message]:
    """A page of the messages."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(MESSAGES, case_id, limit, offset)
    return Page(tuple(to_message(row[1], row[2]) for row in rows if row[1] is not None), rows[0][0] or 0)


async def list_cases(pool: Pool, user_id: str, limit: int, offset: int) -> Page[Case]:
    """A page of a user's cases, the latest activity first."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(LIST, user_id, limit, offset)
    cases = []
    for number, row in enumerate(rows):
        # Decoding a whole page at once would hold up the event loop for more than 25 ms.
        if number % 10 == 9:
            await asyncio.sleep(0)
        if row[5] is not None:
            cases.append(to_case(*row[1:5]))
    return Page(tuple(cases), rows[0][0])


async def get_user(pool: Pool, user_id: str) -> User | None:
    """The user, or None."""
    async with pool.acquire() as connection:
        row = await connection.fetchrow(GET_USER, user_id)
    return to_user(*row) if row else None


async def get_by_username(pool: Pool, username: str) -> User | None:
    """The user of this name, or None."""
    async with pool.acquire() as connection:
        row = await connection.fetchrow(GET_USER_BY_NAME, fold_name(username))
    return to_user(*row) if row else None


async def save_user(pool: Pool, user: User) -> User:
    """Replace the version that the user was read as."""
    saved = user.model_copy(update={"version": user.version + 1})
    async with pool.acquire() as connection:
        row = await connection.fetchrow(
            SAVE_USER,
            saved.user_id,
            saved.version,
            fold_name(saved.username),
            fold_name(saved.email),
            saved.created_at,
            saved.model_dump_json(),
            user.version,
        )
    if row is None:
        raise LookupError("somebody else has saved it")
    return saved


async def list_users(pool: Pool, limit: int, offset: int) -> Page[User]:
    """A page of the users, the newest first."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(LIST_USERS, limit, offset)
    return Page(tuple(to_user(row[1], row[2]) for row in rows if row[1] is not None), rows[0][0])


def to_case(message_count: int, last_activity_at: datetime, digest: bytes, document: str) -> Case:
    """A case from its row."""
    if sha256(document.encode()).digest() != digest:
        raise ValueError("the document is damaged")
    case = Case.model_validate_json(document)
    if case.message_count == message_count and case.last_activity_at == last_activity_at:
        return case
    return case.model_copy(update={"message_count": message_count, "last_activity_at": last_activity_at})


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
