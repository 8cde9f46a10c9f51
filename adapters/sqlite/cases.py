"""Cases in SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from itertools import starmap
from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects.sqlite import Insert, insert

from adapters.sql import statements
from adapters.sql.documents import decode, encode
from adapters.sql.rows import ROW_FORMAT, case_columns, case_from_row, filter_columns
from adapters.sql.tables import case_messages, cases
from adapters.sql.types import from_micros, to_micros
from adapters.sqlite.case_rows import read_rows
from adapters.sqlite.database import atomic, snapshot
from adapters.sqlite.integrity import check_file, check_rows
from adapters.sqlite.messages import add_message, add_messages, get_messages, message_rows
from adapters.sqlite.search import count_found_cases, page_of_found_cases, search_parameters
from adapters.sqlite.sql import compile_sql
from adapters.sqlite.store import SqliteStore
from domain.analytics import CaseAnalytics, analyse
from domain.case import Case
from domain.errors import InvalidInput
from domain.message import Message
from domain.status import CaseStatus
from domain.values import check_storable
from ports.cases import ALL_CASES, CaseFilter, CaseRepository, query_terms
from ports.errors import Conflict, StorageCorrupt
from ports.paging import Page, check_page
from ports.transfer import CaseRows, GivesCaseRows, SupportsCaseTransfer, check_put

_CASE_COLUMNS = statements.columns_of(cases)
_UPDATED_COLUMNS = [name for name in _CASE_COLUMNS if name not in ("case_id", "last_activity_at", "message_count")]
_KEY = cases.c.case_id


def _put() -> Insert:
    """Insert a case as it is, or update it if the stored version is lower; its count of messages stays."""
    put = insert(cases)
    changes: dict[str, ColumnElement[Any]] = {name: put.excluded[name] for name in _UPDATED_COLUMNS}
    changes["last_activity_at"] = func.max(cases.c.last_activity_at, put.excluded.last_activity_at)
    return put.on_conflict_do_update(index_elements=[_KEY], set_=changes, where=put.excluded.version > cases.c.version)


_GET = compile_sql(statements.select_case())
_INSERT = compile_sql(insert(cases).on_conflict_do_nothing(index_elements=[_KEY]), _CASE_COLUMNS)
_PUT = compile_sql(_put(), _CASE_COLUMNS)
_UPDATE = compile_sql(statements.update_case(), _UPDATED_COLUMNS)
_VERSION = compile_sql(statements.version_of(cases, _KEY))
_DELETE = compile_sql(statements.delete_one(cases, _KEY))
_TOUCH = compile_sql(statements.touch_case())
_SCAN = compile_sql(statements.scan(_KEY, *statements.CASE_ROW))
_EXPIRED = compile_sql(statements.expired_cases())

_MISCOUNTED = compile_sql(statements.miscounted_cases())


@lru_cache(maxsize=32)
def _listing(names: tuple[str, ...]) -> tuple[str, str]:
    return compile_sql(statements.count_cases(names)), compile_sql(statements.page_of_cases(names))


@lru_cache(maxsize=256)
def _searching(names: tuple[str, ...], short: tuple[bool, ...]) -> tuple[str, str]:
    return compile_sql(count_found_cases(names, short)), compile_sql(page_of_found_cases(names, short))


class SqliteCaseRepository(SqliteStore, GivesCaseRows, SupportsCaseTransfer, CaseRepository):
    """`CaseRepository` on a `SqliteDatabase`, which several repositories may share."""

    row_format = ROW_FORMAT

    async def save(self, case: Case) -> Case:
        """Insert or update, in one statement."""
        return await self._database.write(_save, case)

    async def put_many(self, cases: Sequence[Case]) -> None:
        """Insert or update in one transaction."""
        check_put("case", ((case.case_id, case.version) for case in cases))
        # Making documents takes a while, during which other writers can go on.
        rows = await asyncio.to_thread(_put_rows, cases)
        await self._database.write(_put_many, rows)

    async def add_messages(self, messages: Sequence[Message]) -> None:
        """Append in one transaction; each case's own row counts its messages."""
        rows = await asyncio.to_thread(message_rows, messages)
        await self._database.write(add_messages, rows)

    async def read_rows(self, after: tuple[str, int] | None, limit: int) -> CaseRows | None:
        """The next rows of one moment."""
        return await self._database.read(read_rows, after, limit)

    async def get(self, case_id: str) -> Case | None:
        """The case, or None."""
        check_storable(case_id)
        return await self._database.read_few(_get, case_id)

    async def list(self, filter: CaseFilter = ALL_CASES, *, limit: int = 50, offset: int = 0) -> Page[Case]:  # noqa: A002
        """A page of the matching cases."""
        check_page(limit, offset)
        conditions = filter_columns(filter)
        return await self._database.read(_page, *_listing(tuple(conditions)), conditions, limit, offset)

    async def delete(self, case_id: str) -> bool:
        """Remove the case; its messages go with it by their foreign key."""
        check_storable(case_id)
        return await self._database.write(_delete, case_id)

    async def search(
        self,
        query: str,
        filter: CaseFilter = ALL_CASES,  # noqa: A002
        *,
        limit: int = 20,
        offset: int = 0,
    ) -> Page[Case]:
        """Pieces of three characters and more are looked up in an index, shorter ones in the texts."""
        terms = query_terms(query)
        check_page(limit, offset)
        conditions = filter_columns(filter)
        short, parameters = search_parameters(terms)
        sql = _searching(tuple(conditions), short)
        return await self._database.read(_page, *sql, {**conditions, **parameters}, limit, offset)

    async def add_message(self, message: Message) -> bool:
        """Append with the next number of the case, which the case's own row counts."""
        return await self._database.write(add_message, message)

    async def get_messages(self, case_id: str, *, limit: int = 50, offset: int = 0) -> Page[Message]:
        """A page of the messages."""
        check_page(limit, offset)
        check_storable(case_id)
        return await self._database.read(get_messages, case_id, limit, offset)

    async def update_activity_timestamp(self, case_id: str, at: datetime) -> bool:
        """Move the last activity forward."""
        check_storable(case_id)
        return await self._database.write(_touch, case_id, at)

    async def get_analytics(self, case_id: str) -> CaseAnalytics | None:
        """The figures of the case."""
        check_storable(case_id)
        return await self._database.read(_analyse, case_id)

    async def cleanup_expired(self, closed_before: datetime, *, batch_size: int = 100) -> tuple[str, ...]:
        """Delete closed cases that ended before the instant."""
        check_page(batch_size)
        return await self._database.write(_cleanup, closed_before, batch_size)

    async def find_by_session(self, session_id: str, *, limit: int = 50, offset: int = 0) -> Page[Case]:
        """Cases that were opened in the session."""
        check_storable(session_id)
        if not session_id.strip():
            raise InvalidInput("the session id is blank")
        check_page(limit, offset)
        conditions = {"opened_in_session": session_id}
        return await self._database.read(_page, *_listing(tuple(conditions)), conditions, limit, offset)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[Case, ...]:
        """The next cases by id."""
        check_page(limit)
        check_storable(after or "")
        return await self._database.read(_scan, after or "", limit)

    async def check_health(self) -> None:
        """See `SqliteDatabase.check_health`."""
        await self._database.check_health()

    async def check_integrity(self) -> Sequence[str]:
        """Examine the file, every case, every message and the number of messages of each case."""
        problems = await check_file(self._database)
        problems += await check_rows(self._database, _KEY, _case, *statements.CASE_ROW)
        problems += await check_rows(
            self._database, case_messages.c.message_id, partial(decode, Message), *statements.MESSAGE_ROW
        )
        try:
            return problems + await self._database.read(_find_miscounted)
        except StorageCorrupt as error:
            return [*problems, str(error)]


# ---------------------------------------------------------------- on the thread of a connection


def _case(case_id: str, version: int, message_count: int, last_activity: int, digest: bytes, document: str) -> Case:
    return case_from_row(case_id, version, message_count, from_micros(last_activity), digest, document)


def _row(case: Case) -> dict[str, Any]:
    document, digest = encode(case)
    return {**case_columns(case, to_micros), "document_sha256": digest, "document": document}


def _save(connection: sqlite3.Connection, case: Case) -> Case:
    expected = case.version
    saved = case.model_copy(update={"version": expected + 1, "message_count": 0})
    row = _row(saved)
    if expected == 0 and connection.execute(_INSERT, row).rowcount == 1:
        return saved
    row |= {"key": case.case_id, "expected": expected, "activity": row["last_activity_at"]}
    counted = connection.execute(_UPDATE, row).fetchone()
    if counted:
        message_count, last_activity = counted
        return saved.model_copy(update={"message_count": message_count, "last_activity_at": from_micros(last_activity)})
    stored = connection.execute(_VERSION, {"key": case.case_id}).fetchone()
    raise Conflict("case", case.case_id, expected, stored[0] if stored else None)


def _put_rows(cases: Sequence[Case]) -> list[dict[str, Any]]:
    return [_row(case.model_copy(update={"message_count": 0})) for case in cases]


def _put_many(connection: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> None:
    with atomic(connection):
        if connection.executemany(_PUT, rows).rowcount < len(rows):
            touched = [{"case_id": row["case_id"], "activity": row["last_activity_at"]} for row in rows]
            connection.executemany(_TOUCH, touched)


def _get(connection: sqlite3.Connection, case_id: str) -> Case | None:
    row = connection.execute(_GET, {"key": case_id}).fetchone()
    return _case(*row) if row else None


def _page(
    connection: sqlite3.Connection, count: str, page: str, parameters: Mapping[str, Any], limit: int, offset: int
) -> Page[Case]:
    with snapshot(connection):
        (total,) = connection.execute(count, parameters).fetchone()
        rows = connection.execute(page, {**parameters, "limit": limit, "offset": offset}).fetchall()
    return Page(tuple(starmap(_case, rows)), total)


def _delete(connection: sqlite3.Connection, case_id: str) -> bool:
    return connection.execute(_DELETE, {"key": case_id}).rowcount == 1


def _touch(connection: sqlite3.Connection, case_id: str, at: datetime) -> bool:
    return connection.execute(_TOUCH, {"case_id": case_id, "activity": to_micros(at)}).rowcount == 1


def _analyse(connection: sqlite3.Connection, case_id: str) -> CaseAnalytics | None:
    case = _get(connection, case_id)
    return analyse(case) if case else None


def _cleanup(connection: sqlite3.Connection, closed_before: datetime, limit: int) -> tuple[str, ...]:
    values = {"status": CaseStatus.CLOSED.value, "before": to_micros(closed_before), "limit": limit}
    with atomic(connection):
        expired = tuple(case_id for (case_id,) in connection.execute(_EXPIRED, values))
        connection.executemany(_DELETE, [{"key": case_id} for case_id in expired])
    return expired


def _scan(connection: sqlite3.Connection, after: str, limit: int) -> tuple[Case, ...]:
    return tuple(starmap(_case, connection.execute(_SCAN, {"after": after, "limit": limit}).fetchall()))


def _find_miscounted(connection: sqlite3.Connection) -> list[str]:
    return list(starmap(statements.describe_miscount, connection.execute(_MISCOUNTED)))
