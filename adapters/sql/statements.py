"""The statements that do not differ between the dialects, with named parameters.

An adapter compiles them once for its dialect and runs the text on its driver.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Delete,
    Select,
    Table,
    Update,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from adapters.sql.tables import case_messages, cases

# Some dialects write an OFFSET to every LIMIT; as text it needs no parameter.
_NONE: ColumnElement[int] = literal_column("0")

CASE_ROW = (
    cases.c.case_id,
    cases.c.version,
    cases.c.message_count,
    cases.c.last_activity_at,
    cases.c.document_sha256,
    cases.c.document,
)
"""What a case is made of again."""

MESSAGE_ROW = (case_messages.c.document_sha256, case_messages.c.document)


def columns_of(table: Table) -> list[str]:
    """The columns that an INSERT sets; the number of the row comes from the database."""
    return [column.name for column in table.c if column.name != "row_id"]


def stored(table: Table, key: ColumnElement[str]) -> Select[Any]:
    """Document and checksum of the row whose ``key`` is ``:key``."""
    return select(table.c.document_sha256, table.c.document).where(key == bindparam("key"))


def version_of(table: Table, key: ColumnElement[str]) -> Select[Any]:
    """The version of the row whose ``key`` is ``:key``."""
    return select(table.c.version).where(key == bindparam("key"))


def update_version(table: Table, key: ColumnElement[str]) -> Update:
    """Change the row whose ``key`` is ``:key`` if its version is ``:expected``. Compilation names the columns."""
    return update(table).where(key == bindparam("key"), table.c.version == bindparam("expected"))


def delete_one(table: Table, key: ColumnElement[str]) -> Delete:
    """Delete the row whose ``key`` is ``:key``."""
    return delete(table).where(key == bindparam("key"))


def delete_older(table: Table, key: Column[str]) -> Delete:
    """Delete the row whose ``key`` is the parameter of that name if its version is lower than ``:version``."""
    return delete(table).where(key == bindparam(key.name), table.c.version < bindparam("version"))


def scan(key: ColumnElement[str], *row: ColumnElement[Any]) -> Select[Any]:
    """The next ``:limit`` rows after the key ``:after``."""
    return select(*row).where(key > bindparam("after")).order_by(key).limit(bindparam("limit")).offset(_NONE)


# ---------------------------------------------------------------- cases


def _later(parameter: str) -> ColumnElement[Any]:
    given: BindParameter[Any] = bindparam(parameter)
    return case((cases.c.last_activity_at < given, given), else_=cases.c.last_activity_at)


def select_case() -> Select[Any]:
    """The case ``:key``."""
    return select(*CASE_ROW).where(cases.c.case_id == bindparam("key"))


def message_count() -> Select[Any]:
    """The number of messages of the case ``:key``."""
    return select(cases.c.message_count).where(cases.c.case_id == bindparam("key"))


def update_case() -> ReturningUpdate[Any]:
    """`update_version` for a case, whose last activity becomes ``:activity`` unless it is later already."""
    return (
        update_version(cases, cases.c.case_id)
        .values(last_activity_at=_later("activity"))
        .returning(cases.c.message_count, cases.c.last_activity_at)
    )


def touch_case(activity: str = "activity") -> Update:
    """Move the last activity of the case ``:case_id`` forward to the parameter ``activity``."""
    return update(cases).where(cases.c.case_id == bindparam("case_id")).values(last_activity_at=_later(activity))


def count_message() -> ReturningUpdate[Any]:
    """`touch_case` for one more message, written at ``:created_at``; gives the number of messages with it."""
    count = cases.c.message_count + literal_column("1")
    return touch_case("created_at").values(message_count=count).returning(cases.c.message_count)


def case_conditions(names: Collection[str]) -> list[ColumnElement[bool]]:
    """The columns ``names`` equal the parameters of the same names."""
    return [cases.c[name] == bindparam(name) for name in names]


def count_cases(names: Collection[str]) -> Select[Any]:
    """How many cases fulfil `case_conditions`."""
    return select(func.count()).select_from(cases).where(*case_conditions(names))


def page_of_cases(names: Collection[str]) -> Select[Any]:
    """Cases that fulfil `case_conditions`, the latest activity first."""
    return (
        select(*CASE_ROW)
        .where(*case_conditions(names))
        .order_by(cases.c.last_activity_at.desc(), cases.c.case_id)
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )


def is_expired() -> list[ColumnElement[bool]]:
    """The case has the status ``:status`` and ended before ``:before``."""
    return [cases.c.status == bindparam("status"), cases.c.closed_at < bindparam("before")]


def expired_cases() -> Select[Any]:
    """The ids of ``:limit`` cases with the status ``:status`` that ended before ``:before``, the oldest first."""
    return (
        select(cases.c.case_id)
        .where(*is_expired())
        .order_by(cases.c.closed_at, cases.c.case_id)
        .limit(bindparam("limit"))
        .offset(_NONE)
    )


def page_of_messages() -> Select[Any]:
    """Messages of the case ``:key`` in their order, after the first ``:offset``.

    The numbers of a case's messages begin at 1 and have no gap, so the last page is found as fast as the first.
    """
    return (
        select(*MESSAGE_ROW)
        .where(case_messages.c.case_id == bindparam("key"), case_messages.c.seq > bindparam("offset"))
        .order_by(case_messages.c.seq)
        .limit(bindparam("limit"))
        .offset(_NONE)
    )


def case_of_message() -> Select[Any]:
    """The case of the message ``:message_id``."""
    return select(case_messages.c.case_id).where(case_messages.c.message_id == bindparam("message_id"))


def miscounted_cases() -> Select[Any]:
    """Id, count and true number of messages of the cases whose count is wrong."""
    there = select(func.count()).where(case_messages.c.case_id == cases.c.case_id).scalar_subquery()
    return select(cases.c.case_id, cases.c.message_count, there).where(cases.c.message_count != there)


def describe_miscount(case_id: str, counted: int, there: int) -> str:
    """A row of `miscounted_cases` in words."""
    return f"cases, case_id {case_id!r}: counts {counted} messages, {there} are there"
