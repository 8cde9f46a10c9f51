"""Clinging to one kind of cause is noticed, and alternatives are demanded."""

from typing import Any

import pytest

from domain.anchoring import detect_anchoring, give_up_stale, is_satisfied
from domain.hypothesis import (
    ForcedAlternatives,
    GenerationMode,
    Hypothesis,
    HypothesisCategory,
    HypothesisStatus,
)
from tests.builders import a_hypothesis, later

CODE, CONFIG, NETWORK = HypothesisCategory.CODE, HypothesisCategory.CONFIG, HypothesisCategory.NETWORK
ACTIVE, REFUTED = HypothesisStatus.ACTIVE, HypothesisStatus.REFUTED
INCONCLUSIVE, RETIRED, VALIDATED = HypothesisStatus.INCONCLUSIVE, HypothesisStatus.RETIRED, HypothesisStatus.VALIDATED
DEMAND = ForcedAlternatives(excluded_category=CODE, minimum=2, demanded_at_turn=5, reasons=("r",))


def some(*kinds: tuple[HypothesisStatus, HypothesisCategory], **overrides: Any) -> tuple[Hypothesis, ...]:
    return tuple(
        a_hypothesis(
            number,
            status=status,
            category=category,
            concluded_at=None if status is ACTIVE else later(3),
            **overrides,
        )
        for number, (status, category) in enumerate(kinds)
    )


def test_nothing_is_anchored_at_first() -> None:
    assert detect_anchoring((), 1) is None
    assert detect_anchoring(some((ACTIVE, CODE), (REFUTED, CODE)), 1) is None


@pytest.mark.parametrize(
    ("kinds", "anchored"),
    [
        (((REFUTED, CODE),) * 4, True),
        (((REFUTED, CODE), (INCONCLUSIVE, CODE)) * 2, True),
        (((REFUTED, CODE),) * 3, False),
        (((RETIRED, CODE),) * 4, False),
        (((REFUTED, CODE),) * 3 + ((REFUTED, CONFIG),), False),
        (((REFUTED, CODE),) * 4 + ((VALIDATED, CODE),), False),
        (((REFUTED, CODE),) * 4 + ((VALIDATED, CONFIG),), True),
        (((ACTIVE, CODE),) * 5, False),
    ],
)
def test_four_failures_of_one_category_are_enough(kinds: Any, anchored: bool) -> None:
    demand = detect_anchoring(some(*kinds), 7)
    assert (demand is not None) == anchored
    if demand:
        assert (demand.excluded_category, demand.demanded_at_turn, demand.minimum) == (CODE, 7, 2)
        assert demand.reasons == ("4 hypotheses of the category code failed",)


def test_failures_from_before_the_last_alternatives_do_not_count_again() -> None:
    failed = some(*((REFUTED, CODE),) * 4, generated_at_turn=3)
    forced = a_hypothesis(9, category=CONFIG, generation_mode=GenerationMode.FORCED_ALTERNATIVE, generated_at_turn=6)
    assert detect_anchoring((*failed, forced), 7) is None
    assert detect_anchoring((*failed, forced.replace(generated_at_turn=2)), 7)


def test_two_that_do_not_move_are_anchored_to_the_dominant_category() -> None:
    stale = some((ACTIVE, CONFIG), (ACTIVE, NETWORK), stale_turns=3)
    fresh = (a_hypothesis(8, category=NETWORK, likelihood=0.9), a_hypothesis(9, category=NETWORK))
    demand = detect_anchoring((*stale, *fresh), 4)
    assert demand
    assert demand.excluded_category is NETWORK
    assert demand.reasons == ("2 hypotheses have not moved for 3 turns",)
    assert detect_anchoring((*some((ACTIVE, CONFIG), (ACTIVE, NETWORK), stale_turns=2), *fresh), 4) is None


@pytest.mark.parametrize(("likelihood", "anchored"), [(0.69, True), (0.70, False)])
def test_a_favourite_that_neither_moves_nor_convinces_is_an_anchor(likelihood: float, anchored: bool) -> None:
    favourite = a_hypothesis(1, likelihood=likelihood, stale_turns=3)
    other = a_hypothesis(2, likelihood=0.4, category=CONFIG)
    assert (detect_anchoring((favourite, other), 4) is not None) == anchored
    assert detect_anchoring((favourite, other.replace(likelihood=0.95)), 4) is None


def test_only_the_stale_ones_of_the_category_are_given_up() -> None:
    hypotheses = (
        a_hypothesis(1, category=CODE, stale_turns=2),
        a_hypothesis(2, category=CODE, stale_turns=1),
        a_hypothesis(3, category=CONFIG, stale_turns=9),
        a_hypothesis(4, category=CODE, stale_turns=9, status=HypothesisStatus.CAPTURED, tested_at=None),
    )
    kept = give_up_stale(hypotheses, DEMAND, later(9))
    assert [item.status for item in kept] == [RETIRED, ACTIVE, ACTIVE, HypothesisStatus.CAPTURED]
    assert kept[0].concluded_at == later(9)


def test_two_newer_ones_of_other_kinds_meet_the_demand() -> None:
    newer = [a_hypothesis(number, category=CONFIG, generated_at_turn=6) for number in range(2)]
    assert is_satisfied(DEMAND, tuple(newer))
    assert not is_satisfied(DEMAND, (newer[0],))
    assert not is_satisfied(DEMAND, (newer[0], newer[1].replace(category=CODE)))
    assert not is_satisfied(DEMAND, (newer[0], newer[1].replace(generated_at_turn=5)))
