"""A session and cache store beside a dictionary: whatever is done to both, they agree."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from functools import reduce
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.glob import escape_glob, glob_pattern
from ports.capabilities import SupportsIntegrityCheck, SupportsSweep
from ports.errors import InvalidInput
from ports.sessions import INT64_MAX, INT64_MIN, CacheStore
from ports.transfer import StoredValue, SupportsValueTransfer
from tests.fakes import FakeClock

T = TypeVar("T")

KEYS = st.sampled_from(["a", "b", "a*", "user:1", "\N{PILE OF POO}", "u\u0308"])
NORMAL = {"u\u0308": "\u00fc"}
NUMBERS = st.sampled_from(["0", "-1", "41", str(INT64_MAX), str(INT64_MIN)])
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50)
VALUES = st.one_of(NUMBERS, NUMBERS, st.sampled_from(["", "01", "+1"]), TEXTS)
TTLS = st.one_of(st.none(), st.sampled_from([1, 2, 999, 1000, 1001, 60_000]))
PATTERNS = st.one_of(
    st.sampled_from(["*", "", "?", "a*", "*a*", "user:?", "[^a]*", "user:[1-", "\\[a\\]", "[a]"]), KEYS.map(escape_glob)
)


class KeyValueMachine(RuleBasedStateMachine):
    """Compares with a dictionary of values and expiries. A subclass opens the store.

    Where time cannot be stopped, the unit is so long that the time which really passes does not matter.
    """

    unit: ClassVar[timedelta] = timedelta(milliseconds=1)
    """What the numbers of the machine count."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.now = 0
        self.model: dict[str, tuple[str, int | None]] = {}

    async def open_store(self) -> CacheStore:
        """A store on what earlier stores of this machine have written."""
        raise NotImplementedError

    async def close_store(self, store: CacheStore) -> None:
        """Close what `open_store` gave."""

    def teardown(self) -> None:
        self.run(self.close_store(self.store))
        self.runner.close()

    def run(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(operation)

    def let_pass(self, by: timedelta) -> None:
        """Let time pass for the store."""
        self.clock.advance(by)

    def duration(self, ttl: int | None) -> timedelta | None:
        return None if ttl is None else ttl * self.unit

    def expiry(self, ttl: int | None) -> int | None:
        return None if ttl is None else self.now + ttl

    def forget_expired(self) -> int:
        expired = [key for key, (_, at) in self.model.items() if at is not None and at <= self.now]
        for key in expired:
            del self.model[key]
        return len(expired)

    @initialize()
    def open(self) -> None:
        self.store = self.run(self.open_store())

    @rule(key=KEYS, value=VALUES, ttl=TTLS)
    def set(self, key: str, value: str, ttl: int | None) -> None:
        assert self.run(self.store.set(key, value, self.duration(ttl))) is True
        self.model[NORMAL.get(key, key)] = (value, self.expiry(ttl))

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.run(self.store.get(key)) == self.value(key)

    @rule(key=KEYS)
    def exists(self, key: str) -> None:
        assert self.run(self.store.exists(key)) is (self.value(key) is not None)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        existed = self.model.pop(NORMAL.get(key, key), None) is not None
        assert self.run(self.store.delete(key)) is existed

    @rule(key=KEYS, ttl=TTLS.filter(bool))
    def expire(self, key: str, ttl: int) -> None:
        value = self.value(key)
        assert self.run(self.store.expire(key, ttl * self.unit)) is (value is not None)
        if value is not None:
            self.model[NORMAL.get(key, key)] = (value, self.expiry(ttl))

    @rule(pattern=PATTERNS)
    def keys(self, pattern: str) -> None:
        normal = reduce(lambda text, pair: text.replace(*pair), NORMAL.items(), pattern)
        assert self.run(self.store.keys(pattern)) == sorted(filter(glob_pattern(normal).fullmatch, self.model))

    @rule(keys=st.lists(KEYS, max_size=5))
    def get_many(self, keys: list[str]) -> None:
        expected = {key: value for key in keys if (value := self.value(key)) is not None}
        assert self.run(self.store.get_many(keys)) == expected

    @rule(values=st.dictionaries(KEYS, VALUES, max_size=5), ttl=TTLS)
    def set_many(self, values: dict[str, str], ttl: int | None) -> None:
        self.run(self.store.set_many(values, self.duration(ttl)))
        for key, value in values.items():
            self.model[NORMAL.get(key, key)] = (value, self.expiry(ttl))

    @rule(key=KEYS, value=VALUES, ttl=TTLS)
    def add(self, key: str, value: str, ttl: int | None) -> None:
        missing = self.value(key) is None
        assert self.run(self.store.add(key, value, self.duration(ttl))) is missing
        if missing:
            self.model[NORMAL.get(key, key)] = (value, self.expiry(ttl))

    @rule(key=KEYS, guess=st.none() | VALUES, is_right=st.booleans(), value=st.none() | VALUES, ttl=TTLS)
    def compare_and_set(self, key: str, guess: str | None, is_right: bool, value: str | None, ttl: int | None) -> None:
        expected = self.value(key) if is_right else guess
        matches = self.value(key) == expected
        assert self.run(self.store.compare_and_set(key, expected, value, self.duration(ttl))) is matches
        if matches and value is None:
            self.model.pop(NORMAL.get(key, key), None)
        elif matches and value is not None:
            self.model[NORMAL.get(key, key)] = (value, self.expiry(ttl))

    @rule(key=KEYS, by=st.sampled_from([1, 1, -3, 0, INT64_MAX, 2**63]), ttl=TTLS)
    def increment(self, key: str, by: int, ttl: int | None) -> None:
        stored, expires_at = self.model.get(NORMAL.get(key, key), ("0", self.expiry(ttl)))
        total = int(stored) + by if is_number(stored) and is_number(str(by)) else None
        if total is None or not is_number(str(total)):
            try:
                unexpected = self.run(self.store.increment(key, by, self.duration(ttl)))
            except InvalidInput:
                return
            raise AssertionError(f"{stored!r} was incremented by {by} to {unexpected}")
        assert self.run(self.store.increment(key, by, self.duration(ttl))) == total
        self.model[NORMAL.get(key, key)] = (str(total), expires_at)

    @rule(key=KEYS, count=st.integers(2, 8))
    def increment_at_once(self, key: str, count: int) -> None:
        stored, expires_at = self.model.get(NORMAL.get(key, key), ("0", None))
        if not is_number(stored) or int(stored) + count > INT64_MAX:
            return

        async def all_at_once() -> list[int]:
            return await asyncio.gather(*(self.store.increment(key) for _ in range(count)))

        assert sorted(self.run(all_at_once())) == [int(stored) + 1 + number for number in range(count)]
        self.model[NORMAL.get(key, key)] = (str(int(stored) + count), expires_at)

    @rule(values=st.lists(st.tuples(KEYS, VALUES), max_size=5, unique_by=lambda pair: pair[0]), step=st.integers(0, 2))
    def move_values(self, values: list[tuple[str, str]], step: int) -> None:
        """Take all values out and put them back as they were, with some others that do not expire or have expired."""
        if not isinstance(self.store, SupportsValueTransfer):
            return
        given = [StoredValue(key, value, 1 if step == 1 else None) for key, value in values]
        stored = self.run(self.scan_all(self.store, limit=step + 1))
        assert [(each.key, each.value) for each in stored] == [
            (key, value) for key, (value, _) in sorted(self.model.items())
        ]
        assert [each.expires_at is None for each in stored] == [at is None for _, (_, at) in sorted(self.model.items())]
        self.run(self.store.clear())
        self.run(self.store.put_many(stored))
        assert self.run(self.scan_all(self.store, limit=200)) == stored
        self.run(self.store.put_many(given))
        for each in given:
            key = NORMAL.get(each.key, each.key)
            if each.expires_at is None:
                self.model[key] = (each.value, None)
            else:
                self.model.pop(key, None)

    @staticmethod
    async def scan_all(store: SupportsValueTransfer, limit: int) -> list[StoredValue]:
        """All values, page by page."""
        found: list[StoredValue] = []
        while page := await store.scan(after=found[-1].key if found else None, limit=limit):
            found.extend(page)
        return found

    @rule()
    def clear(self) -> None:
        assert self.run(self.store.clear()) == len(self.model)
        self.model.clear()

    @rule(by=st.sampled_from([1, 998, 999, 1000, 59_000, 60_000]))
    def advance(self, by: int) -> None:
        self.let_pass(by * self.unit)
        self.now += by
        self.forget_expired()

    @rule()
    def sweep(self) -> None:
        if isinstance(self.store, SupportsSweep):
            self.run(self.store.sweep())
            assert self.run(self.store.sweep()) == 0

    @invariant()
    def holds_the_same_keys(self) -> None:
        assert self.run(self.store.keys("*")) == sorted(self.model)

    def value(self, key: str) -> str | None:
        stored = self.model.get(NORMAL.get(key, key))
        return None if stored is None else stored[0]


class DurableKeyValueMachine(KeyValueMachine):
    """Restarts in between, too."""

    @rule()
    def reopen(self) -> None:
        self.run(self.close_store(self.store))
        self.open()

    @rule()
    def check_integrity(self) -> None:
        assert isinstance(self.store, SupportsIntegrityCheck)
        assert list(self.run(self.store.check_integrity())) == []


def is_number(text: str) -> bool:
    """True for a whole number of 64 bits in plain decimal form."""
    digits = text.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and (text == "0" or digits[0] != "0")
    return plain and INT64_MIN <= int(text) <= INT64_MAX
