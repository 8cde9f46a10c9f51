"""What an operation costs among few and among many: stores of each size stand side by side and are measured in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.statistics import Interval, exponent
from benchmarks.harness.timing import AnyOperation, Effort, measure
from benchmarks.surroundings import Surroundings

FLAT = 0.05
GENTLE = 0.3
FITTED_FROM = 1_000
"""Below that, costs that do not grow hide those that do."""

Open = Callable[[Surroundings, int], AbstractAsyncContextManager[Mapping[str, AnyOperation]]]
"""A store of a size, and its operations."""


@dataclass(frozen=True)
class GrowthSuite:
    """The operations of one adapter of one port.

    ``limits`` says what the exponents may be; an operation without a limit is measured and judged by nobody.
    """

    port: str
    adapter: str
    open: Open
    limits: Mapping[str, float]
    largest: int = 100_000


@dataclass(frozen=True)
class Growth:
    """What a suite has shown of an operation."""

    port: str
    adapter: str
    operation: str
    least: Mapping[int, float]
    """Nanoseconds a call in the quickest round, by size."""
    exponent: Interval
    rounds: int
    limit: float | None

    @property
    def exponent_of_minima(self) -> float:
        """The same from the quickest round of each size."""
        sizes = fitted_sizes(self.least)
        return exponent({size: [self.least[size]] for size in sizes}, seed=0).value

    @property
    def is_kept(self) -> bool | None:
        """Whether what was promised is kept; None if nothing was."""
        return None if self.limit is None else self.exponent.value <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "exponent_of_minima": self.exponent_of_minima, "is_kept": self.is_kept}

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> Growth:
        """What `as_dict` wrote."""
        return cls(
            port=written["port"],
            adapter=written["adapter"],
            operation=written["operation"],
            least={int(size): time for size, time in written["least"].items()},
            exponent=Interval(**written["exponent"]),
            rounds=written["rounds"],
            limit=written["limit"],
        )


def fitted_sizes(sizes: Iterable[int]) -> list[int]:
    """Those of the sizes to which the law of growth is fitted."""
    every = sorted(sizes)
    large = [size for size in every if size >= FITTED_FROM]
    return large if len(large) > 1 else every


async def grow(
    port: str, adapter: str, operation: str, by_size: Mapping[int, AnyOperation], limit: float | None, effort: Effort
) -> Growth:
    """Measure one operation at all sizes."""
    rounds = await measure({str(size): at_size for size, at_size in by_size.items()}, effort)
    costs = {size: rounds[str(size)] for size in by_size}
    return Growth(
        port=port,
        adapter=adapter,
        operation=operation,
        least={size: min(cost) for size, cost in costs.items()},
        exponent=exponent({size: costs[size] for size in fitted_sizes(costs)}, effort.seed),
        rounds=len(next(iter(costs.values()))),
        limit=limit,
    )


async def run_growth(
    suite: GrowthSuite,
    surroundings: Surroundings,
    sizes: Sequence[int],
    effort: Effort,
    only: Container[str] | None = None,
) -> AsyncIterator[Growth]:
    """Measure the operations of a suite one after the other, or ``only`` some of them."""
    async with AsyncExitStack() as stack:
        stores = {
            size: await stack.enter_async_context(suite.open(surroundings, size))
            for size in sizes
            if size <= suite.largest
        }
        for operation in next(iter(stores.values())):
            if only is None or operation in only:
                by_size = {size: store[operation] for size, store in stores.items()}
                yield await grow(suite.port, suite.adapter, operation, by_size, suite.limits.get(operation), effort)
