"""The contracts of `ports.sessions`, on Redis, a Redis cluster and Valkey."""

from datetime import timedelta
from typing import Any

import pytest

from tests.contract.session_store import CacheStoreContractTests, SessionStoreContractTests
from tests.contract.sessions.fixtures import Advance
from tests.servers.redis_time import let_pass

pytestmark = pytest.mark.redis


class ServerTime:
    """The lengths of time are so great that the time which really passes in a test does not matter."""

    ttl = timedelta(hours=1)
    tick = timedelta(minutes=1)

    @pytest.fixture
    def advance(self, client: Any, root: str) -> Advance:
        async def advance(by: timedelta) -> None:
            let_pass(client, by, root)

        return advance


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
