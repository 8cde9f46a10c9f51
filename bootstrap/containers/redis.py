"""Sessions and caches in Redis, Valkey or a cluster of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dependency_injector import containers, providers

from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from bootstrap.settings import Settings


def _options(settings: Settings) -> RedisOptions:
    password = settings.redis_password
    return RedisOptions(
        url=settings.redis_address,
        password=password.get_secret_value() if password else None,
        max_connections=settings.redis_max_connections,
        namespace=settings.redis_key_prefix,
        ca_file=settings.redis_ca_file,
    )


async def _sessions(options: RedisOptions) -> AsyncIterator[RedisSessionStore]:
    store = await RedisSessionStore.open(options)
    yield store
    await store.aclose()


class RedisContainer(containers.DeclarativeContainer):
    """One store for all that does not last."""

    settings: providers.Provider[Settings] = providers.Dependency()
    sessions = providers.Resource(_sessions, options=providers.Callable(_options, settings))
