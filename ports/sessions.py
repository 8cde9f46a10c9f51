"""Short-lived values under text keys: sessions, tokens, idempotency records, counters, caches.

Promise: a value is readable until exactly its expiry (an instant in milliseconds, fixed when it is written) and never
after. Single operations are atomic between all users of the store. Not promised: that a value survives at all;
a store may lose its content, which means signing in again, never a wrong answer.

Keys are 1 to 512 characters of normalised text. Values are text of at most 16 MiB. Every operation raises
`InvalidInput` for a key, value, pattern or time to live that the checks below refuse, and has changed nothing then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Protocol

from domain.errors import InvalidInput
from domain.values import INT64_MAX, INT64_MIN, normalise_text

MAX_KEY_LENGTH = 512
MAX_VALUE_BYTES = 16 * 1024 * 1024
MAX_TTL = timedelta(days=3650)
MAX_PATTERN_LENGTH = 2 * MAX_KEY_LENGTH
"""Room for the longest key with every character escaped."""

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "CacheStore",
    "SessionStore",
    "check_increment",
    "check_key",
    "check_pattern",
    "check_ttl",
    "check_value",
    "incremented",
    "ttl_milliseconds",
]

_MILLISECOND = timedelta(milliseconds=1)
_NO_TIME = timedelta(0)
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def check_key(key: str) -> str:
    """``key`` in normal form.

    Raises:
        InvalidInput: it is empty, longer than 512 characters, or not storable text.
    """
    normal = normalise_text(key)
    if not 1 <= len(normal) <= MAX_KEY_LENGTH:
        raise InvalidInput(f"a key has {len(normal)} characters; accepted: 1 to {MAX_KEY_LENGTH}")
    return normal


def check_pattern(pattern: str) -> str:
    """``pattern`` in normal form, as keys are.

    Raises:
        InvalidInput: it is longer than 1024 characters, or not storable text.
    """
    normal = normalise_text(pattern)
    if len(normal) > MAX_PATTERN_LENGTH:
        raise InvalidInput(f"a pattern has {len(normal)} characters; accepted: at most {MAX_PATTERN_LENGTH}")
    return normal


def check_value(value: str) -> str:
    """``value`` as it was given.

    Raises:
        InvalidInput: it holds NUL or lone surrogates, or more than 16 MiB in UTF-8.
    """
    if "\0" in value:
        raise InvalidInput("a value must not contain NUL characters")
    if len(value) > MAX_VALUE_BYTES or (not value.isascii() and _utf8_length(value) > MAX_VALUE_BYTES):
        raise InvalidInput(f"a value has more than {MAX_VALUE_BYTES} bytes")
    return value


def _utf8_length(value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput("a value must not contain lone surrogates (it is not valid Unicode)") from None


@lru_cache(maxsize=64)
def ttl_milliseconds(ttl: timedelta) -> int:
    """``ttl`` in whole milliseconds, rounded up. Those few that are in use are remembered.

    Raises:
        InvalidInput: it is not positive, or longer than ten years.
    """
    if not _NO_TIME < ttl <= MAX_TTL:
        raise InvalidInput(f"a time to live is {ttl}; accepted: more than 0, at most {MAX_TTL.days} days")
    return -(-ttl // _MILLISECOND)


def check_ttl(ttl: timedelta | None) -> int | None:
    """As `ttl_milliseconds`; None, for a value that does not expire, passes."""
    return None if ttl is None else ttl_milliseconds(ttl)


def check_increment(by: int) -> int:
    """``by`` as it is.

    Raises:
        InvalidInput: it does not fit 64 bits.
    """
    if not INT64_MIN <= by <= INT64_MAX:
        raise InvalidInput(f"an increment is {by}; accepted: a whole number of 64 bits")
    return by


def incremented(stored: str | None, by: int) -> int:
    """The sum of a stored value, 0 if there is none, and ``by``.

    Raises:
        InvalidInput: the value is no whole number in plain decimal form, or it or the sum does not fit 64 bits.
    """
    if stored is not None and not _WHOLE_NUMBER.fullmatch(stored):
        raise InvalidInput("the stored value is no whole number, so it cannot be incremented")
    value = int(stored or 0)
    if not INT64_MIN <= value <= INT64_MAX or not INT64_MIN <= value + by <= INT64_MAX:
        raise InvalidInput("the stored value or the sum does not fit 64 bits")
    return value + by


class SessionStore(Protocol):
    """Text values with an expiry."""

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        """Store the value, replacing value and expiry; without ``ttl`` it does not expire. True once it is stored.

        Raises:
            InvalidInput: see `check_key`, `check_value` and `ttl_milliseconds`.
            StorageFull: there is no room. Any operation that writes raises it.
        """
        ...

    async def get(self, key: str) -> str | None:
        """The value, or None if there is none any more."""
        ...

    async def delete(self, key: str) -> bool:
        """Remove the value. True if there was one."""
        ...

    async def exists(self, key: str) -> bool:
        """True if there is a value."""
        ...

    async def expire(self, key: str, ttl: timedelta) -> bool:
        """Let the value expire ``ttl`` from now instead. False if there is none."""
        ...

    async def keys(self, pattern: str) -> list[str]:
        """The keys that match the pattern, sorted.

        ``*`` is any text, ``?`` one character, ``[a-c]`` and ``[^a-c]`` classes, ``\\`` takes the meaning from the next
        character (the dialect of Redis). It looks at every key: for maintenance, never for a request.
        """
        ...


class CacheStore(SessionStore, Protocol):
    """A session store that also counts, compares and works on several keys at once."""

    async def get_many(self, keys: Sequence[str]) -> dict[str, str]:
        """The values that exist, by key as it was given."""
        ...

    async def set_many(self, values: Mapping[str, str], ttl: timedelta | None = None) -> None:
        """Store all the values with one expiry. Each is stored atomically, not all of them together."""
        ...

    async def add(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        """Store the value only if there is none. True for the one caller who stored it."""
        ...

    async def compare_and_set(
        self, key: str, expected: str | None, value: str | None, ttl: timedelta | None = None
    ) -> bool:
        """Replace the value if it is ``expected`` (None: if there is none); ``value`` None deletes. True if done."""
        ...

    async def increment(self, key: str, by: int = 1, ttl: timedelta | None = None) -> int:
        """Add to a whole number and return the sum. A missing value counts as 0, and only then ``ttl`` applies.

        Raises:
            InvalidInput: the stored value is no whole number, or the sum does not fit 64 bits.
        """
        ...

    async def clear(self) -> int:
        """Remove every value of this store's own namespace; returns how many there were."""
        ...
