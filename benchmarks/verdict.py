"""What a run in a build refuses: not a promise that is narrowly missed on a busy machine, but a gross regression."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.growth.growth import FLAT, Growth
from benchmarks.overhead.comparison import Overhead

GROSS_RATIO = 1.25
GROSS_EXPONENT = 0.3
GROSS_BUDGET = 3.0
"""How many times a budget in nanoseconds may be needed: a build may run on a slow machine."""


def regressions(results: Iterable[Overhead | Growth]) -> dict[str, str]:
    """What is grossly worse than promised, in words, by operation; the results are those of one suite.

    The machine may be busy, so the quickest rounds and the interval of all of them have to agree.
    """
    problems = ((result, _problem(result)) for result in results)
    return {
        result.operation: f"{result.port} {result.adapter} {result.operation}: {problem}"
        for result, problem in problems
        if problem
    }


def _problem(result: Overhead | Growth) -> str | None:
    if isinstance(result, Growth):
        is_flat = min(result.exponent_of_minima, result.exponent.low) <= GROSS_EXPONENT
        if result.limit is None or result.limit > FLAT or is_flat:
            return None
        return f"cost grows with the exponent {result.exponent.value:.2f}, but was promised to stay flat"
    if result.limit is not None and min(result.ratio_of_minima, result.median_ratio.low) > GROSS_RATIO:
        return f"takes {result.median_ratio.value:.2f} times as long as hand-written code"
    if result.budget is not None and min(result.more, result.least_more) > GROSS_BUDGET * result.budget:
        return f"takes {result.more:.0f} ns more than a dictionary, allowed are {result.budget:.0f}"
    return None
