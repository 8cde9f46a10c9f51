"""A cluster whose slots move and whose servers fail."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import timedelta

import pytest
import redis
from redis.crc import key_slot

from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from ports.errors import StorageUnavailable
from tests.servers.redis import RedisCluster, RedisServer

pytestmark = pytest.mark.redis

NAMESPACE = "{one slot}:"
TTL = timedelta(minutes=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    """A cluster that may be ill-treated."""
    cluster = RedisCluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
async def store(cluster: RedisCluster) -> AsyncIterator[RedisSessionStore]:
    """All its keys lie in one slot."""
    async with aclosing(await RedisSessionStore.open(RedisOptions(cluster.url, namespace=NAMESPACE))) as store:
        yield store
        await store.clear()


class Slot:
    """The slot of the namespace, on its way from one server to another."""

    def __init__(self, cluster: RedisCluster) -> None:
        self.number = key_slot(NAMESPACE.encode())
        self.clients = [redis.Redis(port=node.port) for node in cluster.nodes]
        holders = [client for client in self.clients if self.is_held_by(client)]
        (self.source,) = holders
        self.target = next(client for client in self.clients if client is not self.source)
        self.port = next(
            node.port for node, client in zip(cluster.nodes, self.clients, strict=True) if client is self.target
        )

    def is_held_by(self, client: redis.Redis) -> bool:
        try:
            client.execute_command("GET", NAMESPACE)
        except redis.exceptions.MovedError:
            return False
        return True

    def id_of(self, client: redis.Redis) -> str:
        answer: bytes = client.execute_command("CLUSTER MYID")
        return answer.decode()

    def begin(self) -> None:
        """Keys that do not exist are asked for at the target from now on."""
        source, target = self.id_of(self.source), self.id_of(self.target)
        self.target.execute_command("CLUSTER SETSLOT", self.number, "IMPORTING", source)
        self.source.execute_command("CLUSTER SETSLOT", self.number, "MIGRATING", target)

    def move(self, *names: str) -> None:
        for name in names:
            self.source.execute_command("MIGRATE", "127.0.0.1", self.port, NAMESPACE + name, 0, 5000)

    def end(self) -> None:
        target = self.id_of(self.target)
        for client in (self.target, self.source):
            client.execute_command("CLUSTER SETSLOT", self.number, "NODE", target)

    def close(self) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture
def slot(cluster: RedisCluster) -> Iterator[Slot]:
    slot = Slot(cluster)
    yield slot
    slot.close()


async def test_keys_lie_on_all_servers(cluster: RedisCluster) -> None:
    async with aclosing(await RedisSessionStore.open(RedisOptions(cluster.url, namespace="spread:"))) as store:
        names = [f"key:{number:04}" for number in range(1200)]
        await store.set_many({name: name for name in names}, TTL)
        for node in cluster.nodes:
            with redis.Redis(port=node.port) as client:
                assert client.dbsize() > 300
        assert await store.get_many(names) == {name: name for name in names}
        assert await store.keys("*") == names
        assert await store.clear() == len(names)


async def test_a_slot_that_moves_is_followed(store: RedisSessionStore, slot: Slot) -> None:
    """Every key is where it is said to be at every moment, whether it has moved, moves later or comes into being."""
    await store.set_many(dict.fromkeys(("moved", "stays", "both"), "1"))
    slot.begin()
    slot.move("moved", "both")
    assert await store.get_many(["moved", "stays", "both", "missing"]) == {"moved": "1", "stays": "1", "both": "1"}
    assert await store.increment("moved") == 2
    assert await store.increment("stays") == 2
    # The target has not seen the scripts.
    assert await store.increment("moved", 1, TTL) == 3
    assert await store.increment("new", 1, TTL) == 1
    assert await store.compare_and_set("both", "1", "2") is True
    assert await store.compare_and_set("stays", "2", None) is True
    assert await store.add("stays", "3") is True
    await store.set_many({"new": "4", "another": "5"})
    expected = {"moved": "3", "both": "2", "stays": "3", "new": "4", "another": "5"}
    assert await store.get_many(list(expected)) == expected
    assert await store.keys("*") == sorted(expected)
    slot.move(*expected)
    slot.end()
    assert await store.increment("new") == 5
    assert await store.get_many(list(expected)) == expected | {"new": "5"}
    assert await store.clear() == 5


async def test_many_operations_follow_at_the_same_time(store: RedisSessionStore, slot: Slot) -> None:
    await store.set("counter", "0")
    tasks = [asyncio.create_task(store.increment("counter")) for _ in range(50)]
    await asyncio.sleep(0)
    slot.begin()
    slot.move("counter")
    tasks += [asyncio.create_task(store.increment("counter")) for _ in range(50)]
    await asyncio.sleep(0)
    slot.end()
    tasks += [asyncio.create_task(store.increment("counter")) for _ in range(50)]
    assert sorted(await asyncio.gather(*tasks)) == list(range(1, 151))


def holder(cluster: RedisCluster, key: str) -> RedisServer:
    """The server that holds the key."""
    for node in cluster.nodes:
        with redis.Redis(port=node.port) as client:
            try:
                client.execute_command("GET", key)
            except redis.exceptions.MovedError:
                continue
            return node
    raise AssertionError(f"nobody holds {key}")


async def test_a_server_that_fails_and_comes_back() -> None:
    """Its keys are unavailable at once; the first call after its return succeeds, though the cluster takes a while."""
    cluster = RedisCluster()
    try:
        cluster.start()
        async with aclosing(await RedisSessionStore.open(RedisOptions(cluster.url, namespace="test:"))) as store:
            names = [f"key:{number}" for number in range(30)]
            await store.set_many(dict.fromkeys(names, "0"))
            await asyncio.gather(*(store.increment(name) for name in names for _ in range(3)))
            victim = holder(cluster, "test:key:0")
            lost = [name for name in names if holder(cluster, f"test:{name}") is victim]
            assert 0 < len(lost) < len(names)
            victim.kill()
            async with asyncio.timeout(2):
                outcomes = await asyncio.gather(*(store.increment(name) for name in names), return_exceptions=True)
                for operation in (store.keys("*"), store.clear(), store.get_many(names)):
                    with pytest.raises(StorageUnavailable):
                        await operation
            assert [name for name, outcome in zip(names, outcomes, strict=True) if outcome == 4] == [
                name for name in names if name not in lost
            ]
            assert sum(isinstance(outcome, StorageUnavailable) for outcome in outcomes) == len(lost)
            victim.start()
            assert await store.increment(lost[0]) == 1
            for node in cluster.nodes:
                node.kill()
            with pytest.raises(StorageUnavailable, match="REDIS_URL"):
                await store.get("key:0")
            for node in cluster.nodes:
                node.start()
            assert await store.increment("key:0") == 1
    finally:
        cluster.remove()


async def test_a_cluster_without_all_slots_lists_no_keys() -> None:
    """Half an answer would be a wrong one."""
    server = RedisServer(options=["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"])
    try:
        server.start()
        with redis.Redis(port=server.port) as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(8000))
        with pytest.raises(StorageUnavailable, match="all slots"):
            await RedisSessionStore.open(RedisOptions(f"redis+cluster://127.0.0.1:{server.port}"))
    finally:
        server.remove()
