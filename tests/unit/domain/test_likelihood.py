"""The arithmetic of likelihoods and the thresholds of the strategies."""

import random

import pytest

from domain.hypothesis import EvidenceLink, EvidenceStance, HypothesisStatus
from domain.likelihood import evidence_likelihood, likelihood, support, threshold, verdict
from domain.path import InvestigationStrategy
from tests.builders import a_hypothesis, a_link, later

STANCES = tuple(stance for stance in EvidenceStance if stance is not EvidenceStance.IRRELEVANT)
ACTIVE_INCIDENT, POST_MORTEM = InvestigationStrategy.ACTIVE_INCIDENT, InvestigationStrategy.POST_MORTEM
STRONG, WEAK, NEUTRAL, AGAINST, STRONG_AGAINST = STANCES
EXAMPLES = 20_000


@pytest.mark.parametrize(
    ("stances", "expected"),
    [
        ((), 0.5),
        ((WEAK,), 0.65),
        ((STRONG,), 0.8),
        ((NEUTRAL,), 0.5),
        ((AGAINST,), 0.3),
        ((STRONG_AGAINST,), 0.1),
        ((STRONG, STRONG), 1.0),
        ((STRONG_AGAINST, STRONG_AGAINST), 0.0),
        ((STRONG, STRONG_AGAINST), 0.4),
    ],
)
def test_evidence_shifts_the_initial_likelihood(stances: tuple[EvidenceStance, ...], expected: float) -> None:
    links = [a_link(number, stance) for number, stance in enumerate(stances)]
    assert evidence_likelihood(0.5, links) == pytest.approx(expected)


def test_partial_evidence_shifts_in_proportion() -> None:
    assert evidence_likelihood(0.5, [a_link(1, STRONG, completeness=0.5)]) == pytest.approx(0.65)


@pytest.mark.parametrize(("stale", "factor"), [(0, 1), (1, 1), (2, 0.85), (3, 0.85**2), (5, 0.85**4)])
def test_a_likelihood_decays_from_the_second_stale_turn_on(stale: int, factor: float) -> None:
    assert likelihood(0.8, (), stale) == pytest.approx(0.8 * factor)


def _random_links(rng: random.Random) -> list[EvidenceLink]:
    return [
        EvidenceLink.model_construct(
            evidence_id=f"ev_{number:012x}",
            stance=rng.choice(STANCES),
            reasoning="",
            completeness=rng.choice((0.0, 1.0, rng.random())),
            analyzed_at=later(0),
        )
        for number in range(rng.randrange(7))
    ]


def test_a_likelihood_is_bounded_free_of_order_and_monotone_in_support_and_age() -> None:
    rng = random.Random(1)
    for example in range(EXAMPLES):
        initial, links, stale = rng.random(), _random_links(rng), rng.randrange(8)
        value = likelihood(initial, links, stale)
        shuffled = rng.sample(links, len(links))
        more = EvidenceLink.model_construct(
            stance=rng.choice((WEAK, STRONG)), completeness=rng.random(), evidence_id="ev_ffffffffffff"
        )
        less = more.model_copy(update={"stance": rng.choice((AGAINST, STRONG_AGAINST))})
        assert 0 <= value <= 1, example
        assert likelihood(initial, shuffled, stale) == value, example
        assert likelihood(initial, [*links, more], stale) >= value, example
        assert likelihood(initial, [*links, less], stale) <= value, example
        assert likelihood(initial, links, stale + 1) <= value, example


@pytest.mark.parametrize(
    ("strategy", "bar", "weight"), [(None, 0.7, 2), (ACTIVE_INCIDENT, 0.6, 1), (POST_MORTEM, 0.85, 2)]
)
def test_the_bar_of_each_strategy(strategy: InvestigationStrategy | None, bar: float, weight: int) -> None:
    assert (threshold(strategy).likelihood, threshold(strategy).support) == (bar, weight)


def test_strong_support_weighs_two() -> None:
    assert (
        support(a_hypothesis(links=(a_link(1, STRONG), a_link(2, WEAK), a_link(3, NEUTRAL), a_link(4, AGAINST)))) == 3
    )


def _verdict(
    stances: tuple[EvidenceStance, ...],
    value: float,
    strategy: InvestigationStrategy | None = None,
    *,
    stale: int = 0,
    all_in: bool = False,
) -> HypothesisStatus:
    links = tuple(a_link(number, stance) for number, stance in enumerate(stances))
    return verdict(a_hypothesis(links=links, likelihood=value, stale_turns=stale), strategy, all_evidence_in=all_in)


@pytest.mark.parametrize(
    ("strategy", "stances", "value", "validated"),
    [
        (None, (WEAK, WEAK), 0.70, True),
        (None, (STRONG,), 0.70, True),
        (None, (WEAK,), 0.99, False),
        (None, (WEAK, WEAK), 0.69, False),
        (ACTIVE_INCIDENT, (WEAK,), 0.60, True),
        (ACTIVE_INCIDENT, (WEAK,), 0.59, False),
        (ACTIVE_INCIDENT, (NEUTRAL,), 0.99, False),
        (POST_MORTEM, (STRONG,), 0.85, True),
        (POST_MORTEM, (WEAK, WEAK), 0.85, True),
        (POST_MORTEM, (WEAK,), 0.99, False),
        (POST_MORTEM, (WEAK, WEAK), 0.84, False),
    ],
)
def test_validation_needs_likelihood_and_support(
    strategy: InvestigationStrategy | None, stances: tuple[EvidenceStance, ...], value: float, validated: bool
) -> None:
    assert (_verdict(stances, value, strategy) is HypothesisStatus.VALIDATED) == validated


@pytest.mark.parametrize("value", [0.0, 0.19, 0.20, 0.25, 0.299])
@pytest.mark.parametrize("stale", [0, 3])
@pytest.mark.parametrize("stances", [(AGAINST,), (AGAINST, AGAINST), (WEAK, STRONG_AGAINST)])
def test_what_is_unlikely_and_contradicted_is_refuted_not_retired(
    value: float, stale: int, stances: tuple[EvidenceStance, ...]
) -> None:
    assert _verdict(stances, value, stale=stale) is HypothesisStatus.REFUTED


def test_what_is_unlikely_without_contradiction_is_retired_once_a_turn_has_passed() -> None:
    assert _verdict((), 0.29) is HypothesisStatus.ACTIVE
    assert _verdict((), 0.29, stale=1) is HypothesisStatus.RETIRED
    assert _verdict((NEUTRAL,), 0.29, stale=1) is HypothesisStatus.RETIRED
    assert _verdict((), 0.30, stale=5) is HypothesisStatus.ACTIVE


@pytest.mark.parametrize(("value", "inconclusive"), [(0.30, True), (0.69, True), (0.70, False)])
def test_what_all_the_evidence_leaves_open_is_inconclusive(value: float, inconclusive: bool) -> None:
    assert (_verdict((NEUTRAL,), value, all_in=True) is HypothesisStatus.INCONCLUSIVE) == inconclusive
    assert _verdict((NEUTRAL,), value) is HypothesisStatus.ACTIVE


@pytest.mark.parametrize("status", [status for status in HypothesisStatus if status is not HypothesisStatus.ACTIVE])
def test_only_an_active_hypothesis_is_moved(status: HypothesisStatus) -> None:
    concluded = later(5) if status is not HypothesisStatus.CAPTURED else None
    for value in (0.0, 0.5, 1.0):
        hypothesis = a_hypothesis(
            status=status, concluded_at=concluded, likelihood=value, links=(a_link(1, STRONG), a_link(2, AGAINST))
        )
        assert verdict(hypothesis, None, all_evidence_in=True) is status
