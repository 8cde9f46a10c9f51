"""Listing keys by patterns; namespaces."""

import asyncio

import pytest

from domain.glob import escape_glob, glob_pattern
from ports.errors import InvalidInput
from ports.sessions import SessionStore
from tests.contract.sessions.data import (
    PATTERN_KEYS,
    PATTERNS,
)
from tests.contract.sessions.fixtures import KeyValueFixtures


class SessionListingTests(KeyValueFixtures):
    """The keys of the own namespace that a pattern matches."""

    @pytest.mark.parametrize("pattern", PATTERNS)
    @pytest.mark.quirk("Redis", "globs match byte by byte: `?` is one byte of a character")
    async def test_keys_are_those_that_the_glob_matches(self, store: SessionStore, pattern: str) -> None:
        for key in PATTERN_KEYS:
            await store.set(key, "value")
        assert await store.keys(pattern) == sorted(filter(glob_pattern(pattern).fullmatch, PATTERN_KEYS))

    @pytest.mark.quirk(
        "Redis",
        "KEYS stops the server for as long as it looks; SCAN may give a key twice, and empty pages before the end",
    )
    async def test_many_keys_are_listed_once_each(self, store: SessionStore) -> None:
        """More than a backend hands out at once."""
        names = [f"key:{number:03}" for number in range(250)]
        await asyncio.gather(*(store.set(name, "value") for name in names))
        assert await store.keys("key:*") == names

    async def test_escaped_text_of_users_finds_nothing_foreign(self, store: SessionStore) -> None:
        await store.set("user:alice:1", "session")
        await store.set("user:*:1", "session")
        assert await store.keys(f"user:{escape_glob('*')}:*") == ["user:*:1"]

    @pytest.mark.parametrize("pattern", ["\0", "\ud800", "*" * 1025], ids=ascii)
    async def test_malformed_patterns_are_refused(self, store: SessionStore, pattern: str) -> None:
        with pytest.raises(InvalidInput):
            await store.keys(pattern)

    async def test_namespaces_do_not_see_each_other(self, store: SessionStore, neighbour: SessionStore) -> None:
        await store.set("key", "mine")
        await neighbour.set("key", "theirs")
        await neighbour.set("other", "theirs")
        assert await store.keys("*") == ["key"]
        assert await store.get("key") == "mine"
        assert await store.delete("other") is False
        assert await neighbour.get("key") == "theirs"
