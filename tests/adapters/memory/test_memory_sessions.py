"""Sessions and caches in memory."""

from datetime import timedelta

import pytest

from adapters.memory.sessions import InMemorySessionStore
from tests.contract.session_store import CacheStoreContractTests, SessionStoreContractTests
from tests.fakes import FakeClock

SECOND = timedelta(seconds=1)


@pytest.fixture
def store(clock: FakeClock) -> InMemorySessionStore:
    return InMemorySessionStore(clock)


@pytest.fixture
def neighbour(clock: FakeClock) -> InMemorySessionStore:
    return InMemorySessionStore(clock)


class TestInMemorySessionStore(SessionStoreContractTests):
    adapter = "memory"


class TestInMemoryCacheStore(CacheStoreContractTests):
    adapter = "memory"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_expired_values_do_not_accumulate(clock: FakeClock, store: InMemorySessionStore) -> None:
    for number in range(10_000):
        await store.set(f"key:{number}", "value", SECOND)
        clock.advance(SECOND / 10)
    assert len(store._entries) < 100
    assert len(store._looks) < 300


async def test_rewriting_one_key_does_not_accumulate(clock: FakeClock, store: InMemorySessionStore) -> None:
    for _ in range(10_000):
        await store.set("key", "value", SECOND)
        clock.advance(SECOND / 10_000_000)
    assert len(store._looks) < 300
    await store.set("endless", "value")
    clock.advance(SECOND)
    assert await store.sweep() == 1
    assert await store.keys("*") == ["endless"]
