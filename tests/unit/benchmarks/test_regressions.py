"""The smoke run goes red on a planted regression, and on nothing else."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from adapters.memory.sessions import InMemorySessionStore
from adapters.system.clock import SystemClock
from benchmarks.growth.growth import FLAT, GrowthSuite
from benchmarks.harness.timing import AnyOperation, Effort, Operation
from benchmarks.overhead.comparison import Comparison, DifferentAnswers, OverheadSuite
from benchmarks.running import Plan, find_regressions
from benchmarks.surroundings import Surroundings

PLAN = Plan(Effort(rounds=25, block=0.0002), sizes=(1_000, 10_000))
KEY = "key 1"


class SlowStore(InMemorySessionStore):
    """Does some work that is not needed before each answer."""

    async def get(self, key: str) -> str | None:
        end = time.perf_counter() + 20e-6
        while time.perf_counter() < end:
            pass
        return await super().get(key)


class SearchingStore(InMemorySessionStore):
    """Looks at all entries instead of one."""

    async def get(self, key: str) -> str | None:
        return next((value for name, (value, _) in self._entries.items() if name == key), None)


def overhead_of(
    kind: type[InMemorySessionStore], limit: float | None = 1.05, budget: float | None = None
) -> OverheadSuite:
    """`get` of a store beside that of the store of this program."""

    @asynccontextmanager
    async def opened(_: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
        stores = [made(SystemClock()) for made in (kind, InMemorySessionStore)]
        for store in stores:
            await store.set(KEY, "value")
        ours, baseline = (Operation(store.get, lambda count, _: [KEY] * count) for store in stores)
        yield [Comparison("get", ours, baseline, limit=limit, budget=budget)]

    return OverheadSuite("sessions", "planted", "", opened)


def growth_of(kind: type[InMemorySessionStore], limit: float = FLAT) -> GrowthSuite:
    """`get` of stores with so many keys."""

    @asynccontextmanager
    async def opened(_: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
        store = kind(SystemClock())
        await store.set_many({f"key {number}": "value" for number in range(size)})
        yield {"get": Operation(store.get, lambda count, _: [f"key {size - 1}"] * count)}

    return GrowthSuite("sessions", "planted", opened, {"get": limit})


async def problems_of(suite: OverheadSuite | GrowthSuite) -> list[str]:
    """What the smoke run says."""
    with Surroundings() as surroundings:
        return await find_regressions([suite], PLAN, surroundings)


async def test_planted_overhead_is_found() -> None:
    """Twenty microseconds where half of one is enough."""
    (problem,) = await problems_of(overhead_of(SlowStore))
    assert problem.startswith("sessions planted get: takes ")
    assert problem.endswith("times as long as hand-written code")


async def test_planted_overhead_beyond_a_budget_is_found() -> None:
    """The same where nanoseconds are promised."""
    (problem,) = await problems_of(overhead_of(SlowStore, limit=None, budget=1_000))
    assert problem.endswith("allowed are 1000")


async def test_planted_growth_is_found() -> None:
    """A search where a look-up is enough."""
    (problem,) = await problems_of(growth_of(SearchingStore))
    assert "was promised to stay flat" in problem


@pytest.mark.parametrize(
    "suite",
    [
        overhead_of(InMemorySessionStore),
        overhead_of(InMemorySessionStore, limit=None, budget=1_000),
        overhead_of(SlowStore, limit=None),
        growth_of(InMemorySessionStore),
        growth_of(SearchingStore, limit=1.0),
    ],
    ids=["same", "within the budget", "nothing promised", "flat", "growth allowed"],
)
async def test_nothing_else_is(suite: OverheadSuite | GrowthSuite) -> None:
    """What keeps its promise, or has none, passes."""
    assert await problems_of(suite) == []


async def test_sides_that_answer_differently_are_not_compared() -> None:
    """A baseline that does another job proves nothing."""

    @asynccontextmanager
    async def opened(_: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
        async def one(_: object) -> int:
            return 1

        async def two(_: object) -> int:
            return 2

        yield [Comparison("get", Operation(one), Operation(two))]

    with pytest.raises(DifferentAnswers, match="get"):
        await problems_of(OverheadSuite("sessions", "planted", "", opened))
