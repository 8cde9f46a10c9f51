"""The overhead of the port of the sessions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

from adapters.filesystem.sessions import FileSessionStore
from adapters.memory.sessions import InMemorySessionStore
from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from adapters.sqlite.sessions import SqliteSessionStore, open_session_database
from adapters.system.clock import SystemClock
from benchmarks.harness.timing import AnyOperation, Operation, PlainOperation
from benchmarks.overhead.baselines import memory, redis, session_files, sqlite_sessions
from benchmarks.overhead.comparison import PROMISED, Comparison, OverheadSuite
from benchmarks.surroundings import Surroundings

KEYS = 1_000
TTL = timedelta(days=30)
VALUE = (
    '{"user_id": "user_000000000001", "case_id": "case_000000000001", "note": "' + "the gateway answers " * 45 + '"}'
)
"""A session of 1 KB."""
PER_AWAIT = 1_000.0
"""How many nanoseconds the store in memory may take more than a dictionary behind an await."""


class Values(Protocol):
    """What both sides have."""

    async def get(self, key: str) -> str | None:
        """The value."""
        ...

    async def set(self, key: str, value: str, ttl: timedelta) -> bool:
        """Store it."""
        ...

    async def delete(self, key: str) -> bool:
        """Remove it."""
        ...

    async def expire(self, key: str, ttl: timedelta) -> bool:
        """Let it expire later."""
        ...


def some_keys(count: int, chance: random.Random) -> list[str]:
    """Keys that are there."""
    return [f"session:{chance.randrange(KEYS):032x}" for _ in range(count)]


async def fill(values: Values) -> None:
    """Put the sessions there."""
    for number in range(KEYS):
        await values.set(f"session:{number:032x}", VALUE, TTL)


def operations(values: Values) -> Mapping[str, AnyOperation]:
    """What is measured of a store."""

    async def removable(count: int, _: random.Random) -> Sequence[str]:
        keys = [f"removed:{number:032x}" for number in range(count)]
        for key in keys:
            await values.set(key, VALUE, TTL)
        return keys

    return {
        "get": Operation(values.get, some_keys),
        "set": Operation(lambda key: values.set(key, VALUE, TTL), some_keys),
        "delete": Operation(values.delete, removable),
        "expire": Operation(lambda key: values.expire(key, TTL), some_keys),
    }


def comparisons(
    ours: Values,
    baseline: Values,
    *,
    limit: float | None = PROMISED,
    budget: float | None = None,
    context: Mapping[str, Mapping[str, AnyOperation]] | None = None,
) -> Sequence[Comparison]:
    """Each operation of both sides. ``context`` has others by operation."""
    theirs = operations(baseline)
    return [
        Comparison(
            name,
            operation,
            theirs[name],
            limit,
            budget if name in ("get", "set") else None,
            context=(context or {}).get(name, {}),
        )
        for name, operation in operations(ours).items()
    ]


class OnRedis(Values):
    """The functions of the baseline with a client."""

    def __init__(self, client: redis.Redis) -> None:
        self.get = partial(redis.get, client)
        self.set = partial(redis.set_value, client)
        self.delete = partial(redis.delete, client)
        self.expire = partial(redis.expire, client)


@asynccontextmanager
async def on_redis(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The sessions in Redis."""
    url = surroundings.redis_url()
    ours = await RedisSessionStore.open(RedisOptions(url))
    client, held = redis.open_client(url), redis.open_client(url, held=True)
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        await fill(ours)
        bare = redis.BareConnection(reader, writer)
        context: dict[str, dict[str, AnyOperation]] = {
            name: {"held connection": operation} for name, operation in operations(OnRedis(held)).items()
        }
        context["get"]["bare socket"] = Operation(bare.get, some_keys)
        context["set"]["bare socket"] = Operation(lambda key: bare.set(key, VALUE, TTL), some_keys)
        yield comparisons(ours, OnRedis(client), context=context)
    finally:
        writer.close()
        await client.aclose()
        await held.aclose()
        await ours.aclose()


@asynccontextmanager
async def on_sqlite(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The sessions in a SQLite file."""
    database = await open_session_database(surroundings.folder() / "sessions.db")
    ours = SqliteSessionStore(database, SystemClock())
    try:
        async with sqlite_sessions.Sessions(database.path) as plain:
            await fill(ours)
            await fill(plain)
            # Both take a few microseconds, of which the checks of key and value are a part.
            yield comparisons(ours, plain, limit=None)
    finally:
        await ours.aclose()


@asynccontextmanager
async def in_files(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The sessions in files."""
    ours = FileSessionStore(surroundings.folder(), SystemClock())
    plain = session_files.Files(surroundings.folder())
    try:
        await fill(ours)
        await fill(plain)
        yield comparisons(ours, plain, limit=None)
    finally:
        plain.close()
        await ours.aclose()


@asynccontextmanager
async def in_memory(_: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The sessions in memory, beside a dictionary."""
    ours, plain = InMemorySessionStore(SystemClock()), memory.Values()
    await fill(ours)
    await fill(plain)
    dictionary = {"get": {"dict, not awaited": PlainOperation(plain.values.get, some_keys)}}
    yield comparisons(ours, plain, limit=None, budget=PER_AWAIT, context=dictionary)


SUITES = (
    OverheadSuite("sessions", "memory", "benchmarks.overhead.baselines.memory", in_memory),
    OverheadSuite("sessions", "file", "benchmarks.overhead.baselines.session_files", in_files),
    OverheadSuite("sessions", "sqlite", "benchmarks.overhead.baselines.sqlite_sessions", on_sqlite),
    OverheadSuite("sessions", "redis", "benchmarks.overhead.baselines.redis", on_redis),
)
