"""Changes on a condition: `add` and `compare_and_set`."""

import asyncio

import pytest

from ports.sessions import CacheStore
from tests.contract.sessions.fixtures import Advance, KeyValueFixtures


class CacheSwappingTests(KeyValueFixtures):
    """Of many callers who expect the same, one wins."""

    async def test_add_stores_only_if_there_is_none(self, store: CacheStore, advance: Advance) -> None:
        assert await store.add("key", "first", self.ttl) is True
        assert await store.add("key", "second") is False
        assert await store.get("key") == "first"
        await advance(self.ttl)
        assert await store.add("key", "third") is True
        await advance(self.ttl)
        assert await store.get("key") == "third"

    async def test_one_of_many_adds_wins(self, store: CacheStore) -> None:
        won = await asyncio.gather(*(store.add("key", str(number)) for number in range(50)))
        assert won.count(True) == 1
        assert won.count(False) == 49
        assert await store.get("key") == str(won.index(True))

    async def test_compare_and_set_replaces_what_was_expected(self, store: CacheStore, advance: Advance) -> None:
        await store.set("key", "old", self.ttl)
        assert await store.compare_and_set("key", "old", "new") is True
        await advance(self.ttl)
        assert await store.get("key") == "new"
        assert await store.compare_and_set("key", "new", "newer", self.ttl) is True
        await advance(self.ttl - self.tick)
        assert await store.get("key") == "newer"
        await advance(self.tick)
        assert await store.get("key") is None

    @pytest.mark.parametrize("expected", ["other", "OLD", "old ", "", None])
    async def test_compare_and_set_leaves_what_was_not_expected(
        self, store: CacheStore, advance: Advance, expected: str | None
    ) -> None:
        await store.set("key", "old", self.ttl)
        assert await store.compare_and_set("key", expected, "new", self.ttl * 2) is False
        assert await store.compare_and_set("key", expected, None) is False
        assert await store.get("key") == "old"
        await advance(self.ttl)
        assert await store.get("key") is None

    async def test_compare_and_set_of_a_missing_key(self, store: CacheStore, advance: Advance) -> None:
        assert await store.compare_and_set("key", "old", "new") is False
        assert await store.compare_and_set("key", "", "new") is False
        assert await store.compare_and_set("key", None, None) is True
        assert await store.exists("key") is False
        assert await store.compare_and_set("key", None, "new", self.ttl) is True
        await advance(self.ttl)
        assert await store.compare_and_set("key", "new", "newer") is False
        assert await store.compare_and_set("key", None, "again") is True
        assert await store.get("key") == "again"

    async def test_compare_and_set_to_nothing_deletes(self, store: CacheStore) -> None:
        await store.set("key", "old")
        assert await store.compare_and_set("key", "old", None) is True
        assert await store.exists("key") is False

    @pytest.mark.parametrize("expected", [None, "old"])
    async def test_one_of_many_compare_and_sets_wins(self, store: CacheStore, expected: str | None) -> None:
        if expected is not None:
            await store.set("key", expected)
        won = await asyncio.gather(*(store.compare_and_set("key", expected, f"new {number}") for number in range(50)))
        assert won.count(True) == 1
        assert won.count(False) == 49
        assert await store.get("key") == f"new {won.index(True)}"
