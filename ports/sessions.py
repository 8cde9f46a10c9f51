"""Short-lived values under text keys: sessions, tokens, idempotency records, counters, caches.

Promise: a value is readable until exactly its expiry (an instant in milliseconds, fixed when it is written) and never
after. Single operations are atomic between all users of the store. Not promised: that a value survives at all;
a store may lose its content, which means signing in again, never a wrong answer.

Keys are 1 to 512 characters of normalised text. Values are text of at most 16 MiB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from domain.errors import InvalidInput
from domain.values import INT64_MAX, INT64_MIN, normalise_text

MAX_KEY_LENGTH = 512
MAX_VALUE_BYTES = 16 * 1024 * 1024
MAX_TTL = timedelta(days=3650)
__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "CacheStore",
    "SessionStore",
    "check_key",
    "check_ttl",
    "check_value",
    "ttl_milliseconds",
]


def check_key(key: str) -> str:
    """``key`` in normal form.

    Raises:
        InvalidInput: it is empty, longer than 512 characters, or not storable text.
    """
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise InvalidInput(f"a key has {len(key)} characters; accepted: 1 to {MAX_KEY_LENGTH}")
    return normalise_text(key)


def check_value(value: str) -> str:
    """``value`` as it was given.

    Raises:
        InvalidInput: it holds NUL or lone surrogates, or more than 16 MiB in UTF-8.
    """
    normalise_text(value)
    if len(value) > MAX_VALUE_BYTES or len(value.encode()) > MAX_VALUE_BYTES:
        raise InvalidInput(f"a value has more than {MAX_VALUE_BYTES} bytes")
    return value


def ttl_milliseconds(ttl: timedelta) -> int:
    """``ttl`` in whole milliseconds, rounded up.

    Raises:
        InvalidInput: it is not positive, or longer than ten years.
    """
    if not timedelta(0) < ttl <= MAX_TTL:
        raise InvalidInput(f"a time to live is {ttl}; accepted: more than 0, at most {MAX_TTL.days} days")
    return -(-ttl // timedelta(milliseconds=1))


def check_ttl(ttl: timedelta | None) -> int | None:
    """As `ttl_milliseconds`; None, for a value that does not expire, passes."""
    return None if ttl is None else ttl_milliseconds(ttl)


class SessionStore(Protocol):
    """Text values with an expiry."""

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        """Store the value, replacing value and expiry; without ``ttl`` it does not expire. True once it is stored.

        Raises:
            InvalidInput: see `check_key`, `check_value` and `ttl_milliseconds`.
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
        """The values that exist, by key."""
        ...

    async def set_many(self, values: Mapping[str, str], ttl: timedelta | None = None) -> None:
        """Store all the values with one expiry."""
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
