"""An operation of an adapter beside hand-written code that does the same job."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.harness.statistics import Interval, median_ratio, ratio_of_minima
from benchmarks.harness.timing import AnyOperation, Effort, call_once, measure
from benchmarks.surroundings import Surroundings

PROMISED = 1.05
OURS = "adapter"
BASELINE = "baseline"


@dataclass(frozen=True)
class Comparison:
    """What is measured against what.

    ``limit`` is what the ratio may be, ``budget`` how many nanoseconds the adapter may take more than the baseline;
    None promises nothing. ``context`` is measured in the same rounds and judged by nobody. What ``answer`` takes of the
    results has to be the same on both sides; None for operations that change what they find.
    """

    operation: str
    adapter: AnyOperation
    baseline: AnyOperation
    limit: float | None = PROMISED
    budget: float | None = None
    answer: Callable[[Any], object] | None = lambda result: result
    context: Mapping[str, AnyOperation] = field(default_factory=dict)


@dataclass(frozen=True)
class OverheadSuite:
    """The comparisons of one adapter of one port, in a store that `open` fills."""

    port: str
    adapter: str
    baseline_source: str
    """The module that holds the baseline."""
    open: Callable[[Surroundings], AbstractAsyncContextManager[Sequence[Comparison]]]


@dataclass(frozen=True)
class Times:
    """Nanoseconds a call."""

    least: float
    middle: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Times:
        """From one number a round."""
        return cls(min(rounds), median(rounds))


@dataclass(frozen=True)
class Overhead:
    """What a comparison has shown."""

    port: str
    adapter: str
    operation: str
    times: Mapping[str, Times]
    ratio_of_minima: float
    median_ratio: Interval
    rounds: int
    limit: float | None
    budget: float | None

    @property
    def more(self) -> float:
        """How many nanoseconds the adapter takes more than the baseline, in the middle."""
        return self.times[OURS].middle - self.times[BASELINE].middle

    @property
    def least_more(self) -> float:
        """The same in the quickest rounds."""
        return self.times[OURS].least - self.times[BASELINE].least

    @property
    def is_kept(self) -> bool | None:
        """Whether what was promised is kept; None if nothing was."""
        if self.limit is not None:
            return self.median_ratio.high <= self.limit
        return None if self.budget is None else self.more <= self.budget

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "more": self.more, "is_kept": self.is_kept}

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> Overhead:
        """What `as_dict` wrote."""
        return cls(
            port=written["port"],
            adapter=written["adapter"],
            operation=written["operation"],
            times={name: Times(**times) for name, times in written["times"].items()},
            ratio_of_minima=written["ratio_of_minima"],
            median_ratio=Interval(**written["median_ratio"]),
            rounds=written["rounds"],
            limit=written["limit"],
            budget=written["budget"],
        )


class DifferentAnswers(Exception):
    """The two sides of a comparison do not do the same job."""


async def compare(port: str, adapter: str, comparison: Comparison, effort: Effort) -> Overhead:
    """Measure one comparison.

    Raises:
        DifferentAnswers: the two sides do not do the same.
    """
    if comparison.answer:
        await _check_same(comparison, comparison.answer, effort)
    contestants = {OURS: comparison.adapter, BASELINE: comparison.baseline, **comparison.context}
    rounds = await measure(contestants, effort)
    return Overhead(
        port=port,
        adapter=adapter,
        operation=comparison.operation,
        times={name: Times.of(values) for name, values in rounds.items()},
        ratio_of_minima=ratio_of_minima(rounds[OURS], rounds[BASELINE]),
        median_ratio=median_ratio(rounds[OURS], rounds[BASELINE], effort.seed),
        rounds=len(rounds[OURS]),
        limit=comparison.limit,
        budget=comparison.budget,
    )


async def run_overhead(
    suite: OverheadSuite, surroundings: Surroundings, effort: Effort, only: Container[str] | None = None
) -> AsyncIterator[Overhead]:
    """Measure the comparisons of a suite one after the other, or ``only`` some operations."""
    async with suite.open(surroundings) as comparisons:
        for comparison in comparisons:
            if only is None or comparison.operation in only:
                yield await compare(suite.port, suite.adapter, comparison, effort)


async def _check_same(comparison: Comparison, answer: Callable[[Any], object], effort: Effort) -> None:
    ours, baseline = [
        answer(await call_once(operation, random.Random(effort.seed)))
        for operation in (comparison.adapter, comparison.baseline)
    ]
    if ours != baseline:
        raise DifferentAnswers(f"{comparison.operation}: {ours!r:.500} is not {baseline!r:.500}")
