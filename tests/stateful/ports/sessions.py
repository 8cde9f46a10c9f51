"""Sessions and caches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st

from adapters.memory.sessions import InMemorySessionStore
from ports.capabilities import SupportsSweep
from ports.sessions import MAX_KEY_LENGTH, MAX_TTL, CacheStore
from tests.fakes import FakeClock
from tests.stateful import key_value
from tests.stateful.agreement import Port
from tests.stateful.machine import Call, call
from tests.stateful.ports.common import asking

keys = st.one_of(*[key_value.KEYS] * 4, st.sampled_from(["", "a\0", "\ud800", "x" * (MAX_KEY_LENGTH + 1)]))
# Few values, so that a comparison often meets the value that is stored.
values = st.sampled_from(["0", "1", "-1", "41", "", "01", "text", str(2**63 - 1), str(-(2**63)), "é\U0001f4a9", "\0"])
expected_values = st.none() | values | st.just("\ud800")
# Where time cannot be stopped, that which really passes must not matter.
UNIT = timedelta(minutes=1)
REFUSED_TTLS = [timedelta(0), timedelta(milliseconds=-1), MAX_TTL + timedelta(milliseconds=1)]


def in_units(number: int) -> timedelta:
    """A length of time."""
    return number * UNIT


lengths = st.sampled_from([*map(in_units, (1, 2, 999, 1000, 1001, 60_000)), *REFUSED_TTLS])
ttls = st.none() | lengths
pauses = st.sampled_from([*map(in_units, (1, 998, 999, 1000, 59_000, 60_000))])
numbers = st.sampled_from([1, 1, -3, 0, 42, 2**63 - 1, 2**63])


@dataclass(frozen=True)
class Timed:
    """A store, and what lets time pass for it."""

    store: CacheStore
    advance: Callable[[timedelta], Awaitable[None]]


def with_clock(make: Callable[[FakeClock], CacheStore]) -> Timed:
    """A store whose time stands still but for `Timed.advance`."""
    clock = FakeClock()

    async def advance(by: timedelta) -> None:
        clock.advance(by)

    return Timed(make(clock), advance)


class SessionPort(Port[Timed, Timed]):
    """The store in memory is the model."""

    name = "sessions"
    commands = st.one_of(
        *[asking("set", keys, values, ttls)] * 3,
        asking("get", keys),
        asking("exists", keys),
        asking("delete", keys),
        asking("expire", keys, lengths),
        asking("keys", key_value.PATTERNS | st.just("\0")),
        asking("get_many", st.lists(keys, max_size=5)),
        asking("set_many", st.dictionaries(keys, values, max_size=5), ttls),
        *[asking("add", keys, values, ttls)] * 2,
        *[asking("compare_and_set", keys, expected_values, st.none() | values, ttls)] * 3,
        *[asking("increment", keys, numbers, ttls)] * 3,
        asking("clear"),
        asking("sweep"),
        *[asking("advance", pauses)] * 3,
    )

    def new_model(self) -> Timed:
        return with_clock(InMemorySessionStore)

    async def ask_model(self, model: Timed, what: Call) -> object:
        return await self.ask(model, what)

    async def ask(self, store: Timed, what: Call) -> object:
        method, arguments, _ = what
        if method == "advance":
            await store.advance(*arguments)
            return None
        if method == "sweep":
            # What a sweep finds depends on what was swept before, which a backend may do by itself.
            if isinstance(store.store, SupportsSweep):
                await store.store.sweep()
            return None
        return await super().ask(store.store, what)  # type: ignore[arg-type]

    def last_calls(self, model: Timed) -> Sequence[Call]:
        names = ["a", "b", "a*", "user:1", "\U0001f4a9", "\u00fc"]
        return [call("keys", "*"), call("get_many", names), call("advance", in_units(1000)), call("keys", "*")]
