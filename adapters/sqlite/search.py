"""The search for pieces of text in cases and messages.

The index knows every run of three characters, so a term of three or more is found by it as it stands: each term is
given to it in quotes, in which nothing has a special meaning. Shorter terms are looked for in the folded texts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    TableClause,
    bindparam,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
    table,
    type_coerce,
)

from adapters.sql.statements import CASE_ROW, case_conditions
from adapters.sql.tables import case_messages, cases

_SHORTEST_INDEXED = 3

_ZERO: ColumnElement[int] = literal_column("0")
_CASES_FTS = table("cases_fts", column("rowid"))
_MESSAGES_FTS = table("case_messages_fts", column("rowid"))


def search_parameters(terms: Sequence[str]) -> tuple[tuple[bool, ...], dict[str, str]]:
    """For each term whether it is too short for the index, and the parameters of the statements."""
    parameters = {f"term_{index}": term for index, term in enumerate(terms)}
    parameters |= {f"match_{index}": quoted(term) for index, term in enumerate(terms) if len(term) >= _SHORTEST_INDEXED}
    return tuple(len(term) < _SHORTEST_INDEXED for term in terms), parameters


def quoted(term: str) -> str:
    """The term as a string of the full-text query language."""
    return '"' + term.replace('"', '""') + '"'


def matches(index: TableClause, parameter: str) -> ColumnElement[bool]:
    """The rows of the index that fulfil the query ``:parameter``."""
    return literal_column(index.name).op("MATCH", is_comparison=True)(bindparam(parameter))


def count_found_cases(names: Collection[str], short: Sequence[bool]) -> Select[Any]:
    """How many cases fulfil the conditions and hold every term."""
    return select(func.count()).select_from(cases).where(*case_conditions(names), *_holds_all(short))


def page_of_found_cases(names: Collection[str], short: Sequence[bool]) -> Select[Any]:
    """The cases of `count_found_cases`, those with the most terms in the title first."""
    in_title = [type_coerce(_occurs(cases.c.title_text, f"term_{i}"), Integer) for i in range(len(short))]
    rank = reduce(add, in_title)
    # The documents are fetched for the page alone, not carried through the sorting of all that was found.
    found = (
        select(cases.c.row_id, rank.label("rank"))
        .where(*case_conditions(names), *_holds_all(short))
        .order_by(rank.desc(), cases.c.last_activity_at.desc(), cases.c.case_id)
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
        .subquery("found")
    )
    return (
        select(*CASE_ROW)
        .join(found, found.c.row_id == cases.c.row_id)
        .order_by(found.c.rank.desc(), cases.c.last_activity_at.desc(), cases.c.case_id)
    )


def _holds_all(short: Sequence[bool]) -> list[ColumnElement[bool]]:
    return [_in_texts(f"term_{i}") if is_short else _in_index(f"match_{i}") for i, is_short in enumerate(short)]


def _in_index(parameter: str) -> ColumnElement[bool]:
    in_case = select(_CASES_FTS.c.rowid).where(matches(_CASES_FTS, parameter))
    in_message = (
        select(case_messages.c.case_id)
        .join(_MESSAGES_FTS, _MESSAGES_FTS.c.rowid == case_messages.c.row_id)
        .where(matches(_MESSAGES_FTS, parameter))
    )
    return or_(cases.c.row_id.in_(in_case), cases.c.case_id.in_(in_message))


def _in_texts(parameter: str) -> ColumnElement[bool]:
    in_message = exists().where(
        case_messages.c.case_id == cases.c.case_id, _occurs(case_messages.c.content_text, parameter)
    )
    return or_(_occurs(cases.c.title_text, parameter), _occurs(cases.c.description_text, parameter), in_message)


def _occurs(text: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
    return func.instr(text, bindparam(parameter)) > _ZERO
