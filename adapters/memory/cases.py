"""Cases and messages in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from operator import attrgetter
from typing import Any, cast

from adapters.memory.checkpoints import InMemoryCheckpoints
from adapters.memory.transactions import Layer, Transactions
from domain.analytics import CaseAnalytics, analyse
from domain.case import Case
from domain.errors import InvalidInput
from domain.message import Message
from domain.status import CaseStatus
from domain.values import check_storable, search_text
from ports.cases import ALL_CASES, CaseFilter, CaseRepository, query_terms
from ports.errors import AlreadyExists, Conflict, NotFound
from ports.paging import Page, check_page
from ports.transfer import SupportsCaseTransfer, check_put

_LATEST = datetime.max.replace(tzinfo=UTC)
_OTHERS = tuple(field.name for field in fields(CaseFilter) if field.name != "user_id")
_MANY_TIMES = 8
"""So many times as many cases as are wanted are not sorted to find these."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A case with what a search looks at."""

    case: Case
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class _Line:
    """A message with what a search looks at."""

    message: Message
    content: str


class _Cases(dict[str, _Row]):
    """The rows of all cases, with those of each user and of each session at hand."""

    def __init__(self) -> None:
        super().__init__()
        self._of_user: dict[str, dict[str, _Row]] = {}
        self._of_session: dict[str, dict[str, _Row]] = {}

    def __setitem__(self, case_id: str, row: _Row) -> None:
        """Keep the row."""
        known = self.get(case_id)
        if known and _place(known.case) != _place(row.case):
            self._forget(known.case)
        super().__setitem__(case_id, row)
        self._of_user.setdefault(row.case.user_id, {})[case_id] = row
        if row.case.opened_in_session is not None:
            self._of_session.setdefault(row.case.opened_in_session, {})[case_id] = row

    def pop(self, case_id: str, default: Any = None) -> Any:
        """Remove a row."""
        if case_id in self:
            self._forget(self[case_id].case)
        return super().pop(case_id, default)

    def of_user(self, user_id: str) -> Collection[_Row]:
        """The rows of a user's cases."""
        return self._of_user.get(user_id, {}).values()

    def of_session(self, session_id: str) -> Collection[_Row]:
        """The rows of the cases that were opened in a session."""
        return self._of_session.get(session_id, {}).values()

    def _forget(self, case: Case) -> None:
        for group, key in zip((self._of_user, self._of_session), _place(case), strict=True):
            if key is not None:
                del group[key][case.case_id]
                if not group[key]:
                    del group[key]


def _place(case: Case) -> tuple[str, str | None]:
    """What the lists of `_Cases` go by."""
    return case.user_id, case.opened_in_session


@dataclass(frozen=True, slots=True)
class _Tables:
    """Messages stand under (case id, position), so an append touches nothing but itself and the row of the case."""

    cases: MutableMapping[str, _Row]
    messages: MutableMapping[tuple[str, int], _Line]
    case_of_message: MutableMapping[str, str]
    checkpoints: MutableMapping[str, str]

    def layered(self) -> _Tables:
        return _Tables(Layer(self.cases), Layer(self.messages), Layer(self.case_of_message), Layer(self.checkpoints))

    def apply(self) -> None:
        for layer in (self.cases, self.messages, self.case_of_message, self.checkpoints):
            cast("Layer[object, object]", layer).apply()

    def of_user(self, user_id: str) -> Collection[_Row]:
        """The rows of a user's cases; a transaction looks for them among all."""
        if isinstance(self.cases, _Cases):
            return self.cases.of_user(user_id)
        return [row for row in self.cases.values() if row.case.user_id == user_id]

    def of_session(self, session_id: str) -> Collection[_Row]:
        """The same for a session."""
        if isinstance(self.cases, _Cases):
            return self.cases.of_session(session_id)
        return [row for row in self.cases.values() if row.case.opened_in_session == session_id]

    def lines(self, case: Case, positions: Iterable[int] | None = None) -> Iterator[_Line]:
        places = range(case.message_count) if positions is None else positions
        return (self.messages[case.case_id, position] for position in places)

    def put(self, case: Case) -> Case:
        """Keep a case whose text may have changed."""
        known = self.cases.get(case.case_id)
        if known and known.case.title == case.title and known.case.description == case.description:
            self.cases[case.case_id] = _Row(case, known.title, known.description)
        else:
            self.cases[case.case_id] = _Row(case, search_text(case.title), search_text(case.description))
        return case

    def put_row(self, row: _Row) -> None:
        """Keep a case as it is, unless the same or a higher version is there."""
        case = row.case
        known = self.cases.get(case.case_id)
        if known is None:
            self.cases[case.case_id] = _Row(case.model_copy(update={"message_count": 0}), row.title, row.description)
            return
        activity = max(known.case.last_activity_at, case.last_activity_at)
        if case.version > known.case.version:
            changes = {"message_count": known.case.message_count, "last_activity_at": activity}
            self.cases[case.case_id] = _Row(case.model_copy(update=changes), row.title, row.description)
        elif activity > known.case.last_activity_at:
            self.put(known.case.model_copy(update={"last_activity_at": activity}))

    def append(self, row: _Row, lines: Sequence[_Line]) -> None:
        """Append messages that no case has."""
        case = row.case
        self.messages.update(
            {(case.case_id, position): line for position, line in enumerate(lines, start=case.message_count)}
        )
        self.case_of_message.update(dict.fromkeys((line.message.message_id for line in lines), case.case_id))
        latest = max(line.message.created_at for line in lines)
        self.put(
            case.model_copy(
                update={
                    "message_count": case.message_count + len(lines),
                    "last_activity_at": max(case.last_activity_at, latest),
                }
            )
        )

    def remove(self, case_id: str) -> bool:
        row = self.cases.pop(case_id, None)
        if row is None:
            return False
        for position in range(row.case.message_count):
            line = self.messages.pop((case_id, position))
            del self.case_of_message[line.message.message_id]
        return True


class InMemoryCaseRepository(InMemoryCheckpoints, SupportsCaseTransfer, CaseRepository):
    """Hands out the very objects that were saved: they are immutable."""

    def __init__(self) -> None:
        super().__init__()
        self._transactions = Transactions(_Tables(_Cases(), {}, {}, {}))

    async def save(self, case: Case) -> Case:
        """See `CaseRepository`."""
        tables = await self._transactions.writable()
        row = tables.cases.get(case.case_id)
        actual = row.case.version if row else None
        if case.version != (actual or 0):
            raise Conflict("case", case.case_id, case.version, actual)
        return tables.put(
            case.model_copy(
                update={
                    "version": case.version + 1,
                    "message_count": row.case.message_count if row else 0,
                    "last_activity_at": max(row.case.last_activity_at, case.last_activity_at)
                    if row
                    else case.last_activity_at,
                }
            )
        )

    async def put_many(self, cases: Sequence[Case]) -> None:
        """See `ports.transfer.SupportsCaseTransfer`."""
        check_put("case", ((case.case_id, case.version) for case in cases))
        # Folding the texts takes a while, during which others can go on.
        rows = await asyncio.to_thread(_rows, cases)
        tables = await self._transactions.writable()
        for row in rows:
            tables.put_row(row)

    async def add_messages(self, messages: Sequence[Message]) -> None:
        """See `ports.transfer.SupportsCaseTransfer`."""
        lines = await asyncio.to_thread(_lines, messages)
        tables = await self._transactions.writable()
        fresh = _fresh_lines(lines, tables)
        for case_id, more in fresh.items():
            tables.append(tables.cases[case_id], more)

    async def get(self, case_id: str) -> Case | None:
        """See `CaseRepository`."""
        check_storable(case_id)
        row = self._transactions.view().cases.get(case_id)
        return row.case if row else None

    async def list(self, filter: CaseFilter = ALL_CASES, *, limit: int = 50, offset: int = 0) -> Page[Case]:  # noqa: A002
        """See `CaseRepository`."""
        check_page(limit, offset)
        return _page([row.case for row in _selected(self._transactions.view(), filter)], limit, offset)

    async def delete(self, case_id: str) -> bool:
        """See `CaseRepository`."""
        check_storable(case_id)
        return (await self._transactions.writable()).remove(case_id)

    async def search(
        self,
        query: str,
        filter: CaseFilter = ALL_CASES,  # noqa: A002
        *,
        limit: int = 20,
        offset: int = 0,
    ) -> Page[Case]:
        """See `CaseRepository`."""
        check_page(limit, offset)
        terms = query_terms(query)
        tables = self._transactions.view()
        found = [
            (-sum(term in row.title for term in terms), *_recency(row.case), row.case)
            for row in _selected(tables, filter)
            if _has_all(terms, row, tables)
        ]
        first = nsmallest(offset + limit, found)
        return Page(tuple(case for *_, case in first[offset:]), len(found))

    async def add_message(self, message: Message) -> bool:
        """See `CaseRepository`."""
        tables = await self._transactions.writable()
        row = tables.cases.get(message.case_id)
        if row is None:
            return False
        owner = tables.case_of_message.get(message.message_id)
        if owner is not None:
            if owner != message.case_id:
                raise AlreadyExists("message", "message_id")
            return True
        tables.append(row, [_Line(message, search_text(message.content))])
        return True

    async def get_messages(self, case_id: str, *, limit: int = 50, offset: int = 0) -> Page[Message]:
        """See `CaseRepository`."""
        check_page(limit, offset)
        check_storable(case_id)
        tables = self._transactions.view()
        row = tables.cases.get(case_id)
        if row is None:
            return Page((), 0)
        positions = range(row.case.message_count)[offset : offset + limit]
        return Page(tuple(line.message for line in tables.lines(row.case, positions)), row.case.message_count)

    async def update_activity_timestamp(self, case_id: str, at: datetime) -> bool:
        """See `CaseRepository`."""
        check_storable(case_id)
        tables = await self._transactions.writable()
        row = tables.cases.get(case_id)
        if row is None:
            return False
        if at > row.case.last_activity_at:
            tables.put(row.case.model_copy(update={"last_activity_at": at.astimezone(UTC)}))
        return True

    async def get_analytics(self, case_id: str) -> CaseAnalytics | None:
        """See `CaseRepository`."""
        case = await self.get(case_id)
        return analyse(case) if case else None

    async def cleanup_expired(self, closed_before: datetime, *, batch_size: int = 100) -> tuple[str, ...]:
        """See `CaseRepository`."""
        check_page(batch_size)
        tables = await self._transactions.writable()
        expired = nsmallest(
            batch_size,
            (
                (row.case.closed_at, row.case.case_id)
                for row in tables.cases.values()
                if row.case.status is CaseStatus.CLOSED and row.case.closed_at and row.case.closed_at < closed_before
            ),
        )
        for _, case_id in expired:
            tables.remove(case_id)
        return tuple(case_id for _, case_id in expired)

    async def find_by_session(self, session_id: str, *, limit: int = 50, offset: int = 0) -> Page[Case]:
        """See `CaseRepository`."""
        check_page(limit, offset)
        check_storable(session_id)
        if not session_id.strip():
            raise InvalidInput("the session id is blank")
        rows = self._transactions.view().of_session(session_id)
        return _page([row.case for row in rows], limit, offset)

    def begin_transaction(self) -> AbstractAsyncContextManager[None]:
        """See `CaseRepository`."""
        return self._transactions.begin()

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[Case, ...]:
        """See `CaseRepository`."""
        check_page(limit)
        check_storable(after or "")
        cases = self._transactions.view().cases
        ids = nsmallest(limit, (case_id for case_id in cases if after is None or case_id > after))
        return tuple(cases[case_id].case for case_id in ids)

    async def check_health(self) -> None:
        """See `ports.capabilities.SupportsHealth`."""
        self._transactions.view()

    async def aclose(self) -> None:
        """See `ports.capabilities.Closeable`."""
        self._transactions.close()

    def _check_open(self) -> None:
        self._transactions.view()

    def _checkpoints_to_read(self) -> Mapping[str, str]:
        return self._transactions.view().checkpoints

    async def _checkpoints_to_write(self) -> MutableMapping[str, str]:
        return (await self._transactions.writable()).checkpoints


def _rows(cases: Sequence[Case]) -> list[_Row]:
    return [_Row(case, search_text(case.title), search_text(case.description)) for case in cases]


def _lines(messages: Sequence[Message]) -> list[_Line]:
    return [_Line(message, search_text(message.content)) for message in messages]


def _fresh_lines(lines: Sequence[_Line], tables: _Tables) -> dict[str, list[_Line]]:
    """The messages that are not there yet, by case.

    Raises:
        NotFound: a case does not exist.
        AlreadyExists: a message belongs to another case.
    """
    for case_id in dict.fromkeys(line.message.case_id for line in lines):
        if case_id not in tables.cases:
            raise NotFound("case", case_id)
    fresh: dict[str, list[_Line]] = {}
    owners: dict[str, str] = {}
    stored = tables.case_of_message
    for line in lines:
        case_id, message_id = line.message.case_id, line.message.message_id
        owner = stored[message_id] if message_id in stored else owners.get(message_id)
        if owner is None:
            owners[message_id] = case_id
            fresh.setdefault(case_id, []).append(line)
        elif owner != case_id:
            raise AlreadyExists("message", "message_id")
    return fresh


def _selected(tables: _Tables, wanted: CaseFilter) -> Collection[_Row]:
    rows = tables.cases.values() if wanted.user_id is None else tables.of_user(wanted.user_id)
    given = {name: value for name in _OTHERS if (value := getattr(wanted, name)) is not None}
    if not given:
        return rows
    of, values = attrgetter(*given), tuple(given.values())
    same = values if len(values) > 1 else values[0]
    return [row for row in rows if of(row.case) == same]


def _has_all(terms: Sequence[str], row: _Row, tables: _Tables) -> bool:
    missing = [term for term in terms if term not in row.title and term not in row.description]
    if not missing:
        return True
    for line in tables.lines(row.case):
        missing = [term for term in missing if term not in line.content]
        if not missing:
            return True
    return False


def _recency(case: Case) -> tuple[timedelta, str]:
    """Sorts the latest activity first."""
    return _LATEST - case.last_activity_at, case.case_id


def _page(cases: list[Case], limit: int, offset: int) -> Page[Case]:
    total, wanted = len(cases), offset + limit
    if total < _MANY_TIMES * wanted:
        # Sorting by one attribute and then by the other is quicker than by pairs.
        cases.sort(key=attrgetter("case_id"))
        cases.sort(key=attrgetter("last_activity_at"), reverse=True)
    else:
        cases = nsmallest(wanted, cases, key=_recency)
    return Page(tuple(cases[offset:wanted]), total)
