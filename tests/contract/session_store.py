"""What every `SessionStore` and every `CacheStore` does.

A subclass names its ``adapter`` and gives the fixtures ``store`` and ``neighbour``: two stores with their own namespace
on one backend, both empty. A durable adapter also subclasses `DurableSessionStoreContractTests` and gives ``reopen``.
An adapter whose backend keeps its own time overrides the fixtures ``clock`` and ``advance`` and the lengths of time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from domain.glob import escape_glob, glob_pattern
from ports.capabilities import Closeable, SupportsHealth, SupportsIntegrityCheck, SupportsSweep
from ports.errors import InvalidInput, StorageUnavailable
from ports.sessions import INT64_MAX, INT64_MIN, MAX_KEY_LENGTH, CacheStore, SessionStore
from tests.contract.guard import ContractTests
from tests.fakes import FakeClock

Advance = Callable[[timedelta], Awaitable[None]]
Reopen = Callable[[], Awaitable[SessionStore]]

HOSTILE_KEYS = [
    " ",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:\\a",
    "-rf",
    "~",
    "*",
    "user:*",
    "[a-c]",
    "user:[1]",
    "?",
    "^",
    "%",
    "_",
    "'; DROP TABLE sessions; --",
    '"',
    "{tag}",
    "$HOME",
    "line\nbreak\r\n\ttab",
    "\x7f\x1b[2J",
    "Key",
    "key",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}",
    "\N{ARABIC LETTER ALEF}\N{RIGHT-TO-LEFT OVERRIDE}x",
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    "\N{PILE OF POO}",
    "x" * MAX_KEY_LENGTH,
    "\N{PILE OF POO}" * MAX_KEY_LENGTH,
]

REFUSED_KEYS = ["", "\0", "a\0b", "\ud800", "x" * (MAX_KEY_LENGTH + 1), "\u0958" * MAX_KEY_LENGTH]

HOSTILE_VALUES = [
    "",
    " \n\t ",
    "line\r\nend\r",
    "u\N{COMBINING DIAERESIS}",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc\ufeff\uffff",
    "\N{PILE OF POO}" * 1000,
    '{"a": "\\u0000"}',
    "NaN",
    "1" * 1_000_000,
    "\N{SNOWMAN}" * 400_000,
]

REFUSED_VALUES = ["\0", "a\0b", "\udfff", "a\ud800", "x" * (16 * 1024 * 1024 + 1), "\N{SNOWMAN}" * (6 * 1024 * 1024)]

REFUSED_TTLS = [timedelta(0), timedelta(milliseconds=-1), timedelta(days=-1), timedelta(days=3651)]

PATTERNS = [
    "*",
    "",
    "user:*",
    "*:1",
    "user:?",
    "user:[12]",
    "user:[^1]",
    "user:[1-",
    "user\\:1",
    "\\*",
    "*\\**",
    "[[]*",
    "*\N{PILE OF POO}",
    "?",
    "a*a*a*a*b",
    "USER:*",
    "user:1",
    "u%",
]

PATTERN_KEYS = [
    "user:1",
    "user:2",
    "user:10",
    "user:",
    "User:1",
    "xuser:1",
    "*",
    "a*b",
    "[x]",
    "[",
    "\\*",
    "\N{PILE OF POO}",
    "x\N{PILE OF POO}",
    "aaaab",
    "aaaa",
    "u%",
    "u_",
]


class KeyValueFixtures:
    """Time as the tests use it."""

    ttl: ClassVar[timedelta] = timedelta(seconds=10)
    tick: ClassVar[timedelta] = timedelta(milliseconds=1)
    """The smallest step of time that the tests take."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def advance(self, clock: FakeClock) -> Advance:
        async def advance_clock(by: timedelta) -> None:
            clock.advance(by)

        return advance_clock


class SessionStoreContractTests(KeyValueFixtures, ContractTests):
    """Text values with an expiry."""

    contract = "SessionStore"

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

    @pytest.mark.parametrize("pattern", PATTERNS)
    async def test_keys_are_those_that_the_glob_matches(self, store: SessionStore, pattern: str) -> None:
        for key in PATTERN_KEYS:
            await store.set(key, "value")
        assert await store.keys(pattern) == sorted(filter(glob_pattern(pattern).fullmatch, PATTERN_KEYS))

    async def test_many_keys_are_listed_once_each(self, store: SessionStore) -> None:
        """More than a backend hands out at once."""
        names = [f"key:{number:03}" for number in range(250)]
        await asyncio.gather(*(store.set(name, "value") for name in names))
        assert await store.keys("key:*") == names

    async def test_escaped_text_of_users_finds_nothing_foreign(self, store: SessionStore) -> None:
        await store.set("user:alice:1", "session")
        await store.set("user:*:1", "session")
        assert await store.keys(f"user:{escape_glob('*')}:*") == ["user:*:1"]

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

    @pytest.mark.parametrize("pattern", ["\0", "\ud800", "*" * 1025], ids=ascii)
    async def test_malformed_patterns_are_refused(self, store: SessionStore, pattern: str) -> None:
        with pytest.raises(InvalidInput):
            await store.keys(pattern)

    @pytest.mark.parametrize("value", REFUSED_VALUES, ids=lambda value: ascii(value[:3]))
    async def test_malformed_values_are_refused_and_change_nothing(self, store: SessionStore, value: str) -> None:
        await store.set("key", "old")
        with pytest.raises(InvalidInput):
            await store.set("key", value)
        assert await store.get("key") == "old"

    @pytest.mark.parametrize("ttl", REFUSED_TTLS, ids=str)
    async def test_malformed_ttls_are_refused_and_change_nothing(self, store: SessionStore, ttl: timedelta) -> None:
        await store.set("key", "old")
        for operation in (store.set("key", "new", ttl), store.expire("key", ttl)):
            with pytest.raises(InvalidInput):
                await operation
        assert await store.get("key") == "old"

    async def test_namespaces_do_not_see_each_other(self, store: SessionStore, neighbour: SessionStore) -> None:
        await store.set("key", "mine")
        await neighbour.set("key", "theirs")
        await neighbour.set("other", "theirs")
        assert await store.keys("*") == ["key"]
        assert await store.get("key") == "mine"
        assert await store.delete("other") is False
        assert await neighbour.get("key") == "theirs"

    async def test_concurrent_writes_leave_one_of_the_values(self, store: SessionStore) -> None:
        values = [str(number) * 1000 for number in range(50)]
        await asyncio.gather(*(store.set("key", value) for value in values))
        assert await store.get("key") in values

    async def test_one_of_many_deletes_finds_the_value(self, store: SessionStore) -> None:
        await store.set("key", "value")
        assert sorted(await asyncio.gather(*(store.delete("key") for _ in range(50)))) == [False] * 49 + [True]

    async def test_cancelled_operations_leave_the_store_whole(self, store: SessionStore) -> None:
        tasks = [asyncio.create_task(store.set(f"key:{number % 5}", "x" * 1000)) for number in range(100)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for number in range(5):
            assert await store.get(f"key:{number}") in (None, "x" * 1000)
            await store.set(f"key:{number}", str(number))
        assert [await store.get(f"key:{number}") for number in range(5)] == [str(number) for number in range(5)]

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


class DurableSessionStoreContractTests(KeyValueFixtures, ContractTests):
    """Values outlive the process. The fixture ``reopen`` closes ``store`` and opens another one on the same data."""

    contract = "SessionStore, durable"

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


class CacheStoreContractTests(KeyValueFixtures, ContractTests):
    """Counting, comparing, several keys at once."""

    contract = "CacheStore"

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

    async def test_clear_removes_and_counts_what_is_there(self, store: CacheStore, advance: Advance) -> None:
        await store.set("expired", "value", self.ttl)
        await advance(self.ttl)
        for key in HOSTILE_KEYS:
            await store.set(key, "value", self.ttl)
        assert await store.clear() == len(HOSTILE_KEYS)
        assert await store.keys("*") == []
        assert await store.clear() == 0

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
        for operation in operations:
            with pytest.raises(StorageUnavailable):
                await operation
