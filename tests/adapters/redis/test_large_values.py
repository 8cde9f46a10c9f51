"""The largest values, and many at once: they come back whole, and the event loop goes on meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from adapters.redis.sessions import RedisSessionStore
from ports.sessions import MAX_VALUE_BYTES

pytestmark = pytest.mark.redis

LONGEST_PAUSE = 0.025
ATTEMPTS = 10
LARGEST = {
    "ascii": "x" * MAX_VALUE_BYTES,
    "snowmen": "\N{SNOWMAN}" * (MAX_VALUE_BYTES // 3) + "x",
}


async def longest_pause(work: Callable[[], Awaitable[object]]) -> float:
    """How long the thread of the event loop was computing, at most, between two turns."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    await work()
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    return longest


@pytest.mark.parametrize("value", LARGEST.values(), ids=LARGEST)
async def test_the_largest_value_is_kept(store: RedisSessionStore, value: str) -> None:
    assert len(value.encode()) == MAX_VALUE_BYTES
    await store.set("key", value)
    assert await store.get("key") == value
    assert await store.compare_and_set("key", value, "small") is True
    assert await store.compare_and_set("key", "small", value) is True
    assert await store.get_many(["key"]) == {"key": value}


@pytest.mark.timed
@pytest.mark.parametrize("operation", ["set", "get", "set_many", "get_many", "keys", "clear"])
async def test_the_event_loop_goes_on(store: RedisSessionStore, operation: str) -> None:
    """Other programs on the machine can spoil one measurement; what the store itself blocks is blocked each time."""
    large = LARGEST["ascii"]
    many = {f"key:{number}": "value" for number in range(2000)}
    await store.set("large", large)
    await store.set_many(many)
    operations: dict[str, Callable[[], Awaitable[object]]] = {
        "set": lambda: store.set("large", large),
        "get": lambda: store.get("large"),
        "set_many": lambda: store.set_many(many),
        "get_many": lambda: store.get_many(list(many)),
        "keys": lambda: store.keys("*"),
        "clear": store.clear,
    }
    pauses = [await longest_pause(operations[operation])]
    while pauses[-1] >= LONGEST_PAUSE and len(pauses) < ATTEMPTS:
        pauses.append(await longest_pause(operations[operation]))
    assert min(pauses) < LONGEST_PAUSE


async def test_more_keys_than_fit_into_one_command(store: RedisSessionStore) -> None:
    many = {f"key:{number:05}": str(number) for number in range(1234)}
    await store.set_many(many)
    assert await store.get_many(list(many)) == many
    assert await store.keys("*") == list(many)
    assert await store.clear() == 1234
