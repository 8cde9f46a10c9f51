"""The contracts of `ports.sessions`, on Redis, a Redis cluster and Valkey."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.redis.sessions import RedisSessionStore
from tests.adapters.redis.conftest import Open
from tests.contract.session_store import (
    CacheStoreContractTests,
    DurableSessionStoreContractTests,
    SessionStoreContractTests,
)
from tests.contract.sessions.fixtures import Advance, Now, Reopen
from tests.servers.redis import RedisServer
from tests.servers.redis_time import let_pass

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def durable_server() -> Iterator[RedisServer]:
    server = RedisServer(durable=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()


class ServerTime:
    """The lengths of time are so great that the time which really passes in a test does not matter."""

    ttl = timedelta(hours=1)
    tick = timedelta(minutes=1)

    @pytest.fixture
    def advance(self, client: Any, root: str) -> Advance:
        async def advance(by: timedelta) -> None:
            let_pass(client, by, root)

        return advance

    @pytest.fixture
    def now(self, client: Any, root: str) -> Now:
        async def now() -> int:
            seconds, micros = client.eval("return redis.call('TIME')", 1, root)
            return int(seconds) * 1000 + int(micros) // 1000

        return now


class OnDurable(ServerTime):
    """On a server that keeps what it has acknowledged; between closing and opening the store it is killed."""

    @pytest.fixture
    def url(self, durable_server: RedisServer) -> str:
        return durable_server.url

    @pytest.fixture
    def reopen(self, durable_server: RedisServer, store: RedisSessionStore, open_store: Open) -> Reopen:
        async def reopen() -> RedisSessionStore:
            await store.aclose()
            durable_server.kill()
            durable_server.start()
            return await open_store()

        return reopen


class OnCluster(ServerTime):
    @pytest.fixture
    def url(self, redis_cluster_url: str) -> str:
        return redis_cluster_url


class OnValkey(ServerTime):
    @pytest.fixture
    def url(self, valkey_url: str) -> str:
        return valkey_url


class TestRedisSessionStore(ServerTime, SessionStoreContractTests):
    adapter = "redis"


class TestDurableRedisSessionStore(OnDurable, DurableSessionStoreContractTests):
    adapter = "redis"


class TestRedisCacheStore(ServerTime, CacheStoreContractTests):
    adapter = "redis"


class TestRedisClusterSessionStore(OnCluster, SessionStoreContractTests):
    adapter = "redis cluster"


class TestRedisClusterCacheStore(OnCluster, CacheStoreContractTests):
    adapter = "redis cluster"


class TestValkeySessionStore(OnValkey, SessionStoreContractTests):
    adapter = "valkey"


class TestValkeyCacheStore(OnValkey, CacheStoreContractTests):
    adapter = "valkey"
