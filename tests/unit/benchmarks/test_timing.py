"""The order, the number and the length of the blocks."""

import gc
import random
from collections.abc import Sequence
from itertools import groupby

import pytest

from benchmarks.harness.timing import LEAST_ROUNDS, Effort, Operation, PlainOperation, measure

EFFORT = Effort(rounds=40, block=1e-6, seed=3)


class Clock:
    """Time that passes only when an operation says so."""

    def __init__(self) -> None:
        self.now = 0
        self.calls: list[str] = []

    def __call__(self) -> int:
        """Nanoseconds."""
        return self.now

    def taking(self, name: str, nanoseconds: int) -> Operation:
        """An operation of that length."""

        async def call(_: object) -> None:
            self.calls.append(name)
            self.now += nanoseconds

        return Operation(call)


async def test_times_are_those_of_one_call() -> None:
    """However many calls a block has."""
    clock = Clock()
    found = await measure({"short": clock.taking("short", 20), "long": clock.taking("long", 500)}, EFFORT, clock)
    assert found == {"short": [20.0] * 40, "long": [500.0] * 40}


async def test_blocks_last_as_long_as_wanted() -> None:
    """The shorter the operation, the more often it is called; a long one once."""
    clock = Clock()
    await measure({"short": clock.taking("short", 20), "long": clock.taking("long", 50_000)}, EFFORT, clock)
    lengths = {
        name: [len(list(block)) for name_, block in groupby(clock.calls) if name_ == name] for name in ("short", "long")
    }
    assert lengths["short"][-1] % 50 == 0
    assert lengths["long"][-1] in (1, 2, 3)


async def test_order_is_drawn_anew_in_each_round() -> None:
    """Neither side always comes first, and the same seed draws the same order."""

    async def order() -> list[str]:
        clock = Clock()
        await measure({name: clock.taking(name, 2_000) for name in "ab"}, EFFORT, clock)
        return clock.calls[-2 * EFFORT.rounds :]

    calls = await order()
    firsts = calls[::2]
    assert {*firsts} == {"a", "b"}
    assert calls == await order()
    assert sorted(calls) == ["a"] * EFFORT.rounds + ["b"] * EFFORT.rounds


async def test_both_sides_get_the_same_arguments() -> None:
    """In each round, so that neither is asked for what is easier to find."""
    given: dict[str, list[int]] = {"a": [], "b": []}

    def prepare(count: int, chance: random.Random) -> Sequence[int]:
        return [chance.randint(1, 10**9) for _ in range(count)]

    clock = Clock()

    def taking(name: str) -> PlainOperation:
        def call(argument: int) -> None:
            given[name].append(argument)
            clock.now += 2_000

        return PlainOperation(call, prepare)

    await measure({name: taking(name) for name in "ab"}, EFFORT, clock)
    assert given["a"] == given["b"]
    assert len({*given["a"]}) > EFFORT.rounds


async def test_collector_does_not_run_in_a_block() -> None:
    """And runs again afterwards."""
    was_on: list[bool] = []
    await measure({"a": PlainOperation(lambda _: was_on.append(gc.isenabled()))}, EFFORT)
    assert not any(was_on)
    assert gc.isenabled()


def test_few_rounds_are_refused() -> None:
    """They would say too little."""
    with pytest.raises(ValueError, match="say too little"):
        Effort(rounds=LEAST_ROUNDS - 1)
