"""The search for pieces of text in cases and messages.

Each term is a pattern of LIKE in which every character stands for itself. Where the extension pg_trgm is there, an
index of runs of three characters serves it; without, all texts are read, with the same result.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, bindparam, cast, func, or_, select, union_all

from adapters.sql.statements import CASE_ROW, case_conditions
from adapters.sql.tables import case_messages, cases


def search_parameters(terms: Sequence[str]) -> dict[str, str]:
    """The parameters ``term_0``, ``term_1``, ... of the statements."""
    return {f"term_{index}": pattern(term) for index, term in enumerate(terms)}


def pattern(term: str) -> str:
    """The pattern of LIKE for texts that hold the term."""
    escaped = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def count_found_cases(names: Collection[str], terms: int) -> Select[Any]:
    """How many cases fulfil the conditions and hold every term."""
    return select(func.count()).select_from(cases).where(*case_conditions(names), *_holds_all(terms))


def page_of_found_cases(names: Collection[str], terms: int) -> Select[Any]:
    """The cases of `count_found_cases` with their ``rank``: those with the most terms in the title first."""
    in_title = [cast(_occurs(cases.c.title_text, index), Integer) for index in range(terms)]
    rank = reduce(add, in_title).label("rank")
    # The documents are fetched for the page alone, not carried through the sorting of all that was found.
    found = (
        select(cases.c.row_id, rank)
        .where(*case_conditions(names), *_holds_all(terms))
        .order_by(rank.desc(), cases.c.last_activity_at.desc(), cases.c.case_id)
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
        .subquery("found")
    )
    return select(*CASE_ROW, found.c.rank).join(found, found.c.row_id == cases.c.row_id)


def _holds_all(terms: int) -> list[ColumnElement[bool]]:
    return [cases.c.case_id.in_(_holders(index)) for index in range(terms)]


def _holders(index: int) -> Any:
    # Two branches instead of one condition with OR: each can use the indexes of its table.
    holder = cases.alias()
    in_case = select(holder.c.case_id).where(
        or_(_occurs(holder.c.title_text, index), _occurs(holder.c.description_text, index))
    )
    in_message = select(case_messages.c.case_id).where(_occurs(case_messages.c.content_text, index))
    return union_all(in_case, in_message)


def _occurs(text: ColumnElement[str], index: int) -> ColumnElement[bool]:
    return text.like(bindparam(f"term_{index}"))
