"""Ratios, their intervals, and the fit of a growth."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.statistics import bootstrap, exponent, median_ratio, ratio_of_minima

SEED = 7


def noisy(center: float, count: int, seed: int) -> list[float]:
    """Times around a center, some of which were disturbed."""
    chance = random.Random(seed)
    return [center * (1 + 0.05 * chance.random()) * (3 if chance.random() < 0.1 else 1) for _ in range(count)]


def test_ratio_of_minima_takes_the_quickest_rounds() -> None:
    """Rounds that were disturbed do not count."""
    assert ratio_of_minima([30.0, 12.0, 99.0], [10.0, 55.0, 11.0]) == pytest.approx(1.2)


def test_median_ratio_compares_round_by_round() -> None:
    """A round in which the machine was slow for both says the same as any other."""
    slow = [1.0, 10.0, 100.0, 1.0, 1000.0]
    found = median_ratio([1.1 * time for time in slow], slow, SEED)
    assert (found.value, found.low, found.high) == pytest.approx((1.1, 1.1, 1.1))


def test_interval_holds_the_true_ratio() -> None:
    """In the promised share of many experiments, about."""
    held = 0
    for seed in range(100):
        found = median_ratio(noisy(1.2, 41, seed), noisy(1.0, 41, 1000 + seed), seed)
        assert found.low <= found.value <= found.high
        held += found.low <= 1.2 <= found.high
    assert held >= 85


def test_interval_narrows_with_the_rounds() -> None:
    """More rounds say more."""
    few = median_ratio(noisy(1.0, 25, 1), noisy(1.0, 25, 2), SEED)
    many = median_ratio(noisy(1.0, 400, 3), noisy(1.0, 400, 4), SEED)
    assert many.high - many.low < few.high - few.low


def test_same_seed_gives_the_same_interval() -> None:
    """Whoever has the times gets the published interval."""
    times = noisy(1.0, 30, 1), noisy(1.0, 30, 2)
    assert median_ratio(*times, SEED) == median_ratio(*times, SEED)


@given(st.floats(-0.5, 2.0), st.floats(1.0, 1e6))
def test_exponent_of_an_exact_law(power: float, factor: float) -> None:
    """The fit finds the exponent that made the costs."""
    costs = {size: [factor * size**power] * 25 for size in (1_000, 10_000, 100_000)}
    found = exponent(costs, SEED)
    assert (found.value, found.low, found.high) == pytest.approx((power, power, power), abs=1e-6)


def test_exponent_of_a_logarithm_is_small() -> None:
    """What grows like a tree passes as gentle, what looks at everything does not."""
    sizes = (1_000, 10_000, 100_000)
    assert 0.05 < exponent({size: [float(np.log(size))] * 25 for size in sizes}, SEED).value < 0.15
    assert exponent({size: [50.0 + size] * 25 for size in sizes}, SEED).value > 0.9


def test_exponent_survives_disturbed_rounds() -> None:
    """Some rounds in which another program had the processor do not bend the curve."""
    costs = {size: noisy(100.0, 41, size) for size in (1_000, 10_000, 100_000)}
    found = exponent(costs, SEED)
    assert abs(found.value) < 0.05


def test_one_size_shows_no_growth() -> None:
    """It is refused instead of fitted."""
    with pytest.raises(ValueError, match="two sizes"):
        exponent({1_000: [1.0] * 25}, SEED)


def test_bootstrap_of_equal_rounds_is_a_point() -> None:
    """There is nothing to be uncertain about."""
    found = bootstrap(np.full(25, 3.0), lambda rows: np.median(rows, axis=1), SEED)
    assert (found.low, found.value, found.high) == (3.0, 3.0, 3.0)
