"""Cases and messages in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from operator import attrgetter

from adapters.memory.case_tables import (
    CaseRow,
    CaseRows,
    CaseTables,
    MessageLine,
    case_rows,
    fresh_lines,
    message_lines,
)
from adapters.memory.checkpoints import InMemoryCheckpoints
from adapters.memory.transactions import Transactions
from domain.analytics import CaseAnalytics, analyse
from domain.case import Case
from domain.errors import InvalidInput
from domain.message import Message
from domain.status import CaseStatus
from domain.values import check_storable, search_text
from ports.cases import ALL_CASES, CaseFilter, CaseRepository, query_terms
from ports.errors import AlreadyExists, Conflict
from ports.paging import Page, check_page
from ports.transfer import SupportsCaseTransfer, check_put

_LATEST = datetime.max.replace(tzinfo=UTC)
_OTHERS = tuple(field.name for field in fields(CaseFilter) if field.name != "user_id")
_MANY_TIMES = 8
"""So many times as many cases as are wanted are not sorted to find these."""


class InMemoryCaseRepository(InMemoryCheckpoints, SupportsCaseTransfer, CaseRepository):
    """Hands out the very objects that were saved: they are immutable."""

    def __init__(self) -> None:
        super().__init__()
        self._transactions = Transactions(CaseTables(CaseRows(), {}, {}, {}))

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
        rows = await asyncio.to_thread(case_rows, cases)
        tables = await self._transactions.writable()
        for row in rows:
            tables.put_row(row)

    async def add_messages(self, messages: Sequence[Message]) -> None:
        """See `ports.transfer.SupportsCaseTransfer`."""
        lines = await asyncio.to_thread(message_lines, messages)
        tables = await self._transactions.writable()
        fresh = fresh_lines(lines, tables)
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
        tables.append(row, [MessageLine(message, search_text(message.content))])
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


def _selected(tables: CaseTables, wanted: CaseFilter) -> Collection[CaseRow]:
    rows = tables.cases.values() if wanted.user_id is None else tables.of_user(wanted.user_id)
    given = {name: value for name in _OTHERS if (value := getattr(wanted, name)) is not None}
    if not given:
        return rows
    of, values = attrgetter(*given), tuple(given.values())
    same = values if len(values) > 1 else values[0]
    return [row for row in rows if of(row.case) == same]


def _has_all(terms: Sequence[str], row: CaseRow, tables: CaseTables) -> bool:
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
