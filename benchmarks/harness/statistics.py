"""What is concluded from times: ratios with an interval, and how a cost grows.

Times come in rounds. In a round every contestant is measured once, one shortly after the other, so that whatever else
the machine does meets all of them alike. Therefore rounds are resampled as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the bounds between which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


def median_ratio(measured: Sequence[float], baseline: Sequence[float], seed: int) -> Interval:
    """The median over the rounds of ``measured / baseline``."""
    ratios = np.asarray(measured, dtype=np.float64) / np.asarray(baseline, dtype=np.float64)
    return bootstrap(ratios, lambda rows: np.median(rows, axis=1), seed)


def ratio_of_minima(measured: Sequence[float], baseline: Sequence[float]) -> float:
    """The quickest round against the quickest round: what is left when nothing else disturbs."""
    return min(measured) / min(baseline)


def exponent(costs: Mapping[int, Sequence[float]], seed: int) -> Interval:
    """The exponent ``k`` of the law ``cost = c * size ** k`` that fits best on logarithmic scales.

    It is fitted to each round and their median taken. ``costs`` are those of the rounds, by size.
    """
    if len(costs) < 2:
        raise ValueError("growth shows between two sizes at least")
    sizes = np.log(np.asarray(list(costs), dtype=np.float64))
    offsets = sizes - sizes.mean()
    rounds = np.log(np.asarray(list(costs.values()), dtype=np.float64)).T
    slopes = rounds @ offsets / (offsets @ offsets)
    return bootstrap(slopes, lambda rows: np.median(rows, axis=1), seed)


def bootstrap(
    rounds: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], seed: int
) -> Interval:
    """The statistic of the rounds; its bounds are those of the middle 95 % of resamples.

    ``statistic`` gets one sample a row.
    """
    rows = np.random.default_rng(seed).integers(0, len(rounds), size=(RESAMPLES, len(rounds)))
    values = statistic(rounds[rows])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(statistic(rounds[None])[0]), float(low), float(high))
