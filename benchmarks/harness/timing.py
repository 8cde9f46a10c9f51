"""Measures operations side by side: in each round all of them once, in an order that is drawn anew.

An operation is called so often in a row that the block takes a few milliseconds. The garbage collector is off in a
block and runs between rounds; what was there before is kept out of its sight.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from time import perf_counter_ns
from typing import Any

LEAST_ROUNDS = 25
_MOST_CALLS = 2_000
"""What is quick is called less often than fills a block: to prepare its arguments may take a hundred times as long."""
_WARM_UP_CALLS = 3


@dataclass(frozen=True)
class Effort:
    """How long is measured: ``rounds`` blocks of each operation, which take about ``block`` seconds.

    Where already one call takes longer, there are fewer rounds, so that all contestants together take no longer than
    ``longest`` seconds, if 25 rounds do.
    """

    rounds: int = 201
    block: float = 0.005
    seed: int = 20251
    longest: float = 15.0

    def __post_init__(self) -> None:
        """Refuse to conclude from too little."""
        if self.rounds < LEAST_ROUNDS:
            raise ValueError(f"{self.rounds} rounds say too little; at least {LEAST_ROUNDS}")


@dataclass(frozen=True)
class Operation:
    """What is measured: ``call`` of each of the arguments that ``prepare`` makes.

    ``prepare`` gets the number of calls and a source of chance which is the same for all operations of a round. It is
    not measured.
    """

    call: Callable[[Any], Awaitable[object]]
    prepare: Callable[[int, random.Random], Sequence[Any] | Awaitable[Sequence[Any]]] = lambda count, _: [None] * count


@dataclass(frozen=True)
class PlainOperation:
    """The same for a function that is not awaited."""

    call: Callable[[Any], object]
    prepare: Callable[[int, random.Random], Sequence[Any]] = lambda count, _: [None] * count


AnyOperation = Operation | PlainOperation


async def measure(
    operations: Mapping[str, AnyOperation], effort: Effort, clock: Callable[[], int] = perf_counter_ns
) -> dict[str, list[float]]:
    """Nanoseconds a call: for each operation one number a round."""
    chance = random.Random(effort.seed)
    times: dict[str, list[float]] = {name: [] for name in operations}
    with _quiet_collector():
        plans = {name: await _plan(operation, effort, clock) for name, operation in operations.items()}
        calls = {name: plan[0] for name, plan in plans.items()}
        a_round = sum(plan[1] for plan in plans.values()) / 1e9
        rounds = min(effort.rounds, max(LEAST_ROUNDS, int(effort.longest / max(a_round, 1e-9))))
        for _ in range(rounds):
            seed = chance.getrandbits(32)
            for name in chance.sample(list(operations), len(operations)):
                nanoseconds = await _block(operations[name], calls[name], random.Random(seed), clock)
                times[name].append(nanoseconds / calls[name])
            gc.collect()
    return times


async def _plan(operation: AnyOperation, effort: Effort, clock: Callable[[], int]) -> tuple[int, float]:
    """How many calls fill a block, and how long that takes. It is also the warm-up."""
    wanted = effort.block * 1e9
    calls = _WARM_UP_CALLS
    chance = random.Random(effort.seed)
    while True:
        spent = await _block(operation, calls, chance, clock)
        enough = max(1, round(calls * wanted / max(spent, 1)))
        if spent >= wanted / 4 or enough >= _MOST_CALLS:
            enough = min(enough, _MOST_CALLS)
            return enough, enough * spent / calls
        # At most ten times as many, for the first calls are slower than those that follow.
        calls = min(enough, 10 * calls)


async def _block(operation: AnyOperation, calls: int, chance: random.Random, clock: Callable[[], int]) -> int:
    call, arguments = operation.call, operation.prepare(calls, chance)
    if isawaitable(arguments):
        arguments = await arguments
    if isinstance(operation, Operation):
        start = clock()
        for argument in arguments:
            await call(argument)
        return clock() - start
    start = clock()
    for argument in arguments:
        call(argument)
    return clock() - start


async def call_once(operation: AnyOperation, chance: random.Random) -> object:
    """What the operation gives."""
    prepared = operation.prepare(1, chance)
    (argument,) = await prepared if isawaitable(prepared) else prepared
    if isinstance(operation, Operation):
        return await operation.call(argument)
    return operation.call(argument)


@contextmanager
def _quiet_collector() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()
