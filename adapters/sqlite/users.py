"""Users in SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.sqlite import insert

from adapters.sql import statements
from adapters.sql.documents import decode_user, encode
from adapters.sql.rows import user_columns
from adapters.sql.tables import users
from adapters.sql.types import to_micros
from adapters.sqlite.database import atomic, snapshot
from adapters.sqlite.integrity import check_file, check_rows
from adapters.sqlite.sql import compile_sql
from adapters.sqlite.store import SqliteStore
from domain.user import User, fold_name
from domain.values import check_storable
from ports.errors import AlreadyExists, Conflict
from ports.paging import Page, check_page
from ports.transfer import SupportsUserTransfer, check_put
from ports.users import UserRepository

_COLUMNS = statements.columns_of(users)
_KEY = users.c.user_id
_DOCUMENT = (users.c.document_sha256, users.c.document)

_GET = compile_sql(statements.stored(users, _KEY))
_GET_BY_USERNAME = compile_sql(statements.stored(users, users.c.username_folded))
_GET_BY_EMAIL = compile_sql(statements.stored(users, users.c.email_folded))
_INSERT = compile_sql(insert(users).on_conflict_do_nothing(), _COLUMNS)
_UPDATE = compile_sql(
    statements.update_version(users, _KEY).prefix_with("OR IGNORE"),
    [name for name in _COLUMNS if name != "user_id"],
)
_VERSION = compile_sql(statements.version_of(users, _KEY))
_ID_OF_USERNAME = compile_sql(select(_KEY).where(users.c.username_folded == bindparam("key")))
_DELETE_OLDER = compile_sql(statements.delete_older(users, _KEY))
_DELETE = compile_sql(statements.delete_one(users, _KEY))
_COUNT = compile_sql(select(func.count()).select_from(users))
_PAGE = compile_sql(
    select(*_DOCUMENT)
    .order_by(users.c.created_at.desc(), users.c.user_id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_SCAN = compile_sql(statements.scan(_KEY, *_DOCUMENT))


class SqliteUserRepository(SqliteStore, SupportsUserTransfer, UserRepository):
    """`UserRepository` on a `SqliteDatabase`, which several repositories may share."""

    async def save(self, user: User) -> User:
        """Insert or update, in one statement."""
        return await self._database.write(_save, user)

    async def put_many(self, users: Sequence[User]) -> None:
        """Insert or replace in one transaction."""
        check_put("user", ((user.user_id, user.version) for user in users))
        rows = await asyncio.to_thread(_put_rows, users)
        await self._database.write(_put_many, rows)

    async def get(self, user_id: str) -> User | None:
        """The user, or None."""
        check_storable(user_id)
        return await self._database.read_few(_get, _GET, user_id)

    async def get_by_username(self, username: str) -> User | None:
        """The user with this name."""
        check_storable(username)
        return await self._database.read_few(_get, _GET_BY_USERNAME, fold_name(username))

    async def get_by_email(self, email: str) -> User | None:
        """The user with this address."""
        check_storable(email)
        return await self._database.read_few(_get, _GET_BY_EMAIL, fold_name(email))

    async def list(self, *, limit: int = 50, offset: int = 0) -> Page[User]:
        """A page of the users."""
        check_page(limit, offset)
        return await self._database.read(_list, limit, offset)

    async def delete(self, user_id: str) -> bool:
        """Remove the user."""
        check_storable(user_id)
        return await self._database.write(_delete, user_id)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[User, ...]:
        """The next users by id."""
        check_page(limit)
        check_storable(after or "")
        return await self._database.read(_scan, after or "", limit)

    async def check_health(self) -> None:
        """See `SqliteDatabase.check_health`."""
        await self._database.check_health()

    async def check_integrity(self) -> Sequence[str]:
        """Examine the file and every user."""
        problems = await check_file(self._database)
        return problems + await check_rows(self._database, _KEY, decode_user, *_DOCUMENT)


# ---------------------------------------------------------------- on the thread of a connection


def _row(user: User) -> dict[str, Any]:
    document, digest = encode(user)
    return {**user_columns(user, to_micros), "document_sha256": digest, "document": document}


def _save(connection: sqlite3.Connection, user: User) -> User:
    expected = user.version
    saved = user.model_copy(update={"version": expected + 1})
    row = {**_row(saved), "key": user.user_id, "expected": expected}
    if connection.execute(_UPDATE if expected else _INSERT, row).rowcount == 1:
        return saved
    stored = connection.execute(_VERSION, {"key": user.user_id}).fetchone()
    if (stored[0] if stored else 0) != expected:
        raise Conflict("user", user.user_id, expected, stored[0] if stored else None)
    raise _taken(connection, row)


def _put_rows(users: Sequence[User]) -> list[dict[str, Any]]:
    return [_row(user) for user in users]


def _put_many(connection: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> None:
    with atomic(connection):
        # All before the first is inserted: users may have exchanged their names.
        connection.executemany(_DELETE_OLDER, rows)
        for row in rows:
            inserted = connection.execute(_INSERT, row).rowcount == 1
            if not inserted and not connection.execute(_VERSION, {"key": row["user_id"]}).fetchone():
                raise _taken(connection, row)


def _taken(connection: sqlite3.Connection, row: Mapping[str, Any]) -> AlreadyExists:
    named = connection.execute(_ID_OF_USERNAME, {"key": row["username_folded"]}).fetchone()
    return AlreadyExists("user", "username" if named and named[0] != row["user_id"] else "email")


def _get(connection: sqlite3.Connection, sql: str, key: str) -> User | None:
    row = connection.execute(sql, {"key": key}).fetchone()
    return decode_user(*row) if row else None


def _list(connection: sqlite3.Connection, limit: int, offset: int) -> Page[User]:
    with snapshot(connection):
        (total,) = connection.execute(_COUNT).fetchone()
        rows = connection.execute(_PAGE, {"limit": limit, "offset": offset}).fetchall()
    return Page(tuple(decode_user(*row) for row in rows), total)


def _delete(connection: sqlite3.Connection, user_id: str) -> bool:
    return connection.execute(_DELETE, {"key": user_id}).rowcount == 1


def _scan(connection: sqlite3.Connection, after: str, limit: int) -> tuple[User, ...]:
    rows = connection.execute(_SCAN, {"after": after, "limit": limit}).fetchall()
    return tuple(decode_user(*row) for row in rows)
