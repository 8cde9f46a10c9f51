"""Servers that are away, stall, or lose answers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from ports.errors import OutcomeUnknown, StorageUnavailable
from tests.servers.process import free_port
from tests.servers.redis import RedisServer
from tests.servers.relay import Relay, relay_to

pytestmark = pytest.mark.redis

TTL = timedelta(minutes=1)
Call = Callable[[RedisSessionStore], Awaitable[object]]

READS: dict[str, Call] = {
    "get": lambda store: store.get("key"),
    "exists": lambda store: store.exists("key"),
    "get_many": lambda store: store.get_many(["key", "other"]),
}
WRITES: dict[str, Call] = {
    "set": lambda store: store.set("key", "2"),
    "delete": lambda store: store.delete("key"),
    "expire": lambda store: store.expire("key", TTL),
    "set_many": lambda store: store.set_many({"key": "2", "other": "2"}),
    "add": lambda store: store.add("new", "1"),
    "compare_and_set": lambda store: store.compare_and_set("key", "1", "2"),
    "increment": lambda store: store.increment("key"),
    "increment with ttl": lambda store: store.increment("key", 1, TTL),
    "clear": lambda store: store.clear(),
}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that may be ill-treated."""
    server = RedisServer(durable=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
async def relay(server: RedisServer) -> AsyncIterator[Relay]:
    async with relay_to(server.port) as relay:
        yield relay


async def opened(port: int, **options: float) -> RedisSessionStore:
    return await RedisSessionStore.open(RedisOptions(f"redis://:@127.0.0.1:{port}", **options))  # type: ignore[arg-type]


async def test_a_server_that_is_away_is_named_at_once() -> None:
    port = free_port()
    async with asyncio.timeout(1):
        with pytest.raises(
            StorageUnavailable, match=f"127.0.0.1:{port} cannot be reached: Connection refused"
        ) as caught:
            await opened(port)
    for setting in ("REDIS_URL", "REDIS_HOST", "REDIS_PORT"):
        assert setting in str(caught.value)


async def test_a_host_without_address_is_named() -> None:
    with pytest.raises(StorageUnavailable, match=r"no-such-host\.invalid:6379 cannot be reached"):
        await RedisSessionStore.open(RedisOptions("redis://no-such-host.invalid"))


async def test_the_first_call_after_a_restart_succeeds(server: RedisServer) -> None:
    """No matter how many connections died, and whether the event loop has noticed. Nothing acknowledged is lost."""
    store = await opened(server.port)
    try:
        for turn in range(3):
            await asyncio.gather(*(store.increment(f"counter:{number}") for number in range(20)))
            server.kill()
            if turn == 1:
                async with asyncio.timeout(1):
                    for call in (READS | WRITES).values():
                        with pytest.raises(StorageUnavailable):
                            await call(store)
            # Without a turn of the event loop in between, it has not heard of the death.
            server.start()
            sums = await asyncio.gather(*(store.increment(f"counter:{number}") for number in range(20)))
            assert sums == [2 * turn + 2] * 20
    finally:
        await store.aclose()


async def test_acknowledged_writes_survive_a_kill_in_the_middle(server: RedisServer) -> None:
    store = await opened(server.port)
    acknowledged = 0
    started = asyncio.Event()

    async def count() -> None:
        nonlocal acknowledged
        while True:
            acknowledged = await store.increment("counter")
            if acknowledged == 100:
                started.set()

    task = asyncio.create_task(count())
    try:
        async with asyncio.timeout(20):
            await started.wait()
        server.kill()
        with pytest.raises((OutcomeUnknown, StorageUnavailable)):
            await task
        server.start()
        # The one whose answer was lost may have been executed, but no second one.
        assert await store.get("counter") in (str(acknowledged), str(acknowledged + 1))
    finally:
        await store.aclose()


@pytest.mark.parametrize("operation", READS)
async def test_a_read_whose_answer_is_lost_is_repeated(relay: Relay, operation: str) -> None:
    store = await opened(relay.port)
    try:
        await store.set("key", "1")
        expected = await READS[operation](store)
        relay.answers_to_lose = 1
        assert await READS[operation](store) == expected
        assert relay.connections == 2
        # Twice is too often. The connection is there, and each of the two attempts loses one.
        relay.answers_to_lose = 9
        with pytest.raises(StorageUnavailable):
            await READS[operation](store)
    finally:
        await store.aclose()


@pytest.mark.parametrize("operation", WRITES)
async def test_a_write_whose_answer_is_lost_is_not_repeated(relay: Relay, server: RedisServer, operation: str) -> None:
    store = await opened(relay.port)
    direct = await opened(server.port)
    try:
        await store.set("key", "1")
        # So that the script is known, and the first answer is that of its execution.
        await store.increment("loaded", 1, TTL)
        await store.increment("loaded", 1, TTL)
        await store.compare_and_set("loaded", "something else", "3")
        connections = relay.connections
        if operation == "clear":
            # Its first answer is that of a search for keys, which is a read.
            relay.answers_to_lose = 1
            with pytest.raises(StorageUnavailable):
                await WRITES[operation](store)
            return
        relay.answers_to_lose = 1
        with pytest.raises(OutcomeUnknown):
            await WRITES[operation](store)
        assert relay.connections == connections
        values = await direct.get_many(["key", "new"])
        expected = {
            "set": {"key": "2"},
            "delete": {},
            "expire": {"key": "1"},
            "set_many": {"key": "2"},
            "add": {"key": "1", "new": "1"},
            "compare_and_set": {"key": "2"},
            "increment": {"key": "2"},
            "increment with ttl": {"key": "2"},
        }
        assert values == expected[operation]
        assert await store.get_many(["key", "new"]) == values
    finally:
        await store.aclose()
        await direct.aclose()


async def test_a_server_that_stalls_is_given_up_in_time(server: RedisServer) -> None:
    store = await opened(server.port, timeout=0.5)
    try:
        await store.set("key", "1")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(3):
                with pytest.raises(StorageUnavailable, match=r"0\.5 s"):
                    await store.get("key")
                # Its connection is given up, and a new one is accepted by the system, but not greeted.
                with pytest.raises(StorageUnavailable, match=r"0\.5 s"):
                    await store.set("key", "2")
                with pytest.raises(StorageUnavailable, match=r"0\.5 s"):
                    await store.check_health()
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert await store.get("key") == "1"
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with pytest.raises(OutcomeUnknown):
                await store.increment("key")
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert await store.get("key") == "2"
    finally:
        await store.aclose()


async def test_waiting_for_a_connection_ends(server: RedisServer) -> None:
    store = await opened(server.port, max_connections=2, timeout=0.5)
    try:
        await store.set("key", "1")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            outcomes = await asyncio.gather(*(store.get("key") for _ in range(10)), return_exceptions=True)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert all(isinstance(outcome, StorageUnavailable) for outcome in outcomes)
        # Those who are next may get the connections that are given up, in the same moment in which their time ends.
        assert sum("all 2 connections" in str(outcome) for outcome in outcomes) >= 6
        assert await asyncio.gather(*(store.get("key") for _ in range(10))) == ["1"] * 10
    finally:
        await store.aclose()


async def test_no_more_connections_than_allowed_are_made(relay: Relay) -> None:
    store = await opened(relay.port, max_connections=3)
    try:
        await asyncio.gather(*(store.increment("key") for _ in range(100)))
        assert relay.connections == 3
    finally:
        await store.aclose()


async def test_connections_that_the_server_closes_cost_nothing(relay: Relay) -> None:
    """As when the server has a time limit for idle clients."""
    store = await opened(relay.port, max_connections=5)
    try:
        await asyncio.gather(*(store.increment("key") for _ in range(50)))
        for client in list(relay.clients):
            client.cancel()
        await asyncio.gather(*relay.clients, return_exceptions=True)
        sums = await asyncio.gather(*(store.increment("key") for _ in range(50)))
        assert sorted(sums) == list(range(51, 101))
    finally:
        await store.aclose()


async def test_closing_lets_running_operations_finish(relay: Relay) -> None:
    store = await opened(relay.port, max_connections=3)
    tasks = [asyncio.create_task(store.increment("key")) for _ in range(10)]
    await asyncio.sleep(0.005)
    await store.aclose()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, int | StorageUnavailable) for outcome in outcomes)
    for _ in range(100):
        if not relay.clients:
            break
        await asyncio.sleep(0.01)
    assert not relay.clients
