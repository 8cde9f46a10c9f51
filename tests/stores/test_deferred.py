"""A store that the factory makes is opened by its first operation, and behaves like the adapter behind it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.sqlite.cases import SqliteCaseRepository
from bootstrap.stores import InvalidStoreConfiguration, Opening, StoreFactory
from bootstrap.stores.deferred import DeferredStore
from bootstrap.stores.deferred_ports import (
    DeferredBlobStore,
    DeferredCacheStore,
    DeferredCaseRepository,
    DeferredKnowledgeRepository,
    DeferredUserRepository,
)
from ports.blobs import BlobStore
from ports.capabilities import Closeable
from ports.cases import CaseRepository
from ports.deferred import Deferred
from ports.errors import StorageUnavailable
from ports.knowledge import KnowledgeRepository
from ports.sessions import CacheStore
from ports.users import UserRepository
from tests.builders import a_case, a_user

PORTS: dict[type[DeferredStore[Any]], type] = {
    DeferredCaseRepository: CaseRepository,
    DeferredUserRepository: UserRepository,
    DeferredKnowledgeRepository: KnowledgeRepository,
    DeferredCacheStore: CacheStore,
    DeferredBlobStore: BlobStore,
}
METHODS = [
    pytest.param(deferred, name, id=f"{port.__name__}.{name}")
    for deferred, port in PORTS.items()
    for name in sorted({name for cls in port.__mro__ for name in vars(cls) if not name.startswith("_")})
    if name != "begin_transaction"
]


class Recorded:
    """Any port: notes the call and answers with something of its own."""

    def __init__(self, method: str) -> None:
        self.answer = object()
        self.calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
        setattr(self, method, self._call)

    async def _call(self, *args: object, **kwargs: object) -> object:
        self.calls.append((args, kwargs))
        return self.answer


@pytest.mark.parametrize(("deferred", "name"), METHODS)
async def test_each_method_hands_on_what_it_is_given_and_what_it_gets(
    deferred: type[DeferredStore[Any]], name: str
) -> None:
    recorded = Recorded(name)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        yield recorded

    signature = inspect.signature(getattr(PORTS[deferred], name))
    given = signature.bind_partial(None)
    given.arguments |= {parameter: object() for parameter in list(signature.parameters)[1:]}
    answer = await getattr(deferred("store", opened), name)(*given.args[1:], **given.kwargs)
    ((args, kwargs),) = recorded.calls
    assert signature.bind(None, *args, **kwargs).arguments == given.arguments
    assert name == "set_many" or answer is recorded.answer


class Openings:
    """How often a store was opened and closed."""

    def __init__(self) -> None:
        self.failing = 0
        self.opened = 0
        self.closed = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[object]:
        await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            raise StorageUnavailable("the backend is away")
        self.opened += 1
        yield self
        await asyncio.sleep(0)
        self.closed += 1


@pytest.fixture
def openings() -> Openings:
    return Openings()


@pytest.fixture
def store(openings: Openings) -> DeferredStore[object]:
    return DeferredStore("store", openings.open)


async def test_many_who_need_it_at_once_open_it_once(store: DeferredStore[object], openings: Openings) -> None:
    assert openings.opened == 0
    assert await asyncio.gather(*(store.opened() for _ in range(10))) == [openings] * 10
    assert openings.opened == 1
    await store.aclose()
    await store.aclose()
    assert openings.closed == 1


async def test_the_first_operation_says_that_it_cannot_be_opened_and_the_next_tries_again(
    store: DeferredStore[object], openings: Openings
) -> None:
    openings.failing = 1
    with pytest.raises(StorageUnavailable, match="away"):
        await store.opened()
    assert await store.opened() is openings


async def test_a_closed_store_stays_closed(store: DeferredStore[object], openings: Openings) -> None:
    async with store:
        await store.opened()
    with pytest.raises(StorageUnavailable, match="the store is closed"):
        await store.opened()
    assert (openings.opened, openings.closed) == (1, 1)


async def test_closing_a_store_that_was_never_used_opens_nothing(
    store: DeferredStore[object], openings: Openings
) -> None:
    await store.aclose()
    assert openings.opened == 0
    with pytest.raises(StorageUnavailable):
        await store.opened()


async def test_a_cancelled_opening_leaves_it_to_the_next(store: DeferredStore[object], openings: Openings) -> None:
    first = asyncio.create_task(store.opened())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await store.opened() is openings
    await store.aclose()
    assert (openings.opened, openings.closed) == (1, 1)


async def test_closing_during_the_opening_closes_what_was_opened(
    store: DeferredStore[object], openings: Openings
) -> None:
    opening = asyncio.create_task(store.opened())
    await asyncio.sleep(0)
    await store.aclose()
    await asyncio.gather(opening, return_exceptions=True)
    assert openings.opened == openings.closed


async def test_a_backend_that_is_away_is_an_error_of_the_ports() -> None:
    async with StoreFactory.create_cache_store({"type": "redis", "url": "redis://127.0.0.1:1"}) as cache:
        with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1"):
            await cache.get("key")
    away = {"type": "postgres", "connection": "postgresql://me:sesame@127.0.0.1:1/cases"}
    async with StoreFactory.create_case_repository(away) as cases:
        with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1"):
            await cases.get("case_1")


async def test_the_adapter_itself_is_at_hand(tmp_path: Path) -> None:
    async with StoreFactory.create_case_repository({"type": "sqlite", "path": str(tmp_path / "cases.db")}) as cases:
        assert isinstance(cases, Deferred)
        assert isinstance(cases, Closeable)
        assert isinstance(await cases.opened(), SqliteCaseRepository)


@pytest.mark.parametrize("kind", ["inmemory", "sqlite"])
async def test_a_transaction_is_that_of_the_adapter(kind: str, tmp_path: Path) -> None:
    path = {"path": str(tmp_path / "cases.db")} if kind == "sqlite" else {}
    async with StoreFactory.create_case_repository({"type": kind, **path}) as cases:
        kept, lost = a_case(1), a_case(2)
        async with cases.begin_transaction():
            await cases.save(kept)
        with suppress(ZeroDivisionError):
            async with cases.begin_transaction():
                await cases.save(lost)
                raise ZeroDivisionError
        assert [case.case_id for case in await cases.scan()] == [kept.case_id]


async def test_stores_with_one_opening_share_a_database(tmp_path: Path) -> None:
    """Until the last of them is closed."""
    configuration = {"type": "sqlite", "path": str(tmp_path / "faultmaven.db")}
    opening = Opening()
    cases = StoreFactory.create_case_repository(configuration, opening=opening)
    users = StoreFactory.create_user_repository(configuration, opening=opening)
    alone = StoreFactory.create_case_repository(configuration)
    case, user = await cases.save(a_case()), await users.save(a_user())
    database = (await cases.opened())._database  # type: ignore[attr-defined]
    assert (await users.opened())._database is database  # type: ignore[attr-defined]
    assert (await alone.opened())._database is not database  # type: ignore[attr-defined]
    await cases.aclose()
    assert await users.get(user.user_id) == user
    await users.aclose()
    with pytest.raises(StorageUnavailable):
        await database.read(lambda _: None)
    again = StoreFactory.create_case_repository(configuration, opening=opening)
    assert await again.get(case.case_id) == case
    await asyncio.gather(again.aclose(), alone.aclose())


async def test_sessions_of_two_namespaces_are_apart_in_one_file(tmp_path: Path) -> None:
    opening = Opening()
    file = {"type": "sqlite", "path": str(tmp_path / "sessions.db")}
    sessions = StoreFactory.create_session_store(file, opening=opening)
    cache = StoreFactory.create_cache_store({**file, "namespace": "cache"}, opening=opening)
    await sessions.set("key", "session")
    assert await cache.get("key") is None
    await cache.set("key", "cached")
    assert await cache.clear() == 1
    await cache.aclose()
    assert await sessions.get("key") == "session"
    await sessions.aclose()


def test_a_configuration_is_checked_before_anything_is_opened() -> None:
    with pytest.raises(InvalidStoreConfiguration):
        StoreFactory.create_cache_store({"type": "redis", "url": "127.0.0.1"})
