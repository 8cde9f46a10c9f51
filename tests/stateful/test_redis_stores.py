"""The state machines of the stores on Redis, a Redis cluster and Valkey."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from ports.sessions import CacheStore
from tests.servers.redis_time import client_of, let_pass
from tests.stateful.key_value import KeyValueMachine
from tests.stateful.profiles import MACHINE_SETTINGS

pytestmark = pytest.mark.redis


class RedisKeyValueMachine(KeyValueMachine):
    unit = timedelta(minutes=1)
    url: ClassVar[str]
    client: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.namespace = f"test:{uuid4().hex}:"

    async def open_store(self) -> CacheStore:
        return await RedisSessionStore.open(RedisOptions(self.url, namespace=self.namespace))

    async def close_store(self, store: CacheStore) -> None:
        assert isinstance(store, RedisSessionStore)
        await store.clear()
        await store.aclose()

    def let_pass(self, by: timedelta) -> None:
        let_pass(self.client, by, self.namespace)


class RedisClusterKeyValueMachine(RedisKeyValueMachine):
    pass


class ValkeyKeyValueMachine(RedisKeyValueMachine):
    pass


@pytest.fixture(autouse=True, scope="module")
def servers(redis_url: str, redis_cluster_url: str, valkey_url: str) -> Iterator[None]:
    """Tell the machines, which take no fixtures."""
    with ExitStack() as stack:
        for machine, url in (
            (RedisKeyValueMachine, redis_url),
            (RedisClusterKeyValueMachine, redis_cluster_url),
            (ValkeyKeyValueMachine, valkey_url),
        ):
            machine.url, machine.client = url, stack.enter_context(client_of(url))
        yield


TestRedisKeyValue = RedisKeyValueMachine.TestCase
TestRedisKeyValue.settings = MACHINE_SETTINGS
TestRedisClusterKeyValue = RedisClusterKeyValueMachine.TestCase
TestRedisClusterKeyValue.settings = MACHINE_SETTINGS
TestValkeyKeyValue = ValkeyKeyValueMachine.TestCase
TestValkeyKeyValue.settings = MACHINE_SETTINGS
