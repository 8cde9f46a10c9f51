"""When values expire."""

from datetime import timedelta

import pytest

from ports.capabilities import SupportsSweep
from ports.errors import InvalidInput
from ports.sessions import SessionStore
from tests.contract.sessions.data import REFUSED_TTLS
from tests.contract.sessions.fixtures import Advance, KeyValueFixtures


class SessionExpiryTests(KeyValueFixtures):
    """A value is there until its expiry and never after."""

    async def test_value_is_there_until_exactly_its_expiry(self, store: SessionStore, advance: Advance) -> None:
        """The expiry itself is already too late, for every operation alike."""
        await store.set("key", "value", self.ttl)
        await advance(self.ttl - self.tick)
        assert await store.get("key") == "value"
        assert await store.exists("key") is True
        assert await store.keys("*") == ["key"]
        await advance(self.tick)
        assert await store.get("key") is None
        assert await store.exists("key") is False
        assert await store.keys("*") == []
        assert await store.expire("key", self.ttl) is False
        assert await store.get("key") is None
        assert await store.delete("key") is False

    @pytest.mark.quirk("Redis", "SETEX and EXPIRE count whole seconds")
    async def test_ttl_is_not_rounded_to_seconds(self, store: SessionStore, advance: Advance) -> None:
        await store.set("short", "value", self.tick)
        await store.set("long", "value", self.ttl + self.tick)
        await advance(self.tick)
        assert await store.keys("*") == ["long"]
        await advance(self.ttl - self.tick)
        assert await store.keys("*") == ["long"]
        await advance(self.tick)
        assert await store.keys("*") == []

    async def test_reading_does_not_prolong(self, store: SessionStore, advance: Advance) -> None:
        await store.set("key", "value", self.ttl)
        for _ in range(2):
            assert await store.get("key") == "value"
            await advance(self.ttl / 2)
        assert await store.get("key") is None

    async def test_set_without_ttl_clears_the_old_expiry(self, store: SessionStore, advance: Advance) -> None:
        await store.set("key", "old", self.ttl)
        await store.set("key", "new")
        await advance(self.ttl * 2)
        assert await store.get("key") == "new"

    async def test_set_with_ttl_replaces_the_old_expiry(self, store: SessionStore, advance: Advance) -> None:
        await store.set("longer", "old", self.ttl)
        await store.set("longer", "new", self.ttl * 2)
        await store.set("shorter", "old", self.ttl * 2)
        await store.set("shorter", "new", self.ttl)
        await store.set("limited", "old")
        await store.set("limited", "new", self.ttl)
        await advance(self.ttl)
        assert await store.keys("*") == ["longer"]
        assert await store.get("longer") == "new"

    async def test_delete_forgets_the_expiry(self, store: SessionStore, advance: Advance) -> None:
        await store.set("key", "old", self.ttl)
        await store.delete("key")
        await store.set("key", "new")
        await advance(self.ttl)
        assert await store.get("key") == "new"

    async def test_an_expired_key_can_be_set_again(self, store: SessionStore, advance: Advance) -> None:
        await store.set("key", "old", self.ttl)
        await advance(self.ttl)
        await store.set("key", "new", self.ttl)
        await advance(self.ttl - self.tick)
        assert await store.get("key") == "new"

    async def test_expire_moves_the_expiry_and_keeps_the_value(self, store: SessionStore, advance: Advance) -> None:
        for key, ttl in (("later", self.ttl), ("sooner", self.ttl * 4), ("limited", None)):
            await store.set(key, "value", ttl)
        await advance(self.ttl / 2)
        assert await store.expire("later", self.ttl * 2) is True
        assert await store.expire("sooner", self.ttl) is True
        assert await store.expire("limited", self.ttl) is True
        await advance(self.ttl - self.tick)
        assert await store.keys("*") == ["later", "limited", "sooner"]
        await advance(self.tick)
        assert await store.keys("*") == ["later"]
        assert await store.get("later") == "value"
        await advance(self.ttl)
        assert await store.keys("*") == []

    async def test_expire_of_a_missing_key_is_false(self, store: SessionStore) -> None:
        assert await store.expire("key", self.ttl) is False
        assert await store.exists("key") is False

    @pytest.mark.parametrize("ttl", REFUSED_TTLS, ids=str)
    async def test_malformed_ttls_are_refused_and_change_nothing(self, store: SessionStore, ttl: timedelta) -> None:
        await store.set("key", "old")
        for operation in (store.set("key", "new", ttl), store.expire("key", ttl)):
            with pytest.raises(InvalidInput):
                await operation
        assert await store.get("key") == "old"

    async def test_sweep_removes_exactly_what_has_expired(self, store: SessionStore, advance: Advance) -> None:
        if not isinstance(store, SupportsSweep):
            pytest.skip("the backend removes expired values by itself")
        for number in range(5):
            await store.set(f"short:{number}", "value", self.ttl)
        await store.set("long", "value", self.ttl + self.tick)
        await store.set("prolonged", "value", self.ttl)
        await store.expire("prolonged", self.ttl * 2)
        await store.set("endless", "value")
        assert await store.sweep() == 0
        await advance(self.ttl)
        assert await store.sweep() == 5
        assert await store.sweep() == 0
        assert await store.keys("*") == ["endless", "long", "prolonged"]
