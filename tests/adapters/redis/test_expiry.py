"""When values expire by the clock of the server."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.redis.sessions import RedisSessionStore

pytestmark = pytest.mark.redis

TTL = timedelta(milliseconds=5)


def look(client: Any, name: str) -> tuple[int, bool]:
    """The milliseconds of the server's clock, and whether the key exists then or a moment later.

    In a script it would be a moment earlier: for keys, time stands still there, but not for the clock.
    """
    with client.pipeline(transaction=False) as pipe:
        (seconds, micros), exists = pipe.time().exists(name).execute()
    return seconds * 1000 + micros // 1000, bool(exists)


@pytest.mark.parametrize("operation", ["set", "add", "set_many", "compare_and_set", "increment", "expire"])
@pytest.mark.quirk("Redis", "a value is still there during the millisecond of its expiry")
async def test_no_value_outlives_its_ttl(store: RedisSessionStore, client: Any, root: str, operation: str) -> None:
    """The millisecond of the expiry is too late already. A server left alone would keep a value during it."""
    milliseconds = TTL // timedelta(milliseconds=1)
    name = f"{root}mine:key"
    lives = []
    for _ in range(20):
        await store.delete("key")
        match operation:
            case "set":
                await store.set("key", "1", TTL)
            case "add":
                await store.add("key", "1", TTL)
            case "set_many":
                await store.set_many({"key": "1"}, TTL)
            case "compare_and_set":
                await store.set("key", "0")
                await store.compare_and_set("key", "0", "1", TTL)
            case "increment":
                await store.increment("key", 1, TTL)
            case "expire":
                await store.set("key", "1")
                await store.expire("key", TTL)
        written, exists = look(client, name)
        now = written
        while exists:
            assert now < written + milliseconds
            lives.append(now - written)
            now, exists = look(client, name)
    assert lives, "no value was met alive"


async def test_ttls_keep_their_milliseconds(store: RedisSessionStore, client: Any, root: str) -> None:
    ttl = timedelta(milliseconds=90_123)
    await store.set("key", "value", ttl)
    await store.set("moved", "value")
    await store.expire("moved", ttl)
    for name in ("key", "moved"):
        # At most two seconds may have passed since.
        assert 88_123 < client.pttl(f"{root}mine:{name}") < 90_123


async def test_the_shortest_ttl_is_accepted(store: RedisSessionStore) -> None:
    assert await store.set("key", "value", timedelta(microseconds=1)) is True
    await store.set("other", "value")
    assert await store.expire("other", timedelta(microseconds=1)) is True


async def test_the_longest_ttl_is_accepted(store: RedisSessionStore) -> None:
    await store.set("key", "value", timedelta(days=3650))
    assert await store.get("key") == "value"


async def test_values_without_ttl_never_expire(store: RedisSessionStore, client: Any, root: str) -> None:
    await store.set("set", "value")
    await store.increment("increment")
    await store.add("add", "value")
    assert [client.pttl(f"{root}mine:{name}") for name in ("set", "increment", "add")] == [-1, -1, -1]
