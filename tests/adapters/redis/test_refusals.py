"""What servers refuse, and what they hold that was not written by a store."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from ports.errors import InvalidInput, StorageCorrupt, StorageFull, StorageUnavailable
from tests.servers.process import free_port
from tests.servers.redis import RedisServer
from tests.servers.redis_time import client_of

pytestmark = pytest.mark.redis

SECRET = "s3cr3t:@/"
ENCODED = "s3cr3t%3A%40%2F"
TTL = timedelta(minutes=1)


@pytest.fixture(scope="module")
def guarded() -> Iterator[RedisServer]:
    """A server that wants a password."""
    server = RedisServer(options=["--requirepass", SECRET])
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["redis", "valkey"])
def own_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server whose configuration may be changed."""
    server = RedisServer(request.param)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def admin(own_server: RedisServer) -> Iterator[Any]:
    with client_of(own_server.url) as client:
        yield client


async def test_the_password_may_stand_in_the_url_or_apart(guarded: RedisServer) -> None:
    for options in (
        RedisOptions(f"redis://:{ENCODED}@127.0.0.1:{guarded.port}/0"),
        RedisOptions(f"redis://default:{ENCODED}@127.0.0.1:{guarded.port}/3"),
        RedisOptions(f"redis://127.0.0.1:{guarded.port}", password=SECRET),
        RedisOptions(f"redis://default:wrong@127.0.0.1:{guarded.port}", password=SECRET),
    ):
        store = await RedisSessionStore.open(options)
        await store.set("key", "value")
        assert await store.get("key") == "value"
        await store.aclose()


@pytest.mark.parametrize("given", [None, "wr0ng", ENCODED])
async def test_a_wrong_password_is_said(guarded: RedisServer, given: str | None) -> None:
    with pytest.raises(StorageUnavailable, match="REDIS_PASSWORD") as caught:
        await RedisSessionStore.open(RedisOptions(f"redis://127.0.0.1:{guarded.port}", password=given))
    assert str(guarded.port) in str(caught.value)
    assert given is None or given not in str(caught.value)


async def test_a_password_that_nobody_wants_is_said(redis_url: str) -> None:
    with pytest.raises(StorageUnavailable, match="REDIS_PASSWORD") as caught:
        await RedisSessionStore.open(RedisOptions(redis_url, password=SECRET))
    assert SECRET not in str(caught.value)


async def test_a_password_that_is_set_later_is_said(own_server: RedisServer, admin: Any) -> None:
    """Connections that are logged in stay so; new ones are refused."""
    store = await RedisSessionStore.open(RedisOptions(own_server.url))
    admin.config_set("requirepass", SECRET)
    admin.execute_command("CLIENT KILL TYPE normal SKIPME yes")
    with pytest.raises(StorageUnavailable, match="REDIS_PASSWORD"):
        await store.increment("key")
    await store.aclose()


async def test_a_user_without_rights_is_told(own_server: RedisServer, admin: Any) -> None:
    admin.execute_command("ACL SETUSER reader on >pass ~faultmaven:* +get +ping")
    store = await RedisSessionStore.open(RedisOptions(f"redis://reader:pass@127.0.0.1:{own_server.port}"))
    assert await store.get("key") is None
    with pytest.raises(StorageUnavailable, match="ACL"):
        await store.set("key", "value")
    await store.aclose()


async def test_a_full_server_refuses_writes_and_serves_reads(own_server: RedisServer, admin: Any) -> None:
    store = await RedisSessionStore.open(RedisOptions(own_server.url))
    await store.set_many({"key": "value", "number": "1"})
    admin.config_set("maxmemory-policy", "noeviction")
    admin.config_set("maxmemory", 1)
    writes = (
        store.set("key", "new"),
        store.add("new", "value"),
        store.set_many({"key": "new"}),
        store.compare_and_set("key", "value", "new", TTL),
        store.increment("number"),
        store.increment("number", 1, TTL),
        store.increment("new", 1, TTL),
    )
    for write in writes:
        with pytest.raises(StorageFull, match="maxmemory"):
            await write
    assert await store.get_many(["key", "number", "new"]) == {"key": "value", "number": "1"}
    assert await store.delete("key") is True
    assert await store.clear() == 1
    await store.aclose()


async def test_a_replica_refuses_writes(own_server: RedisServer, admin: Any) -> None:
    store = await RedisSessionStore.open(RedisOptions(own_server.url))
    await store.set("key", "1")
    admin.execute_command("REPLICAOF", "127.0.0.1", free_port())
    for write in (store.set("key", "2"), store.compare_and_set("key", "1", "2"), store.increment("new", 1, TTL)):
        with pytest.raises(StorageUnavailable, match="replica"):
            await write
    assert await store.get("key") == "1"
    await store.aclose()


async def test_a_server_with_too_many_clients_is_said(own_server: RedisServer, admin: Any) -> None:
    store = await RedisSessionStore.open(RedisOptions(own_server.url))
    admin.config_set("maxclients", 2)
    with pytest.raises(StorageUnavailable, match="maxclients"):
        await RedisSessionStore.open(RedisOptions(own_server.url))
    assert await store.increment("key") == 1
    await store.aclose()


async def test_a_database_that_does_not_exist_is_said(redis_url: str) -> None:
    with pytest.raises(StorageUnavailable, match="REDIS_DB"):
        await RedisSessionStore.open(RedisOptions(redis_url.removesuffix("0") + "4000"))


async def test_a_cluster_must_be_called_one(redis_cluster_url: str) -> None:
    store = await RedisSessionStore.open(RedisOptions(redis_cluster_url.replace("+cluster", "")))
    with pytest.raises(StorageUnavailable, match=r"redis\+cluster://"):
        await store.get_many([f"key:{number}" for number in range(10)])
    await store.aclose()


async def test_a_single_server_is_no_cluster(redis_url: str) -> None:
    with pytest.raises(StorageUnavailable, match=r"not part of a cluster.* redis://"):
        await RedisSessionStore.open(RedisOptions(redis_url.replace("redis://", "redis+cluster://")))


async def test_foreign_data_is_not_taken_for_values(store: RedisSessionStore, client: Any, root: str) -> None:
    client.set(f"{root}mine:bytes", b"\xff\xfe")
    client.rpush(f"{root}mine:list", "value")
    client.set(f"{root}mine:".encode() + b"\xff", "value")
    client.set(f"{root}mine:", "the key without a name")
    reads = (store.get("bytes"), store.get("list"), store.get_many(["bytes"]))
    changes = (store.compare_and_set("list", "value", "new"), store.increment("list"), store.increment("list", 1, TTL))
    for operation in (*reads, *changes):
        with pytest.raises(StorageCorrupt):
            await operation
    with pytest.raises(InvalidInput):
        await store.increment("bytes")
    assert await store.keys("*") == ["bytes", "list"]
    # Two keys are nobody's but lie in the namespace; the one that is the namespace itself may be another store's.
    assert await store.clear() == 3
    assert client.delete(f"{root}mine:") == 1


@pytest.mark.quirk("Redis", "a prefix with `*` or `[` in it is a pattern to SCAN, and finds the keys of others")
async def test_namespaces_are_no_patterns(store: RedisSessionStore, client: Any, redis_url: str, root: str) -> None:
    client.set(f"{root}ax:key", "value")
    client.set(f"{root}[ab]*?\\:key", "value")
    odd = await RedisSessionStore.open(RedisOptions(redis_url, namespace=f"{root}[ab]*?\\:"))
    assert await odd.keys("*") == ["key"]
    assert await odd.clear() == 1
    await odd.aclose()
    assert client.delete(f"{root}ax:key") == 1
