"""What every `SessionStore` and every `CacheStore` does.

A subclass names its ``adapter`` and gives the fixtures ``store`` and ``neighbour``: two stores with their own namespace
on one backend, both empty. A durable adapter also subclasses `DurableSessionStoreContractTests` and gives ``reopen``.
An adapter whose backend keeps its own time overrides the fixtures ``clock`` and ``advance`` and the lengths of time.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from ports.capabilities import Closeable, SupportsHealth, SupportsIntegrityCheck
from ports.errors import InvalidInput, StorageUnavailable
from ports.sessions import CacheStore, SessionStore
from ports.transfer import StoredValue, SupportsValueTransfer
from tests.contract.guard import ContractTests
from tests.contract.sessions.bulk import CacheBulkTests
from tests.contract.sessions.concurrency import SessionConcurrencyTests
from tests.contract.sessions.counting import CacheCountingTests
from tests.contract.sessions.data import HOSTILE_KEYS, REFUSED_KEYS
from tests.contract.sessions.expiry import SessionExpiryTests
from tests.contract.sessions.fixtures import Advance, KeyValueFixtures, Reopen
from tests.contract.sessions.listing import SessionListingTests
from tests.contract.sessions.swapping import CacheSwappingTests
from tests.contract.sessions.transfer import ValueTransferTests
from tests.contract.sessions.values import SessionValueTests
from tests.contract.transfer.checkpoints import DurableCheckpointTests, OpenCheckpointTests


class SessionStoreContractTests(
    SessionValueTests,
    SessionExpiryTests,
    SessionListingTests,
    SessionConcurrencyTests,
    OpenCheckpointTests,
    ContractTests,
):
    """Text values with an expiry."""

    contract = "SessionStore"

    @pytest.fixture
    def content(self, store: SessionStore) -> object:
        """The store, for the tests of what every kind of store may be able to do."""
        return store

    @pytest.fixture
    def close(self, store: SessionStore) -> Callable[[], Awaitable[None]]:
        """Let go of the store."""
        if not isinstance(store, Closeable):
            pytest.skip("nothing is held open")
        return store.aclose

    async def test_a_working_store_is_healthy(self, store: SessionStore) -> None:
        if not isinstance(store, SupportsHealth):
            pytest.skip("there is no backend that could fail")
        await store.check_health()
        assert await store.keys("*") == []

    async def test_what_was_written_has_integrity(self, store: SessionStore, advance: Advance) -> None:
        if not isinstance(store, SupportsIntegrityCheck):
            pytest.skip("there is no stored form that could be damaged")
        for key in HOSTILE_KEYS:
            await store.set(key, "value", self.ttl)
        await advance(self.ttl)
        assert list(await store.check_integrity()) == []

    async def test_closing_twice_does_nothing_and_use_afterwards_is_an_error(self, store: SessionStore) -> None:
        if not isinstance(store, Closeable):
            pytest.skip("nothing is held open")
        await store.set("key", "value")
        await store.aclose()
        await store.aclose()
        operations: list[Awaitable[Any]] = [
            store.get("key"),
            store.set("key", "value"),
            store.delete("key"),
            store.exists("key"),
            store.expire("key", self.ttl),
            store.keys("*"),
        ]
        for operation in operations:
            with pytest.raises(StorageUnavailable):
                await operation


class DurableSessionStoreContractTests(KeyValueFixtures, DurableCheckpointTests, ContractTests):
    """Values outlive the process. The fixture ``reopen`` closes ``store`` and opens another one on the same data."""

    contract = "SessionStore, durable"

    @pytest.fixture
    def content(self, store: SessionStore) -> object:
        """The store, for the tests of what every kind of store may be able to do."""
        return store

    async def test_values_survive(self, store: SessionStore, reopen: Reopen) -> None:
        for number, key in enumerate(HOSTILE_KEYS):
            await store.set(key, str(number))
        store = await reopen()
        assert [await store.get(key) for key in HOSTILE_KEYS] == [str(number) for number in range(len(HOSTILE_KEYS))]
        assert await store.keys("*") == sorted(HOSTILE_KEYS)

    async def test_deletions_survive(self, store: SessionStore, reopen: Reopen) -> None:
        await store.set("key", "value")
        await store.delete("key")
        store = await reopen()
        assert await store.get("key") is None

    async def test_expiries_survive(self, store: SessionStore, reopen: Reopen, advance: Advance) -> None:
        await store.set("key", "value", self.ttl)
        await store.set("moved", "value", self.ttl)
        await store.expire("moved", self.ttl * 2)
        await store.set("endless", "value")
        await advance(self.ttl - self.tick)
        store = await reopen()
        assert await store.keys("*") == ["endless", "key", "moved"]
        await advance(self.tick)
        assert await store.keys("*") == ["endless", "moved"]
        await advance(self.ttl)
        store = await reopen()
        assert await store.keys("*") == ["endless"]


class CacheStoreContractTests(
    CacheBulkTests, CacheSwappingTests, CacheCountingTests, ValueTransferTests, ContractTests
):
    """Counting, comparing, several keys at once; moving values elsewhere."""

    contract = "CacheStore"

    @pytest.mark.parametrize("key", REFUSED_KEYS, ids=ascii)
    async def test_malformed_keys_are_refused_by_cache_operations(self, store: CacheStore, key: str) -> None:
        operations: list[Awaitable[Any]] = [
            store.get_many(["fine", key]),
            store.set_many({key: "value"}),
            store.add(key, "value"),
            store.compare_and_set(key, None, "value"),
            store.increment(key),
        ]
        for operation in operations:
            with pytest.raises(InvalidInput):
                await operation

    async def test_malformed_values_and_ttls_are_refused_by_cache_operations(self, store: CacheStore) -> None:
        operations: list[Awaitable[Any]] = [
            store.add("key", "\0"),
            store.compare_and_set("key", None, "\ud800"),
            store.add("key", "value", timedelta(0)),
            store.compare_and_set("key", None, "value", timedelta(seconds=-1)),
            store.increment("key", 1, timedelta(0)),
        ]
        for operation in operations:
            with pytest.raises(InvalidInput):
                await operation
        assert await store.keys("*") == []

    async def test_cache_operations_on_a_closed_store_are_errors(self, store: CacheStore) -> None:
        if not isinstance(store, Closeable):
            pytest.skip("nothing is held open")
        await store.aclose()
        operations: list[Awaitable[Any]] = [
            store.get_many(["key"]),
            store.set_many({"key": "value"}),
            store.add("key", "value"),
            store.compare_and_set("key", None, "value"),
            store.increment("key"),
            store.clear(),
        ]
        if isinstance(store, SupportsValueTransfer):
            operations += [store.scan(), store.put_many([StoredValue("key", "value", None)])]
        for operation in operations:
            with pytest.raises(StorageUnavailable):
                await operation
