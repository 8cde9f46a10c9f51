"""Users in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from adapters.postgres.bulk import batches
from adapters.postgres.documents import document_values, other_columns, to_jsonb
from adapters.postgres.errors import Taken
from adapters.postgres.integrity import check_rows
from adapters.postgres.paging import compile_page, fetch_page, make_all
from adapters.postgres.putting import delete_older, put
from adapters.postgres.sql import Sql, compile_sql, fetch
from adapters.postgres.store import PostgresStore
from adapters.sql import statements
from adapters.sql.documents import decode_user
from adapters.sql.rows import user_columns
from adapters.sql.tables import users
from domain.user import User, fold_name
from domain.values import check_storable
from ports.errors import AlreadyExists, Conflict
from ports.paging import Page, check_page
from ports.transfer import SupportsUserTransfer, check_put
from ports.users import UserRepository

_COLUMNS = other_columns(users)
_KEY = users.c.user_id
_DOCUMENT = (users.c.document_sha256, users.c.document)
_USERNAME = "uq_users_username_folded"

_GET = compile_sql(statements.stored(users, _KEY))
_GET_BY_USERNAME = compile_sql(statements.stored(users, users.c.username_folded))
_GET_BY_EMAIL = compile_sql(statements.stored(users, users.c.email_folded))
_INSERT = compile_sql(insert(users).values(document_values()).on_conflict_do_nothing().returning(_KEY), _COLUMNS)
_UPDATE = compile_sql(
    statements.update_version(users, _KEY).values(document_values()).returning(_KEY),
    [name for name in _COLUMNS if name != "user_id"],
)
_VERSION = compile_sql(statements.version_of(users, _KEY))
_ID_OF_USERNAME = compile_sql(select(_KEY).where(users.c.username_folded == bindparam("key")))
_DELETE_OLDER = delete_older(users, "user_id")
_PUT = put(users, "user_id")
_DELETE = compile_sql(statements.delete_one(users, _KEY).returning(_KEY))
_PAGE = compile_page(
    select(func.count()).select_from(users),
    select(*_DOCUMENT, users.c.created_at, _KEY)
    .order_by(users.c.created_at.desc(), _KEY)
    .limit(bindparam("limit"))
    .offset(bindparam("offset")),
    _DOCUMENT,
    lambda page: (page.created_at.desc(), page.user_id),
)
_SCAN = compile_sql(statements.scan(_KEY, *_DOCUMENT))


class PostgresUserRepository(PostgresStore, SupportsUserTransfer, UserRepository):
    """`UserRepository` on a `PostgresDatabase`, which several repositories may share."""

    async def save(self, user: User) -> User:
        """Insert or update, in one statement."""
        expected = user.version
        saved = user.model_copy(update={"version": expected + 1})
        row = _row(saved)
        if expected:
            await self._update(row, expected)
        else:
            await self._insert(row)
        return saved

    async def put_many(self, users: Sequence[User]) -> None:
        """Insert or replace in one transaction, many at a time."""
        check_put("user", ((user.user_id, user.version) for user in users))
        parts = await asyncio.to_thread(_put_batches, users)
        try:
            async with self._database.atomic() as connection:
                # All before the first is inserted: users may have exchanged their names.
                for part in parts:
                    await fetch(connection, _DELETE_OLDER, part)
                for part in parts:
                    await fetch(connection, _PUT, part)
        except Taken as taken:
            raise AlreadyExists("user", "username" if taken.constraint == _USERNAME else "email") from taken

    async def get(self, user_id: str) -> User | None:
        """The user, or None."""
        check_storable(user_id)
        return await self._get(_GET, user_id)

    async def get_by_username(self, username: str) -> User | None:
        """The user with this name."""
        check_storable(username)
        return await self._get(_GET_BY_USERNAME, fold_name(username))

    async def get_by_email(self, email: str) -> User | None:
        """The user with this address."""
        check_storable(email)
        return await self._get(_GET_BY_EMAIL, fold_name(email))

    async def list(self, *, limit: int = 50, offset: int = 0) -> Page[User]:
        """A page of the users."""
        check_page(limit, offset)
        return await fetch_page(self._database, _PAGE, {"limit": limit, "offset": offset}, decode_user)

    async def delete(self, user_id: str) -> bool:
        """Remove the user."""
        check_storable(user_id)
        return bool(await self._database.write(_DELETE, {"key": user_id}))

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[User, ...]:
        """The next users by id."""
        check_page(limit)
        check_storable(after or "")
        return await make_all(await self._database.read(_SCAN, {"after": after or "", "limit": limit}), decode_user)

    async def check_health(self) -> None:
        """See `PostgresDatabase.check_health`."""
        await self._database.check_health()

    async def check_integrity(self) -> Sequence[str]:
        """Examine every user."""
        return await check_rows(self._database, _KEY, decode_user, *_DOCUMENT)

    async def _get(self, sql: Sql, key: str) -> User | None:
        rows = await self._database.read(sql, {"key": key})
        return decode_user(*rows[0]) if rows else None

    async def _insert(self, row: dict[str, Any]) -> None:
        if await self._database.write(_INSERT, row):
            return
        if stored := await self._version(row["user_id"]):
            raise Conflict("user", row["user_id"], 0, stored)
        named = await self._database.read(_ID_OF_USERNAME, {"key": row["username_folded"]})
        raise AlreadyExists("user", "username" if named else "email")

    async def _update(self, row: dict[str, Any], expected: int) -> None:
        user_id = row["user_id"]
        try:
            changed = await self._database.write(_UPDATE, {**row, "key": user_id, "expected": expected}, savepoint=True)
        except Taken as taken:
            raise AlreadyExists("user", "username" if taken.constraint == _USERNAME else "email") from taken
        if not changed:
            raise Conflict("user", user_id, expected, await self._version(user_id))

    async def _version(self, user_id: str) -> int | None:
        rows = await self._database.read(_VERSION, {"key": user_id})
        return rows[0][0] if rows else None


def _put_batches(users: Sequence[User]) -> list[dict[str, str]]:
    return batches(map(_row, users))


def _row(user: User) -> dict[str, Any]:
    return {**user_columns(user), "json": to_jsonb(user)}
