"""Storing, reading and removing one value."""

import pytest

from ports.errors import InvalidInput
from ports.sessions import SessionStore
from tests.contract.sessions.data import HOSTILE_KEYS, HOSTILE_VALUES, REFUSED_KEYS, REFUSED_VALUES
from tests.contract.sessions.fixtures import KeyValueFixtures


class SessionValueTests(KeyValueFixtures):
    """One value under one key."""

    async def test_set_and_get(self, store: SessionStore) -> None:
        assert await store.set("key", "value") is True
        assert await store.get("key") == "value"

    async def test_get_of_a_missing_key_is_none(self, store: SessionStore) -> None:
        assert await store.get("missing") is None

    async def test_set_replaces_the_value(self, store: SessionStore) -> None:
        await store.set("key", "old")
        await store.set("key", "new")
        assert await store.get("key") == "new"
        assert await store.keys("*") == ["key"]

    async def test_exists_is_honest(self, store: SessionStore) -> None:
        assert await store.exists("key") is False
        await store.set("key", "")
        assert await store.exists("key") is True
        await store.delete("key")
        assert await store.exists("key") is False

    async def test_delete_is_honest(self, store: SessionStore) -> None:
        assert await store.delete("key") is False
        await store.set("key", "")
        assert await store.delete("key") is True
        assert await store.get("key") is None
        assert await store.delete("key") is False

    async def test_delete_leaves_other_keys(self, store: SessionStore) -> None:
        await store.set("key", "1")
        await store.set("key:2", "2")
        await store.delete("key")
        assert await store.get("key:2") == "2"

    @pytest.mark.quirk("file system", "a key such as `../../etc/passwd` is a path")
    async def test_hostile_keys_are_kept_apart(self, store: SessionStore) -> None:
        for number, key in enumerate(HOSTILE_KEYS):
            await store.set(key, str(number))
        assert [await store.get(key) for key in HOSTILE_KEYS] == [str(number) for number in range(len(HOSTILE_KEYS))]
        assert await store.keys("*") == sorted(HOSTILE_KEYS)
        for key in HOSTILE_KEYS:
            assert await store.delete(key) is True
        assert await store.keys("*") == []

    async def test_hostile_values_come_back_as_they_were(self, store: SessionStore) -> None:
        for value in HOSTILE_VALUES:
            await store.set("key", value)
            assert await store.get("key") == value

    async def test_equivalent_forms_of_a_key_are_one_key(self, store: SessionStore) -> None:
        composed, decomposed = "\N{LATIN SMALL LETTER U WITH DIAERESIS}", "u\N{COMBINING DIAERESIS}"
        await store.set(decomposed, "value")
        assert await store.get(composed) == "value"
        assert await store.keys(decomposed) == [composed]
        assert await store.delete(composed) is True

    @pytest.mark.parametrize("key", REFUSED_KEYS, ids=ascii)
    async def test_malformed_keys_are_refused(self, store: SessionStore, key: str) -> None:
        for operation in (
            store.set(key, "value"),
            store.get(key),
            store.delete(key),
            store.exists(key),
            store.expire(key, self.ttl),
        ):
            with pytest.raises(InvalidInput):
                await operation

    @pytest.mark.parametrize("value", REFUSED_VALUES, ids=lambda value: ascii(value[:3]))
    async def test_malformed_values_are_refused_and_change_nothing(self, store: SessionStore, value: str) -> None:
        await store.set("key", "old")
        with pytest.raises(InvalidInput):
            await store.set("key", value)
        assert await store.get("key") == "old"
