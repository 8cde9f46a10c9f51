"""Counting."""

import asyncio

import pytest

from ports.errors import InvalidInput
from ports.sessions import INT64_MAX, INT64_MIN, CacheStore
from tests.contract.sessions.fixtures import Advance, KeyValueFixtures


class CacheCountingTests(KeyValueFixtures):
    """Adding to whole numbers of 64 bits."""

    async def test_increment_counts(self, store: CacheStore) -> None:
        assert await store.increment("key") == 1
        assert await store.increment("key", 41) == 42
        assert await store.increment("key", -50) == -8
        assert await store.increment("key", 0) == -8
        assert await store.get("key") == "-8"
        await store.set("key", str(INT64_MAX - 1))
        assert await store.increment("key") == INT64_MAX
        assert await store.increment("low", INT64_MIN) == INT64_MIN

    async def test_increment_of_a_missing_key_applies_the_ttl(self, store: CacheStore, advance: Advance) -> None:
        assert await store.increment("key", 5, self.ttl) == 5
        await advance(self.ttl)
        assert await store.get("key") is None
        assert await store.increment("key", 7, self.ttl) == 7
        await advance(self.ttl)
        assert await store.exists("key") is False

    async def test_increment_of_a_present_key_leaves_its_expiry(self, store: CacheStore, advance: Advance) -> None:
        """A window of a rate limit must not slide with each request."""
        await store.increment("window", 1, self.ttl)
        await store.set("endless", "1")
        await advance(self.ttl / 2)
        await store.increment("window", 1, self.ttl)
        await store.increment("endless", 1, self.ttl / 2)
        await advance(self.ttl / 2)
        assert await store.get_many(["window", "endless"]) == {"endless": "2"}

    @pytest.mark.parametrize(
        "value",
        ["", "text", "1.0", " 1", "1 ", "1\n", "+1", "01", "-0", "1e3", "1_0", "0x10", "\u0663", "-", str(2**63)],
    )
    async def test_increment_of_what_is_no_whole_number_is_refused(self, store: CacheStore, value: str) -> None:
        await store.set("key", value)
        with pytest.raises(InvalidInput):
            await store.increment("key")
        assert await store.get("key") == value

    @pytest.mark.parametrize(
        ("start", "by"), [(INT64_MAX, 1), (INT64_MIN, -1), (1, INT64_MAX), (0, 2**63), (0, -(2**64))]
    )
    async def test_increment_beyond_64_bits_is_refused(self, store: CacheStore, start: int, by: int) -> None:
        await store.set("key", str(start))
        with pytest.raises(InvalidInput):
            await store.increment("key", by)
        assert await store.get("key") == str(start)

    async def test_concurrent_increments_add_up(self, store: CacheStore) -> None:
        sums = await asyncio.gather(*(store.increment("key") for _ in range(50)))
        assert sorted(sums) == list(range(1, 51))
        assert await store.get("key") == "50"
