"""Moving values and keeping checkpoints, where Redis is peculiar."""

from typing import Any

import pytest

from adapters.redis.options import RedisOptions, Target
from adapters.redis.sessions import RedisSessionStore
from ports.errors import StorageCorrupt
from ports.transfer import StoredValue

pytestmark = pytest.mark.redis


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://host", "redis://host:6379/0"),
        ("rediss://user:secret@HOST:7000/3", "redis://host:7000/3"),
        ("redis://[::1]/0", "redis://[::1]:6379/0"),
        ("redis+cluster://:secret@b:2,a:1", "redis+cluster://a:1,b:2/0"),
        ("rediss+cluster://a:1,b:2/0", "redis+cluster://a:1,b:2/0"),
    ],
)
def test_a_location_is_the_same_however_the_url_is_written_and_without_the_login(url: str, location: str) -> None:
    assert Target.of(RedisOptions(url, password="hidden")).location == location


@pytest.mark.parametrize("fixture", ["redis_url", "valkey_url", "redis_cluster_url"])
async def test_a_store_has_the_location_of_its_namespace(
    request: pytest.FixtureRequest, root: str, fixture: str
) -> None:
    url = request.getfixturevalue(fixture)
    stores = [await RedisSessionStore.open(RedisOptions(url, namespace=root + name)) for name in ("a:", "a:", "b:")]
    first, second, third = (store.location for store in stores)
    assert first == second == third.removesuffix("b:") + "a:"
    for store in stores:
        await store.aclose()


async def test_a_checkpoint_is_one_key_below_the_namespace(store: RedisSessionStore, client: Any, root: str) -> None:
    """So it is allowed to those whose ACL names the namespace; no value can have that key."""
    await store.write_checkpoint("copy", "text")
    name = f"{root}mine:".encode() + b"\xffcheckpoint:copy"
    assert (client.get(name), client.ttl(name)) == (b"text", -1)
    await store.write_checkpoint("copy", None)
    assert not client.exists(name)


async def test_more_than_a_page_of_checkpoints_hides_nothing(store: RedisSessionStore) -> None:
    for number in range(30):
        await store.write_checkpoint(f"copy-{number}", "text")
    await store.set_many({f"{number:04}": "value" for number in range(600)})
    assert len(await store.keys("*")) == 600
    assert await store.clear() == 600
    assert await store.read_checkpoint("copy-29") == "text"


async def test_the_expiry_is_the_millisecond_after_the_last_one(
    store: RedisSessionStore, client: Any, root: str
) -> None:
    """A server has a value in the millisecond in which it expires, the port does not."""
    moment = client.time()[0] * 1000 + 3_600_000
    await store.put_many([StoredValue("key", "value", moment)])
    seconds, micros = client.time()
    left = client.pttl(f"{root}mine:key")
    assert 0 <= moment - 1 - (seconds * 1000 + micros // 1000) - left < 1000
    assert await store.scan() == (StoredValue("key", "value", moment),)


async def test_something_else_in_the_namespace_is_an_error(store: RedisSessionStore, client: Any, root: str) -> None:
    client.rpush(f"{root}mine:list", "item")
    with pytest.raises(StorageCorrupt):
        await store.scan()
    client.delete(f"{root}mine:list")
    client.set(f"{root}mine:bytes", b"\xff")
    with pytest.raises(StorageCorrupt):
        await store.scan()
