"""Users in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from heapq import nsmallest

from adapters.memory.checkpoints import InMemoryCheckpoints
from domain.user import User, fold_name
from domain.values import check_storable
from ports.errors import AlreadyExists, Conflict, StorageUnavailable
from ports.paging import Page, check_page
from ports.transfer import SupportsUserTransfer, check_put
from ports.users import UserRepository

_LATEST = datetime.max.replace(tzinfo=UTC)


class InMemoryUserRepository(InMemoryCheckpoints, SupportsUserTransfer, UserRepository):
    """Keeps users under their id, their folded name and their folded address."""

    def __init__(self) -> None:
        super().__init__()
        self._users: dict[str, User] = {}
        self._by_username: dict[str, str] = {}
        self._by_email: dict[str, str] = {}
        self._closed = False

    async def save(self, user: User) -> User:
        """See `UserRepository`."""
        stored = self._open_users().get(user.user_id)
        actual = stored.version if stored else None
        if user.version != (actual or 0):
            raise Conflict("user", user.user_id, user.version, actual)
        username, email = fold_name(user.username), fold_name(user.email)
        if self._by_username.get(username, user.user_id) != user.user_id:
            raise AlreadyExists("user", "username")
        if self._by_email.get(email, user.user_id) != user.user_id:
            raise AlreadyExists("user", "email")
        if stored:
            self._forget_names(stored)
        saved = user.model_copy(update={"version": user.version + 1})
        self._users[user.user_id] = saved
        self._by_username[username] = self._by_email[email] = user.user_id
        return saved

    async def put_many(self, users: Sequence[User]) -> None:
        """See `ports.transfer.SupportsUserTransfer`."""
        check_put("user", ((user.user_id, user.version) for user in users))
        # Folding the names takes a while, during which others can go on.
        named = await asyncio.to_thread(_with_names, users)
        stored = self._open_users()
        newer = [
            (user, username, email)
            for user, username, email in named
            if user.user_id not in stored or stored[user.user_id].version < user.version
        ]
        self._check_free(newer)
        # All before the first is put: users may have exchanged their names.
        for user, _, _ in newer:
            if user.user_id in stored:
                self._forget_names(stored[user.user_id])
        for user, username, email in newer:
            stored[user.user_id] = user
            self._by_username[username] = self._by_email[email] = user.user_id

    async def get(self, user_id: str) -> User | None:
        """See `UserRepository`."""
        check_storable(user_id)
        return self._open_users().get(user_id)

    async def get_by_username(self, username: str) -> User | None:
        """See `UserRepository`."""
        check_storable(username)
        return self._open_users().get(self._by_username.get(fold_name(username), ""))

    async def get_by_email(self, email: str) -> User | None:
        """See `UserRepository`."""
        check_storable(email)
        return self._open_users().get(self._by_email.get(fold_name(email), ""))

    async def list(self, *, limit: int = 50, offset: int = 0) -> Page[User]:
        """See `UserRepository`."""
        check_page(limit, offset)
        users = self._open_users()
        return Page(tuple(nsmallest(offset + limit, users.values(), key=_newest_first)[offset:]), len(users))

    async def delete(self, user_id: str) -> bool:
        """See `UserRepository`."""
        check_storable(user_id)
        user = self._open_users().pop(user_id, None)
        if user is None:
            return False
        self._forget_names(user)
        return True

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[User, ...]:
        """See `UserRepository`."""
        check_page(limit)
        check_storable(after or "")
        users = self._open_users()
        ids = nsmallest(limit, (user_id for user_id in users if after is None or user_id > after))
        return tuple(users[user_id] for user_id in ids)

    async def check_health(self) -> None:
        """See `ports.capabilities.SupportsHealth`."""
        self._open_users()

    async def aclose(self) -> None:
        """See `ports.capabilities.Closeable`."""
        self._closed = True

    def _check_open(self) -> None:
        self._open_users()

    def _open_users(self) -> dict[str, User]:
        if self._closed:
            raise StorageUnavailable("the in-memory user store has been closed")
        return self._users

    def _check_free(self, users: Sequence[tuple[User, str, str]]) -> None:
        """See that nobody beside these users has their names, and no two of them the same."""
        ids = {user.user_id for user, _, _ in users}
        usernames: set[str] = set()
        emails: set[str] = set()
        for user, username, email in users:
            if username in usernames or self._by_username.get(username, user.user_id) not in ids:
                raise AlreadyExists("user", "username")
            if email in emails or self._by_email.get(email, user.user_id) not in ids:
                raise AlreadyExists("user", "email")
            usernames.add(username)
            emails.add(email)

    def _forget_names(self, user: User) -> None:
        del self._by_username[fold_name(user.username)]
        del self._by_email[fold_name(user.email)]


def _with_names(users: Sequence[User]) -> list[tuple[User, str, str]]:
    return [(user, fold_name(user.username), fold_name(user.email)) for user in users]


def _newest_first(user: User) -> tuple[timedelta, str]:
    return _LATEST - user.created_at, user.user_id
