"""What several ports need to draw commands and to compare answers."""

from __future__ import annotations

from dataclasses import replace
from math import isclose
from typing import Any

from hypothesis import strategies as st

from tests.stateful.machine import Ask

hostile = st.sampled_from(["", " ", "a\0b", "\ud800", "'", "%", "e\u0301", "x" * 3000])
"""Ids and names that do not exist, among them some that cannot."""

limits = st.sampled_from([0, 1, 2, 3, 50, 200, 201, -1])
offsets = st.sampled_from([0, 0, 0, 1, 2, 3, -1])


def asking(method: str, *arguments: st.SearchStrategy[Any], **named: st.SearchStrategy[Any]) -> st.SearchStrategy[Ask]:
    """Calls of the method with any of these arguments."""
    return st.tuples(st.tuples(*arguments), st.fixed_dictionaries(named)).map(lambda drawn: Ask((method, *drawn)))


def as_many(expected: Any, actual: Any) -> bool:
    """Both are results, not errors, of the same length."""
    are_results = all(
        isinstance(each, tuple) and not (each and isinstance(each[0], type)) for each in (expected, actual)
    )
    return are_results and len(expected) == len(actual)


def near(expected: Any, actual: Any, field: str, *, relative: float = 0.0, absolute: float) -> Any:
    """``actual`` with the number that is expected in a field, if its own is that within the tolerance."""
    number = getattr(expected, field)
    if isclose(number, getattr(actual, field), rel_tol=relative, abs_tol=absolute):
        return replace(actual, **{field: number})
    return actual
