"""A cancelled operation leaves no answer for the next one, and no connection is lost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from adapters.redis.sessions import RedisSessionStore
from tests.adapters.redis.conftest import Open

pytestmark = pytest.mark.redis

USERS = 100
CONNECTIONS = 5


@pytest.fixture(params=["redis", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("redis_url" if request.param == "redis" else "redis_cluster_url")
    return url


@pytest.fixture
async def store(open_store: Open, store: RedisSessionStore) -> RedisSessionStore:
    return await open_store(max_connections=CONNECTIONS)


def value_of(user: int) -> str:
    """Long enough to arrive in several parts."""
    return f"of user {user}: " + str(user) * 20_000


@pytest.mark.parametrize("turns", [0, 1, 3, 8])
@pytest.mark.parametrize("operation", ["get", "get_many", "compare_and_set", "increment", "keys"])
@pytest.mark.quirk(
    "Redis", "a cancelled command leaves its reply on the connection, where the next command takes it for its own"
)
async def test_nobody_reads_what_is_for_another(store: RedisSessionStore, turns: int, operation: str) -> None:
    """If this fails, somebody gets the session of somebody else."""
    await store.set_many({f"user:{user}": value_of(user) for user in range(USERS)})
    calls: dict[str, Callable[[int], Awaitable[object]]] = {
        "get": lambda user: store.get(f"user:{user}"),
        "get_many": lambda user: store.get_many([f"user:{user}", f"user:{USERS - 1 - user}"]),
        "compare_and_set": lambda user: store.compare_and_set(f"user:{user}", "something else", "new"),
        "increment": lambda user: store.increment(f"counter:{user % 7}"),
        "keys": lambda user: store.keys(f"user:{user}"),
    }

    async def call(user: int) -> object:
        return await calls[operation](user)

    tasks = [asyncio.create_task(call(user)) for user in range(USERS)]
    for task in tasks[::3]:
        # Some never begin, some are cut short at different moments, and two of three go on beside them.
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if operation == "get":
        answered = [(user, task.result()) for user, task in enumerate(tasks) if not task.cancelled()]
        assert all(value == value_of(user) for user, value in answered)
    for _ in range(2):
        values = await asyncio.gather(*(store.get(f"user:{user}") for user in range(USERS)))
        assert values == [value_of(user) for user in range(USERS)]


async def test_no_connection_is_lost(store: RedisSessionStore) -> None:
    """More operations are cancelled than there are connections, at each of their first moments."""
    await store.set("key", "x" * 100_000)
    for turns in range(30):
        tasks = [asyncio.create_task(store.get("key")) for _ in range(2 * CONNECTIONS)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(3):
        values = await asyncio.gather(*(store.get("key") for _ in range(4 * CONNECTIONS)))
    assert values == ["x" * 100_000] * (4 * CONNECTIONS)
