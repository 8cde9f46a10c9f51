"""Cases and their messages.

Promise: a saved case comes back equal, from any later process where the backend is durable. Writers cannot overwrite
each other unseen, because each save checks the version. Not promised: any order between different cases, and full-text
search by language rules (a search looks for pieces of words).

Messages are appended beside the aggregate, so an append costs the same however long the case is.
`Case.message_count` belongs to the store: it is counted by `add_message` and given back by every read; what a caller
saves in this field is ignored. `Case.last_activity_at` only moves forward: the later of the stored and the saved one.

Every operation raises `InvalidInput` for a text argument that cannot be stored (`domain.values.check_storable`).
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.analytics import CaseAnalytics
from domain.case import Case
from domain.errors import InvalidInput
from domain.message import Message
from domain.status import CaseStatus
from domain.values import check_storable, search_text
from ports.paging import Page

MAX_QUERY_LENGTH = 500
MAX_QUERY_TERMS = 16


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases: every field that is not None has to match. A blank text is an error, never "all"."""

    user_id: str | None = None
    organization_id: str | None = None
    status: CaseStatus | None = None

    def __post_init__(self) -> None:
        """Refuse an id that is blank, or that no case can have."""
        for name in ("user_id", "organization_id"):
            value = getattr(self, name)
            if value is not None and not value.strip():
                raise InvalidInput(f"filter {name} is blank; leave it out to list the cases of everybody")
            check_storable(value or "")


ALL_CASES = CaseFilter()


def query_terms(query: str) -> tuple[str, ...]:
    """The distinct terms of a search, folded as `domain.values.search_text` does, in order of appearance.

    Raises:
        InvalidInput: the query is blank, longer than 500 characters or has more than 16 terms.
    """
    if len(query) > MAX_QUERY_LENGTH:
        raise InvalidInput(f"the search has {len(query)} characters; accepted: 1 to {MAX_QUERY_LENGTH}")
    terms = tuple(dict.fromkeys(search_text(query).split()))
    if not 1 <= len(terms) <= MAX_QUERY_TERMS:
        raise InvalidInput(f"the search has {len(terms)} words; accepted: 1 to {MAX_QUERY_TERMS}")
    return terms


class CaseRepository(Protocol):
    """Keeps cases. Thirteen methods; every argument and result is an immutable value."""

    async def save(self, case: Case) -> Case:
        """Insert the case (``version`` 0) or update it, all or nothing, and return it as stored with ``version`` + 1.

        What comes back equals what the next `get` returns. A new case has no messages.

        Raises:
            Conflict: the stored version is another one, or the case exists although ``version`` is 0, or it does not
                although ``version`` is above 0. Nothing has changed.
        """
        ...

    async def get(self, case_id: str) -> Case | None:
        """The case, or None if there is none."""
        ...

    async def list(self, filter: CaseFilter = ALL_CASES, *, limit: int = 50, offset: int = 0) -> Page[Case]:  # noqa: A002
        """Matching cases, ordered by (``last_activity_at`` descending, ``case_id``); ``total`` counts all matches.

        Raises:
            InvalidInput: see `ports.paging.check_page`.
        """
        ...

    async def delete(self, case_id: str) -> bool:
        """Remove the case and its messages. True if it existed. Its id and those of its messages are free again."""
        ...

    async def search(
        self,
        query: str,
        filter: CaseFilter = ALL_CASES,  # noqa: A002
        *,
        limit: int = 20,
        offset: int = 0,
    ) -> Page[Case]:
        """Cases in which every term of the query occurs, as a piece of text, in title, description or a message.

        Upper and lower case do not matter, and no character has a special meaning. Ordered by (number of terms in the
        title descending, ``last_activity_at`` descending, ``case_id``).

        Raises:
            InvalidInput: see `query_terms` and `ports.paging.check_page`.
        """
        ...

    async def add_message(self, message: Message) -> bool:
        """Append the message; False if its case does not exist. The case's count rises by 1 and its last activity moves
        to ``created_at`` or stays; its version does not change. A message whose id the case already has is not added
        again, which also is True and changes nothing, whatever else the message says.

        Raises:
            AlreadyExists: the message id belongs to another case.
        """
        ...

    async def get_messages(self, case_id: str, *, limit: int = 50, offset: int = 0) -> Page[Message]:
        """Messages in the order in which they were appended; an empty page for an unknown case.

        Raises:
            InvalidInput: see `ports.paging.check_page`.
        """
        ...

    async def update_activity_timestamp(self, case_id: str, at: datetime) -> bool:
        """Move the last activity forward to ``at`` (never back), without a new version. False if there is no case.

        ``at`` is an aware instant of any time zone; it is stored in UTC.
        """
        ...

    async def get_analytics(self, case_id: str) -> CaseAnalytics | None:
        """The figures of the case as `domain.analytics.analyse` defines them; None if there is no such case."""
        ...

    async def cleanup_expired(self, closed_before: datetime, *, batch_size: int = 100) -> tuple[str, ...]:
        """Delete closed (never resolved) cases that ended before the instant, at most ``batch_size``, the oldest first:
        in the order of (``closed_at``, ``case_id``). One that ended at the instant itself stays.

        Returns the ids of the deleted cases in that order, so that what belongs to them elsewhere can be deleted too.

        Raises:
            InvalidInput: ``batch_size`` is outside the limits of a page.
        """
        ...

    async def find_by_session(self, session_id: str, *, limit: int = 50, offset: int = 0) -> Page[Case]:
        """Cases that were opened in the session, ordered as `list` does.

        Raises:
            InvalidInput: the session id is blank, or see `ports.paging.check_page`.
        """
        ...

    def begin_transaction(self) -> AbstractAsyncContextManager[None]:
        """A transaction that every call of the same task on this repository joins: committed at the end of the block,
        rolled back by an exception, cancellation included. Reads inside see the own writes.

        A block inside a block joins the outer one: only the end of the outer block commits or rolls back. Other tasks,
        those started inside the block too, stand outside: they read what is committed, and a write to the same case
        waits for the end of the transaction and then meets its result. An error of a call (`Conflict`,
        `AlreadyExists`, `InvalidInput`) that is caught inside the block leaves the transaction usable.
        """
        ...

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[Case, ...]:
        """The next cases by ``case_id`` after the given one (which need not exist); an empty tuple at the end. A case
        that is there all the time is met exactly once, whatever is written meanwhile.

        Raises:
            InvalidInput: ``limit`` is outside the limits of a page.
        """
        ...
