"""Stores with namespaces of their own on the servers of the test session."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest

from adapters.redis.options import RedisOptions
from adapters.redis.sessions import RedisSessionStore
from tests.servers.redis_time import client_of

Open = Callable[..., Awaitable[RedisSessionStore]]


@pytest.fixture
def url(redis_url: str) -> str:
    """The address of the server that the store lies on; classes override it."""
    return redis_url


@pytest.fixture
def root() -> str:
    """The beginning of all keys of a test."""
    return f"test:{uuid4().hex}:"


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    """Another client of the same server."""
    with client_of(url) as client:
        yield client


@pytest.fixture
async def open_store(url: str, root: str) -> AsyncIterator[Open]:
    """Opens stores that are emptied and closed after the test."""
    opened: list[RedisSessionStore] = []

    async def open_store(name: str = "mine", **options: Any) -> RedisSessionStore:
        opened.append(await RedisSessionStore.open(RedisOptions(url, namespace=f"{root}{name}:", **options)))
        return opened[-1]

    yield open_store
    for store in opened:
        await store.aclose()


@pytest.fixture
async def store(open_store: Open, client: Any) -> AsyncIterator[RedisSessionStore]:
    yield await open_store()
    async with aclosing(await open_store()) as cleaner:
        await cleaner.clear()


@pytest.fixture
async def neighbour(open_store: Open) -> AsyncIterator[RedisSessionStore]:
    yield await open_store("theirs")
    async with aclosing(await open_store("theirs")) as cleaner:
        await cleaner.clear()
