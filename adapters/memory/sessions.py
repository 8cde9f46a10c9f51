"""Sessions and caches in memory."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from datetime import timedelta

from adapters.memory.checkpoints import InMemoryCheckpoints
from domain.glob import glob_pattern
from domain.values import normalise_text
from ports.capabilities import SupportsSweep
from ports.clock import Clock
from ports.paging import check_page
from ports.sessions import (
    CacheStore,
    check_increment,
    check_key,
    check_pattern,
    check_ttl,
    check_value,
    incremented,
    ttl_milliseconds,
)
from ports.transfer import StoredValue, SupportsValueTransfer, check_values

_SWEPT_PER_WRITE = 2
"""More than one, so that writing removes expired values faster than it can add them."""

_NEEDLESS_LOOKS_KEPT = 64

_NEVER = 2**63
_ABSENT = ("", None)


class InMemorySessionStore(InMemoryCheckpoints, CacheStore, SupportsSweep, SupportsValueTransfer):
    """Keeps values until the process ends. No operation awaits anything, so each is atomic in its event loop."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._now = clock.unix_milliseconds
        self._entries: dict[str, tuple[str, int | None]] = {}
        # When to look at a key again, the soonest first. A key that expires later by then is put back.
        self._looks: list[tuple[int, str]] = []
        self._next_look: dict[str, int] = {}

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        self._write(check_key(key), check_value(value), check_ttl(ttl))
        return True

    async def get(self, key: str) -> str | None:
        return self._read(check_key(key))

    async def delete(self, key: str) -> bool:
        key = check_key(key)
        existed = self._read(key) is not None
        self._entries.pop(key, None)
        return existed

    async def exists(self, key: str) -> bool:
        return self._read(check_key(key)) is not None

    async def expire(self, key: str, ttl: timedelta) -> bool:
        key, milliseconds = check_key(key), ttl_milliseconds(ttl)
        value = self._read(key)
        if value is None:
            return False
        self._write(key, value, milliseconds)
        return True

    async def keys(self, pattern: str) -> list[str]:
        matches = glob_pattern(check_pattern(pattern)).fullmatch
        return sorted(key for key in self._live_keys() if matches(key))

    async def get_many(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: value for key in keys if (value := self._read(check_key(key))) is not None}

    async def set_many(self, values: Mapping[str, str], ttl: timedelta | None = None) -> None:
        checked = {check_key(key): check_value(value) for key, value in values.items()}
        milliseconds = check_ttl(ttl)
        for key, value in checked.items():
            self._write(key, value, milliseconds)

    async def add(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        key, value, milliseconds = check_key(key), check_value(value), check_ttl(ttl)
        if self._read(key) is not None:
            return False
        self._write(key, value, milliseconds)
        return True

    async def compare_and_set(
        self, key: str, expected: str | None, value: str | None, ttl: timedelta | None = None
    ) -> bool:
        key, milliseconds = check_key(key), check_ttl(ttl)
        if value is not None:
            check_value(value)
        if self._read(key) != expected:
            return False
        if value is None:
            self._entries.pop(key, None)
        else:
            self._write(key, value, milliseconds)
        return True

    async def increment(self, key: str, by: int = 1, ttl: timedelta | None = None) -> int:
        key, by, milliseconds = check_key(key), check_increment(by), check_ttl(ttl)
        stored = self._read(key)
        total = incremented(stored, by)
        if stored is None:
            self._write(key, str(total), milliseconds)
        else:
            self._entries[key] = (str(total), self._entries[key][1])
        return total

    async def clear(self) -> int:
        count = len(self._live_keys())
        self._entries.clear()
        self._looks.clear()
        self._next_look.clear()
        return count

    async def stored_value(self, key: str) -> StoredValue | None:
        key = check_key(key)
        return None if self._read(key) is None else StoredValue(key, *self._entries[key])

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[StoredValue, ...]:
        """Looks at every key for each page."""
        check_page(limit)
        after = "" if after is None else normalise_text(after)
        keys = heapq.nsmallest(limit, (key for key in self._live_keys() if key > after))
        return tuple(StoredValue(key, *self._entries[key]) for key in keys)

    async def put_many(self, values: Sequence[StoredValue]) -> None:
        for each in check_values(values):
            now = self._now()
            if each.expires_at is None:
                self._entries[each.key] = (each.value, None)
            elif each.expires_at <= now:
                self._entries.pop(each.key, None)
            else:
                self._put(each.key, each.value, each.expires_at, now)

    async def sweep(self) -> int:
        return self._sweep(self._now(), len(self._looks))

    def _read(self, key: str) -> str | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires_at = entry
        if expires_at is not None and expires_at <= self._now():
            return None
        return value

    def _write(self, key: str, value: str, ttl: int | None) -> None:
        if ttl is None:
            self._entries[key] = (value, None)
        else:
            now = self._now()
            self._put(key, value, now + ttl, now)

    def _put(self, key: str, value: str, expires_at: int, now: int) -> None:
        self._entries[key] = (value, expires_at)
        # A value that is renewed is looked at when it would have expired before.
        if expires_at < self._next_look.get(key, _NEVER):
            self._look_at(key, expires_at)
            if len(self._looks) > 2 * len(self._entries) + _NEEDLESS_LOOKS_KEPT:
                self._plan_looks()
        if self._looks[0][0] <= now:
            self._sweep(now, _SWEPT_PER_WRITE)

    def _look_at(self, key: str, at: int) -> None:
        self._next_look[key] = at
        heapq.heappush(self._looks, (at, key))

    def _plan_looks(self) -> None:
        """Without those at keys that were deleted."""
        self._next_look = {key: at for key, (_, at) in self._entries.items() if at is not None}
        self._looks = [(at, key) for key, at in self._next_look.items()]
        heapq.heapify(self._looks)

    def _sweep(self, now: int, limit: int) -> int:
        """Take no more than ``limit`` of the looks that are due; returns how many values went."""
        removed = 0
        while limit and self._looks and self._looks[0][0] <= now:
            at, key = heapq.heappop(self._looks)
            limit -= 1
            if self._next_look.get(key) != at:
                # There was an earlier one.
                continue
            del self._next_look[key]
            _, expires_at = self._entries.get(key, _ABSENT)
            if expires_at is None:
                continue
            if expires_at <= now:
                del self._entries[key]
                removed += 1
            else:
                self._look_at(key, expires_at)
        return removed

    def _check_open(self) -> None:
        """There is nothing to close."""

    def _live_keys(self) -> list[str]:
        now = self._now()
        return [key for key, (_, expires_at) in self._entries.items() if expires_at is None or expires_at > now]
