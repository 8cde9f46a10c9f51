"""Dictionaries, behind functions that are awaited as those of the ports are: what an await costs by itself.

Nothing of what the ports promise beyond a dictionary is done here. So there is no ratio to keep, but a number of
nanoseconds that the adapter may take more.
"""

from __future__ import annotations

from datetime import timedelta
from heapq import nsmallest
from time import time

from domain.case import Case
from domain.message import Message
from domain.user import User, fold_name
from ports.paging import Page
from tests.builders import AT


class Cases:
    """Cases by id, and their messages."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.messages: dict[str, list[Message]] = {}

    def put(self, case: Case) -> None:
        """Keep a case."""
        self.cases[case.case_id] = case

    def append(self, message: Message) -> None:
        """Keep a message."""
        self.messages.setdefault(message.case_id, []).append(message)

    async def get(self, case_id: str) -> Case | None:
        """The case, or None."""
        return self.cases.get(case_id)

    async def save(self, case: Case) -> Case:
        """Keep it under the next version."""
        saved = case.model_copy(update={"version": case.version + 1})
        self.cases[case.case_id] = saved
        return saved

    async def add_message(self, message: Message) -> bool:
        """Append it."""
        self.append(message)
        return True

    async def get_messages(self, case_id: str, limit: int, offset: int) -> Page[Message]:
        """A page of the messages."""
        messages = self.messages[case_id]
        return Page(tuple(messages[offset : offset + limit]), len(messages))

    async def list_cases(self, user_id: str, limit: int, offset: int) -> Page[Case]:
        """A page of a user's cases, the latest activity first."""
        cases = [case for case in self.cases.values() if case.user_id == user_id]
        return Page(tuple(nsmallest(offset + limit, cases, key=_recency)[offset:]), len(cases))


def _recency(case: Case) -> tuple[timedelta, str]:
    return AT - case.last_activity_at, case.case_id


class Users:
    """Users by id and by name."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.by_name: dict[str, User] = {}

    def put(self, user: User) -> None:
        """Keep a user."""
        self.users[user.user_id] = self.by_name[fold_name(user.username)] = user


async def get_user(users: Users, user_id: str) -> User | None:
    """The user, or None."""
    return users.users.get(user_id)


async def get_by_username(users: Users, username: str) -> User | None:
    """The user of this name, or None."""
    return users.by_name.get(fold_name(username))


async def save_user(users: Users, user: User) -> User:
    """Keep it under the next version."""
    saved = user.model_copy(update={"version": user.version + 1})
    users.put(saved)
    return saved


async def list_users(users: Users, limit: int, offset: int) -> Page[User]:
    """A page of the users, the newest first."""
    found = nsmallest(offset + limit, users.users.values(), key=lambda user: (AT - user.created_at, user.user_id))
    return Page(tuple(found[offset:]), len(users.users))


class Values:
    """Texts by key, with when they expire."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, float]] = {}

    async def get(self, key: str) -> str | None:
        """The value, or None; nothing expires."""
        found = self.values.get(key)
        return found[0] if found else None

    async def set(self, key: str, value: str, ttl: timedelta) -> bool:
        """Keep the value."""
        self.values[key] = (value, time() + ttl.total_seconds())
        return True

    async def delete(self, key: str) -> bool:
        """Drop the value."""
        return self.values.pop(key, None) is not None

    async def expire(self, key: str, ttl: timedelta) -> bool:
        """Keep the value longer."""
        found = self.values.get(key)
        if found is None:
            return False
        self.values[key] = (found[0], time() + ttl.total_seconds())
        return True
