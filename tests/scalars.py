"""Hypothesis strategies for scalars: ids, instants, numbers, and texts that are hostile to stores and queries."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st

from domain.values import INT64_MAX, INT64_MIN

HOSTILE = (
    "'; DROP TABLE cases; --",
    "100%_done\\",
    '{"$where": "1"}',
    "${jndi:x}",
    "../../etc/passwd",
    "* OR NEAR(a b)",
    "a:b & !c | <d>",
    "\u202eabc\u200d\ufeff",
    "\U0001f469\u200d\U0001f680",
    "İstanbul ß ΐ",
    "\x01\x1b[31m\r\n\t\x7f",
    "%00 \\x00 \\u0000",
    "null",
    "NaN",
)
"""Texts with a meaning to some engine; to us they are text."""

_characters = st.characters(exclude_categories=("Cs",), exclude_characters="\0")


@cache
def texts(min_size: int = 0, max_size: int = 40) -> st.SearchStrategy[str]:
    """Any legal text in NFC of at most ``max_size`` characters; with ``min_size`` it has no space at its ends."""
    words = st.one_of(st.text(_characters, max_size=max_size), st.sampled_from(HOSTILE))
    if not min_size:
        return words.map(lambda word: _cut(word, max_size))
    return words.map(lambda word: _cut(f"x{word}", max_size).strip()).filter(lambda word: len(word) >= min_size)


def _cut(text: str, size: int) -> str:
    return unicodedata.normalize("NFC", text)[:size]


@cache
def ids(prefix: str, width: int = 12) -> st.SearchStrategy[str]:
    """An id with this prefix and ``width`` hexadecimal digits."""
    return st.integers(0, 16**width - 1).map(lambda number: f"{prefix}_{number:0{width}x}")


@cache
def instants() -> st.SearchStrategy[datetime]:
    """An instant in UTC from 2000 to 2100, to the microsecond."""
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return st.integers(0, 100 * 365 * 86_400_000_000).map(lambda offset: start + timedelta(microseconds=offset))


_delays = st.integers(0, 10 * 86_400_000_000).map(lambda offset: timedelta(microseconds=offset))


def after(at: datetime) -> st.SearchStrategy[datetime]:
    """An instant from ``at`` to ten days later."""
    return _delays.map(lambda delay: at + delay)


fractions = st.floats(0, 1)
counts = st.integers(0, 1000)
labels = texts(1)
attributes: st.SearchStrategy[Mapping[str, Any]] = st.dictionaries(
    labels,
    st.none()
    | st.booleans()
    | st.integers(INT64_MIN, INT64_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts(),
    max_size=3,
)


@cache
def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """None, or what the strategy gives."""
    return st.none() | strategy


@cache
def tuples(strategy: st.SearchStrategy[Any], max_size: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    """A short tuple."""
    return st.lists(strategy, max_size=max_size).map(tuple)


def subset(options: list[str], max_size: int = 3) -> st.SearchStrategy[tuple[str, ...]]:
    """Some of the options, none twice."""
    if not options:
        return st.just(())
    return st.lists(st.sampled_from(options), unique=True, max_size=max_size).map(tuple)


def one_of(options: list[str]) -> st.SearchStrategy[str | None]:
    """None, or one of the options."""
    return st.none() | st.sampled_from(options) if options else st.none()
