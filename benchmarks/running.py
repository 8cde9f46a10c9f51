"""Runs suites and says what they show."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.growth.growth import FLAT, Growth, GrowthSuite, run_growth
from benchmarks.harness.svg import duration
from benchmarks.harness.timing import Effort
from benchmarks.overhead.comparison import BASELINE, OURS, Overhead, OverheadSuite, run_overhead
from benchmarks.surroundings import Surroundings
from benchmarks.verdict import regressions

Suite = OverheadSuite | GrowthSuite
Result = Overhead | Growth

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
LARGEST = 100_000
"""More only if it is asked for: a million cases take six minutes more."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    effort: Effort
    sizes: Sequence[int]


async def run(suite: Suite, plan: Plan, surroundings: Surroundings, only: Container[str] | None = None) -> list[Result]:
    """The results of a suite, or ``only`` of some of its operations. Each is printed when it is there."""
    results: list[Result] = []
    if isinstance(suite, GrowthSuite):
        async for growth in run_growth(suite, surroundings, plan.sizes, plan.effort, only):
            print(describe(growth), flush=True)
            results.append(growth)
    else:
        async for overhead in run_overhead(suite, surroundings, plan.effort, only):
            print(describe(overhead), flush=True)
            results.append(overhead)
    return results


async def find_regressions(suites: Iterable[Suite], plan: Plan, surroundings: Surroundings) -> list[str]:
    """What is grossly worse than promised. What seems so is measured once more: a busy machine is no proof."""
    problems: list[str] = []
    for suite in suites:
        found = regressions(await run(suite, plan, surroundings, only=_promised(suite)))
        if found:
            print(f"once more, because of: {'; '.join(found.values())}", flush=True)
            found = regressions(await run(suite, plan, surroundings, only=found))
        problems += found.values()
    return problems


def _promised(suite: Suite) -> Container[str] | None:
    """The operations whose growth can be a regression; of an overhead, all."""
    if isinstance(suite, GrowthSuite):
        return [operation for operation, limit in suite.limits.items() if limit <= FLAT]
    return None


def describe(result: Result) -> str:
    """One line for people who wait."""
    name = f"{result.port:9}{result.adapter:16}{result.operation:28}"
    kept = {True: "", False: "  MISSED", None: "  (no promise)"}[result.is_kept]
    if isinstance(result, Growth):
        times = ", ".join(duration(time) for time in result.least.values())
        interval = result.exponent
        return f"{name} {times}; exponent {interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f}){kept}"
    interval, times = result.median_ratio, result.times
    return (
        f"{name} {duration(times[OURS].middle):>8} against {duration(times[BASELINE].middle):>8}: minima "
        f"{result.ratio_of_minima:.3f}, median {interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f}){kept}"
    )
