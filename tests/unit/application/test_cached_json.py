"""Records that several requests change at once."""

import asyncio
from datetime import timedelta

import pytest

from adapters.memory.sessions import InMemorySessionStore
from application.cached_json import update_record
from ports.errors import StorageUnavailable
from tests.fakes import FakeClock

HOUR = timedelta(hours=1)


class Interrupted(InMemorySessionStore):
    """Lets others run between a read and a write."""

    async def get(self, key: str) -> str | None:
        value = await super().get(key)
        await asyncio.sleep(0)
        return value


async def test_no_change_is_lost() -> None:
    cache = Interrupted(FakeClock())
    await asyncio.gather(
        *(update_record(cache, "r", lambda old, name=str(number): {**old, name: 1}, HOUR) for number in range(20))
    )
    _, record = await update_record(cache, "r", dict, HOUR)
    assert len(record) == 20


async def test_an_empty_record_is_removed_and_a_missing_one_stays_missing() -> None:
    cache = InMemorySessionStore(FakeClock())
    assert await update_record(cache, "r", lambda old: {}, HOUR) == ({}, {})
    assert not await cache.exists("r")
    await update_record(cache, "r", lambda old: {"a": 1}, HOUR)
    assert await update_record(cache, "r", lambda old: {}, HOUR) == ({"a": 1}, {})
    assert not await cache.exists("r")


async def test_endless_contention_is_told() -> None:
    class Losing(InMemorySessionStore):
        async def compare_and_set(self, key, expected, value, ttl=None) -> bool:
            return False

    with pytest.raises(StorageUnavailable):
        await update_record(Losing(FakeClock()), "r", lambda old: {"a": 1}, HOUR)
