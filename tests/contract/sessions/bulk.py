"""Several values at once."""

from datetime import timedelta

import pytest

from ports.errors import InvalidInput
from ports.sessions import CacheStore
from tests.contract.sessions.data import HOSTILE_KEYS
from tests.contract.sessions.fixtures import Advance, KeyValueFixtures


class CacheBulkTests(KeyValueFixtures):
    """Reading and storing several values, and removing all."""

    @pytest.mark.quirk("Redis cluster", "MGET is refused for keys that lie in different slots")
    async def test_get_many_gives_what_exists(self, store: CacheStore, advance: Advance) -> None:
        await store.set("a", "1")
        await store.set("b", "")
        await store.set("expired", "3", self.ttl)
        await advance(self.ttl)
        assert await store.get_many(["a", "b", "a", "expired", "missing"]) == {"a": "1", "b": ""}
        assert await store.get_many([]) == {}

    async def test_get_many_answers_under_the_key_as_it_was_given(self, store: CacheStore) -> None:
        composed, decomposed = "\N{LATIN SMALL LETTER U WITH DIAERESIS}", "u\N{COMBINING DIAERESIS}"
        await store.set(composed, "value")
        assert await store.get_many([decomposed, composed]) == {decomposed: "value", composed: "value"}

    async def test_set_many_stores_all_with_one_expiry(self, store: CacheStore, advance: Advance) -> None:
        await store.set("a", "old")
        await store.set_many({"a": "1", "b": "2"}, self.ttl)
        assert await store.get_many(["a", "b"]) == {"a": "1", "b": "2"}
        await advance(self.ttl)
        assert await store.keys("*") == []

    async def test_set_many_without_ttl_clears_old_expiries(self, store: CacheStore, advance: Advance) -> None:
        await store.set("a", "old", self.ttl)
        await store.set_many({"a": "1", "b": "2"})
        await advance(self.ttl)
        assert await store.get_many(["a", "b"]) == {"a": "1", "b": "2"}

    async def test_set_many_of_nothing_does_nothing(self, store: CacheStore) -> None:
        await store.set_many({}, self.ttl)
        assert await store.keys("*") == []

    async def test_set_many_with_one_malformed_item_stores_none(self, store: CacheStore) -> None:
        for values in ({"a": "1", "b": "\0"}, {"a": "1", "": "2"}):
            with pytest.raises(InvalidInput):
                await store.set_many(values)
        with pytest.raises(InvalidInput):
            await store.set_many({"a": "1"}, timedelta(0))
        assert await store.keys("*") == []

    async def test_clear_removes_and_counts_what_is_there(self, store: CacheStore, advance: Advance) -> None:
        await store.set("expired", "value", self.ttl)
        await advance(self.ttl)
        for key in HOSTILE_KEYS:
            await store.set(key, "value", self.ttl)
        assert await store.clear() == len(HOSTILE_KEYS)
        assert await store.keys("*") == []
        assert await store.clear() == 0

    @pytest.mark.quirk("Redis", "FLUSHDB empties the whole database, not one namespace")
    async def test_clear_leaves_other_namespaces(self, store: CacheStore, neighbour: CacheStore) -> None:
        await store.set("key", "mine")
        await neighbour.set("key", "theirs")
        assert await store.clear() == 1
        assert await neighbour.get("key") == "theirs"

    async def test_a_cleared_store_forgets_old_expiries(self, store: CacheStore, advance: Advance) -> None:
        await store.set("key", "old", self.ttl)
        await store.clear()
        await store.set("key", "new")
        await advance(self.ttl)
        assert await store.get("key") == "new"
