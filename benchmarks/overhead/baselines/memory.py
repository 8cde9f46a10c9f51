"""Dictionaries, behind functions that are awaited as those of the ports are: what an await costs by itself.

Nothing of what the ports promise beyond a dictionary is done here. So there is no ratio to keep, but a number of
nanoseconds that the adapter may take more.
"""

from __future__ import annotations

from datetime import timedelta
from heapq import nsmallest

from domain.case import Case
from domain.message import Message
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


class Values:
    """Texts by key."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def set(self, key: str, value: str) -> bool:
        """Keep the value."""
        self.values[key] = value
        return True

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        return self.values.get(key)

    async def delete(self, key: str) -> bool:
        """Drop the value."""
        return self.values.pop(key, None) is not None
