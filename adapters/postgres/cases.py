"""Cases in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, cast

import asyncpg
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from adapters.postgres.bulk import batches
from adapters.postgres.documents import as_jsonb, document_values, other_columns, to_jsonb
from adapters.postgres.errors import Taken
from adapters.postgres.integrity import check_rows
from adapters.postgres.messages import add_message, page_of_messages, why_not_added
from adapters.postgres.paging import compile_page, fetch_page, make_all
from adapters.postgres.putting import ADD_MESSAGES, LOCK_CASES, TOUCH_CASES, put
from adapters.postgres.search import count_found_cases, page_of_found_cases, search_parameters
from adapters.postgres.sql import Sql, compile_sql, fetch
from adapters.postgres.store import PostgresStore
from adapters.sql import statements
from adapters.sql.documents import decode
from adapters.sql.rows import ROW_FORMAT, case_columns, case_from_row, filter_columns, message_columns
from adapters.sql.tables import case_messages, cases
from domain.analytics import CaseAnalytics, analyse
from domain.case import Case
from domain.errors import InvalidInput
from domain.message import Message
from domain.status import CaseStatus
from domain.values import check_storable
from ports.cases import ALL_CASES, CaseFilter, CaseRepository, query_terms
from ports.errors import AlreadyExists, Conflict, NotFound, StorageCorrupt
from ports.paging import Page, check_page
from ports.transfer import CaseRows, SupportsCaseTransfer, SupportsFilling, TakesCaseRows, check_put

_INSERTED = other_columns(cases)
_UPDATED = [name for name in _INSERTED if name not in ("case_id", "last_activity_at", "message_count")]
_KEY = cases.c.case_id

_GET = compile_sql(statements.select_case())
_INSERT = compile_sql(
    insert(cases).values(document_values()).on_conflict_do_nothing(index_elements=[_KEY]).returning(_KEY), _INSERTED
)
_PUT = put(cases, "case_id", kept=["message_count"], latest=["last_activity_at"])
_UPDATE = compile_sql(statements.update_case().values(document_values()), _UPDATED)
_VERSION = compile_sql(statements.version_of(cases, _KEY))
_DELETE = compile_sql(statements.delete_one(cases, _KEY).returning(_KEY))
_TOUCH = compile_sql(statements.touch_case().returning(_KEY))
_SCAN = compile_sql(statements.scan(_KEY, *statements.CASE_ROW))
_ADD_MESSAGE = add_message()
_WHY_NOT_ADDED = why_not_added()
_MISCOUNTED = compile_sql(statements.miscounted_cases())

_ATTEMPTS = 5


def _delete_expired() -> Sql:
    expired = statements.expired_cases()
    # The conditions stand twice, so that a case which somebody else changes meanwhile is looked at again.
    deleted = (
        delete(cases)
        .where(_KEY.in_(expired), *statements.is_expired())
        .returning(_KEY, cases.c.closed_at)
        .cte("deleted")
    )
    return compile_sql(select(deleted.c.case_id).order_by(deleted.c.closed_at, deleted.c.case_id))


_DELETE_EXPIRED = _delete_expired()


@lru_cache(maxsize=32)
def _listing(names: tuple[str, ...]) -> Sql:
    return compile_page(
        statements.count_cases(names),
        statements.page_of_cases(names),
        statements.CASE_ROW,
        lambda page: (page.last_activity_at.desc(), page.case_id),
    )


@lru_cache(maxsize=128)
def _searching(names: tuple[str, ...], terms: int) -> Sql:
    return compile_page(
        count_found_cases(names, terms),
        page_of_found_cases(names, terms),
        statements.CASE_ROW,
        lambda page: (page.rank.desc(), page.last_activity_at.desc(), page.case_id),
    )


@dataclass(frozen=True, slots=True)
class _PreparedRows:
    cases: list[dict[str, str]]
    number: int
    messages: list[dict[str, str]]
    owners: list[tuple[str, str]]


class PostgresCaseRepository(PostgresStore, TakesCaseRows, SupportsFilling, SupportsCaseTransfer, CaseRepository):
    """`CaseRepository` on a `PostgresDatabase`, which several repositories may share."""

    row_format = ROW_FORMAT

    async def save(self, case: Case) -> Case:
        """Insert or update, in one statement."""
        expected = case.version
        saved = case.model_copy(update={"version": expected + 1, "message_count": 0})
        row = _row(saved)
        if expected == 0 and await self._database.write(_INSERT, row):
            return saved
        row |= {"key": case.case_id, "expected": expected, "activity": case.last_activity_at}
        if counted := await self._database.write(_UPDATE, row):
            message_count, last_activity_at = counted[0]
            changes = {"message_count": message_count, "last_activity_at": _in_utc(last_activity_at)}
            return saved.model_copy(update=changes)
        raise Conflict("case", case.case_id, expected, await self._version(case.case_id))

    async def put_many(self, cases: Sequence[Case]) -> None:
        """Insert or update in one transaction, many at a time."""
        check_put("case", ((case.case_id, case.version) for case in cases))
        # Making documents takes a while, during which others can go on.
        await self._put(await asyncio.to_thread(_put_batches, cases), len(cases))

    async def add_messages(self, messages: Sequence[Message]) -> None:
        """Append in one transaction, many at a time; each case's own row counts its messages."""
        parts = await asyncio.to_thread(_message_batches, messages)
        await self._append_all([(message.message_id, message.case_id) for message in messages], parts)

    async def prepare_rows(self, rows: CaseRows) -> _PreparedRows:
        """The rows as parameters of the statements."""
        return await asyncio.to_thread(_prepared, rows)

    async def put_rows(self, prepared: object) -> None:
        """Insert in one transaction, many at a time."""
        rows = cast("_PreparedRows", prepared)
        async with self._database.transaction():
            await self._put(rows.cases, rows.number)
            await self._append_all(rows.owners, rows.messages)

    def filling(self) -> AbstractAsyncContextManager[None]:
        """Without the indexes of the search, see `PostgresDatabase.filling`."""
        return self._database.filling()

    async def get(self, case_id: str) -> Case | None:
        """The case, or None."""
        check_storable(case_id)
        rows = await self._database.read(_GET, {"key": case_id})
        return _case(*rows[0]) if rows else None

    async def list(self, filter: CaseFilter = ALL_CASES, *, limit: int = 50, offset: int = 0) -> Page[Case]:  # noqa: A002
        """A page of the matching cases."""
        return await self._list(filter_columns(filter), limit, offset)

    async def delete(self, case_id: str) -> bool:
        """Remove the case; its messages go with it by their foreign key."""
        check_storable(case_id)
        return bool(await self._database.write(_DELETE, {"key": case_id}))

    async def search(
        self,
        query: str,
        filter: CaseFilter = ALL_CASES,  # noqa: A002
        *,
        limit: int = 20,
        offset: int = 0,
    ) -> Page[Case]:
        """Pieces of text are looked up in an index where the extension pg_trgm is there, else in all texts."""
        terms = query_terms(query)
        check_page(limit, offset)
        conditions = filter_columns(filter)
        parameters = {**conditions, **search_parameters(terms), "limit": limit, "offset": offset}
        return await fetch_page(self._database, _searching(tuple(conditions), len(terms)), parameters, _case)

    async def add_message(self, message: Message) -> bool:
        """Append with the next number of the case, which the case's own row counts: one statement."""
        row = _message_row(message)
        if await self._append(row):
            return True
        ((owner, case_exists),) = await self._database.read(_WHY_NOT_ADDED, row)
        if owner not in (None, message.case_id) and case_exists:
            raise AlreadyExists("message", "message_id")
        return bool(owner == message.case_id)

    async def get_messages(self, case_id: str, *, limit: int = 50, offset: int = 0) -> Page[Message]:
        """A page of the messages."""
        check_page(limit, offset)
        check_storable(case_id)
        parameters = {"key": case_id, "offset": offset}
        return await fetch_page(self._database, page_of_messages(limit), parameters, partial(decode, Message))

    async def update_activity_timestamp(self, case_id: str, at: datetime) -> bool:
        """Move the last activity forward."""
        check_storable(case_id)
        return bool(await self._database.write(_TOUCH, {"case_id": case_id, "activity": at}))

    async def get_analytics(self, case_id: str) -> CaseAnalytics | None:
        """The figures of the case."""
        check_storable(case_id)
        case = await self.get(case_id)
        return analyse(case) if case else None

    async def cleanup_expired(self, closed_before: datetime, *, batch_size: int = 100) -> tuple[str, ...]:
        """Delete closed cases that ended before the instant."""
        check_page(batch_size)
        parameters = {"status": CaseStatus.CLOSED.value, "before": closed_before, "limit": batch_size}
        return tuple(row[0] for row in await self._database.write(_DELETE_EXPIRED, parameters))

    async def find_by_session(self, session_id: str, *, limit: int = 50, offset: int = 0) -> Page[Case]:
        """Cases that were opened in the session."""
        check_storable(session_id)
        if not session_id.strip():
            raise InvalidInput("the session id is blank")
        return await self._list({"opened_in_session": session_id}, limit, offset)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[Case, ...]:
        """The next cases by id."""
        check_page(limit)
        check_storable(after or "")
        return await make_all(await self._database.read(_SCAN, {"after": after or "", "limit": limit}), _case)

    async def check_health(self) -> None:
        """See `PostgresDatabase.check_health`."""
        await self._database.check_health()

    async def check_integrity(self) -> Sequence[str]:
        """Examine every case, every message and the number of messages of each case."""
        problems = await check_rows(self._database, _KEY, _case, *statements.CASE_ROW)
        problems += await check_rows(
            self._database, case_messages.c.message_id, partial(decode, Message), *statements.MESSAGE_ROW
        )
        try:
            miscounted = await self._database.read(_MISCOUNTED)
        except StorageCorrupt as error:
            return [*problems, str(error)]
        return problems + [statements.describe_miscount(*row) for row in miscounted]

    async def _list(self, conditions: dict[str, str], limit: int, offset: int) -> Page[Case]:
        check_page(limit, offset)
        parameters = {**conditions, "limit": limit, "offset": offset}
        return await fetch_page(self._database, _listing(tuple(conditions)), parameters, _case)

    async def _put(self, parts: Sequence[dict[str, str]], number: int) -> None:
        async with self._database.atomic() as connection:
            written = 0
            for part in parts:
                written += len(await fetch(connection, _PUT, part))
            if written < number:
                for part in parts:
                    await fetch(connection, TOUCH_CASES, part)

    async def _append_all(self, owners: Sequence[tuple[str, str]], parts: Sequence[dict[str, str]]) -> None:
        """Append the messages of ``parts``, whose ids and cases are ``owners``."""
        for attempt in range(_ATTEMPTS):
            try:
                await self._append_once(owners, parts)
            except Taken:
                # The same id came in at the same moment; now it can be seen whose it is.
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    async def _append_once(self, owners: Sequence[tuple[str, str]], parts: Sequence[dict[str, str]]) -> None:
        async with self._database.atomic() as connection:
            case_ids = list({case_id for _, case_id in owners})
            locked = {row[0] for row in await fetch(connection, LOCK_CASES, {"ids": case_ids})}
            known: dict[str, str] = {}
            for message_id, case_id in owners:
                if case_id not in locked:
                    raise NotFound("case", case_id)
                if known.setdefault(message_id, case_id) != case_id:
                    raise AlreadyExists("message", "message_id")
            for part in parts:
                ((elsewhere,),) = await fetch(connection, ADD_MESSAGES, part)
                if elsewhere:
                    raise AlreadyExists("message", "message_id")

    async def _append(self, row: dict[str, Any]) -> Sequence[asyncpg.Record]:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._database.write(_ADD_MESSAGE, row, savepoint=True)
            except Taken:
                # The same id came in at the same moment; now it can be seen whose it is.
                continue
        return await self._database.write(_ADD_MESSAGE, row, savepoint=True)

    async def _version(self, case_id: str) -> int | None:
        rows = await self._database.read(_VERSION, {"key": case_id})
        return rows[0][0] if rows else None


def _put_batches(cases: Sequence[Case]) -> list[dict[str, str]]:
    return batches(_row(case.model_copy(update={"message_count": 0})) for case in cases)


def _message_batches(messages: Sequence[Message]) -> list[dict[str, str]]:
    # The first message of an id counts.
    first = {message.message_id: message for message in reversed(messages)}
    return batches(_message_row(message) for message in reversed(first.values()))


def _prepared(rows: CaseRows) -> _PreparedRows:
    return _PreparedRows(
        cases=batches({**row, "message_count": 0, "json": as_jsonb(row["json"])} for row in rows.cases),
        number=len(rows.cases),
        messages=batches({**row, "json": as_jsonb(row["json"])} for row in rows.messages),
        owners=[(row["message_id"], row["case_id"]) for row in rows.messages],
    )


def _row(case: Case) -> dict[str, Any]:
    return {**case_columns(case), "json": to_jsonb(case)}


def _message_row(message: Message) -> dict[str, Any]:
    return {**message_columns(message), "json": to_jsonb(message)}


def _case(
    case_id: str, version: int, message_count: int, last_activity_at: datetime, digest: bytes, document: str
) -> Case:
    return case_from_row(case_id, version, message_count, _in_utc(last_activity_at), digest, document)


def _in_utc(instant: datetime) -> datetime:
    # The driver writes the first and the last instant of the calendar as infinities, and reads those without a zone.
    return instant.replace(tzinfo=UTC)
