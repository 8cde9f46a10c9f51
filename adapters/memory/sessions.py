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
    unix_milliseconds,
)
from ports.transfer import StoredValue, SupportsValueTransfer, check_values

_SWEPT_PER_WRITE = 2
"""More than one, so that writing removes expired values faster than it can add them."""

_STALE_EXPIRIES_KEPT = 64


class InMemorySessionStore(InMemoryCheckpoints, CacheStore, SupportsSweep, SupportsValueTransfer):
    """Keeps values until the process ends. No operation awaits anything, so each is atomic in its event loop."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._entries: dict[str, tuple[str, int | None]] = {}
        # A rewritten or deleted key leaves its old expiry behind; an expiry counts only if the entry still has it.
        self._expiries: list[tuple[int, str]] = []

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
        self._expiries.clear()
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
            if each.expires_at is not None and each.expires_at <= unix_milliseconds(self._clock.now()):
                self._entries.pop(each.key, None)
            else:
                self._put(each.key, each.value, each.expires_at)

    async def sweep(self) -> int:
        return self._sweep(unix_milliseconds(self._clock.now()), len(self._expiries))

    def _read(self, key: str) -> str | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires_at = entry
        if expires_at is not None and expires_at <= unix_milliseconds(self._clock.now()):
            return None
        return value

    def _write(self, key: str, value: str, ttl: int | None) -> None:
        self._put(key, value, None if ttl is None else unix_milliseconds(self._clock.now()) + ttl)

    def _put(self, key: str, value: str, expires_at: int | None) -> None:
        self._entries[key] = (value, expires_at)
        if expires_at is None:
            return
        heapq.heappush(self._expiries, (expires_at, key))
        self._sweep(unix_milliseconds(self._clock.now()), _SWEPT_PER_WRITE)
        if len(self._expiries) > 2 * len(self._entries) + _STALE_EXPIRIES_KEPT:
            self._expiries = [(at, key) for key, (_, at) in self._entries.items() if at is not None]
            heapq.heapify(self._expiries)

    def _sweep(self, now: int, limit: int) -> int:
        """Look at no more than ``limit`` expiries that have passed; returns how many values went with them."""
        removed = 0
        while limit and self._expiries and self._expiries[0][0] <= now:
            expires_at, key = heapq.heappop(self._expiries)
            entry = self._entries.get(key)
            if entry is not None and entry[1] == expires_at:
                del self._entries[key]
                removed += 1
            limit -= 1
        return removed

    def _check_open(self) -> None:
        """There is nothing to close."""

    def _live_keys(self) -> list[str]:
        now = unix_milliseconds(self._clock.now())
        return [key for key, (_, expires_at) in self._entries.items() if expires_at is None or expires_at > now]
