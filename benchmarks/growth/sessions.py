"""How the costs of the port of the sessions grow with the number of keys."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from adapters.filesystem.sessions import FileSessionStore
from adapters.memory.sessions import InMemorySessionStore
from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from adapters.sqlite.sessions import SqliteSessionStore, open_session_database
from adapters.system.clock import SystemClock
from benchmarks.content import BATCH, working_set
from benchmarks.growth.growth import FLAT, GrowthSuite
from benchmarks.harness.timing import AnyOperation, Operation
from benchmarks.stores import redis_database
from benchmarks.surroundings import Surroundings
from ports.sessions import CacheStore

TTL = timedelta(days=30)
VALUE = '{"user_id": "user_000000000001", "case_id": "case_000000000001"}' * 4
OWNED = 10
"""How many sessions a user has, however many there are altogether."""

LIMITS: Mapping[str, float] = {"get": FLAT, "set": FLAT, "delete": FLAT}
FILES = 10_000
"""A hundred thousand files, each synchronised with the disk, take minutes to make."""


def a_key(number: int) -> str:
    """The ``number``-th key, with its owner in front."""
    return f"session:{number // OWNED:06x}:{number:08x}"


async def fill(store: CacheStore, size: int) -> None:
    """So many values."""
    for start in range(0, size, BATCH):
        await store.set_many({a_key(number): VALUE for number in range(start, min(size, start + BATCH))}, TTL)


def operations(store: CacheStore, size: int) -> Mapping[str, AnyOperation]:
    """What is measured."""

    def keys(count: int, chance: random.Random) -> Sequence[str]:
        return [a_key(number - 1) for number in working_set(count, size, chance)]

    async def removable(count: int, _: random.Random) -> Sequence[str]:
        names = [f"removed:{number:08x}" for number in range(count)]
        await store.set_many(dict.fromkeys(names, VALUE), TTL)
        return names

    return {
        "get": Operation(store.get, keys),
        "set": Operation(lambda key: store.set(key, VALUE, TTL), keys),
        "delete": Operation(store.delete, removable),
        "keys of a user": Operation(lambda key: store.keys(f"{key[:15]}*"), keys),
    }


@asynccontextmanager
async def in_memory(_: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A dictionary."""
    store = InMemorySessionStore(SystemClock())
    await fill(store, size)
    yield operations(store, size)


@asynccontextmanager
async def in_files(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A folder."""
    store = FileSessionStore(surroundings.folder(), SystemClock())
    try:
        await fill(store, size)
        yield operations(store, size)
    finally:
        await store.aclose()


@asynccontextmanager
async def on_sqlite(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A file."""
    store = SqliteSessionStore(await open_session_database(surroundings.folder() / "sessions.db"), SystemClock())
    try:
        await fill(store, size)
        yield operations(store, size)
    finally:
        await store.aclose()


@asynccontextmanager
async def on_redis(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A database of its own, because a search for keys looks at all of them."""
    with redis_database(surroundings) as url:
        store = await RedisSessionStore.open(RedisOptions(url))
        try:
            await fill(store, size)
            yield operations(store, size)
        finally:
            await store.clear()
            await store.aclose()


SUITES = (
    GrowthSuite("sessions", "memory", in_memory, LIMITS),
    GrowthSuite("sessions", "file", in_files, LIMITS, largest=FILES),
    GrowthSuite("sessions", "sqlite", on_sqlite, LIMITS),
    GrowthSuite("sessions", "redis", on_redis, LIMITS),
)
