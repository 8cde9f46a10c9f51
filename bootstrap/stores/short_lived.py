"""Opens stores of sessions and caches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from bootstrap.stores.configurations import (
    FileConfiguration,
    InMemoryConfiguration,
    RedisConfiguration,
    SqliteSessionConfiguration,
)
from bootstrap.stores.kinds import Opening
from ports.sessions import CacheStore

if TYPE_CHECKING:
    from adapters.sqlite.database import SqliteDatabase


@asynccontextmanager
async def in_memory(_: InMemoryConfiguration, opening: Opening) -> AsyncIterator[CacheStore]:
    """In memory."""
    from adapters.memory.sessions import InMemorySessionStore

    yield InMemorySessionStore(opening.clock)


@asynccontextmanager
async def files(configuration: FileConfiguration, opening: Opening) -> AsyncIterator[CacheStore]:
    """In a folder that this process must have to itself."""
    from adapters.filesystem.sessions import FileSessionStore

    async with aclosing(FileSessionStore(configuration.path, opening.clock)) as store:
        yield store


@asynccontextmanager
async def sqlite(configuration: SqliteSessionConfiguration, opening: Opening) -> AsyncIterator[CacheStore]:
    """In a SQLite database, which stores with other namespaces may share."""
    from adapters.sqlite.sessions import SqliteSessionStore, open_session_database

    async def open_it() -> SqliteDatabase:
        configuration.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return await open_session_database(configuration.path, synchronous=configuration.synchronous)

    key = (configuration.path, configuration.synchronous)
    async with opening.databases.use(key, open_it) as database:
        yield SqliteSessionStore(database, opening.clock, configuration.namespace)


@asynccontextmanager
async def redis(configuration: RedisConfiguration, _: Opening) -> AsyncIterator[CacheStore]:
    """In Redis, Valkey or a cluster."""
    from adapters.redis.options import RedisOptions
    from adapters.redis.sessions import RedisSessionStore

    password = configuration.password
    options = RedisOptions(
        url=configuration.url.get_secret_value(),
        password=password.get_secret_value() if password else None,
        max_connections=configuration.max_connections,
        namespace=configuration.key_prefix,
        ca_file=configuration.ca_file,
    )
    async with aclosing(await RedisSessionStore.open(options)) as store:
        yield store
