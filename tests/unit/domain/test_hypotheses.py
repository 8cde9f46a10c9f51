"""The life of hypotheses: added, promoted, judged, aged, concluded."""

from typing import Any

import pytest

from domain.errors import InvalidInput, UnknownReference
from domain.evidence import EvidenceNeedStatus
from domain.hypotheses import (
    FINAL,
    MAX_HYPOTHESES,
    add,
    age,
    all_evidence_in,
    conclude,
    find,
    initial_status,
    is_deadlocked,
    is_exhausted,
    judge,
    link_evidence,
    next_to_test,
    promote,
    promote_next,
    retire,
    unlink_evidence,
)
from domain.hypothesis import EvidenceStance, GenerationMode, Hypothesis, HypothesisStatus
from tests.builders import a_hypothesis, a_link, a_need, an_id, later

CAPTURED, ACTIVE, VALIDATED, REFUTED, INCONCLUSIVE, RETIRED = HypothesisStatus


def one(number: int, status: HypothesisStatus = ACTIVE, **overrides: Any) -> Hypothesis:
    ended = status not in (CAPTURED, ACTIVE)
    stamps = {"concluded_at": later(3) if ended else None, "tested_at": None if status is CAPTURED else later(2)}
    return a_hypothesis(number, status=status, **{**stamps, **overrides})


def test_a_hypothesis_is_found_by_its_id() -> None:
    assert find((one(1), one(2)), an_id("hyp", 2)) == one(2)
    with pytest.raises(UnknownReference):
        find((one(1),), an_id("hyp", 2))


def test_a_new_hypothesis_comes_last() -> None:
    assert add((one(1),), one(2)) == (one(1), one(2))


@pytest.mark.parametrize("status", HypothesisStatus)
def test_a_hypothesis_that_says_the_same_is_refused_whatever_became_of_the_first(status: HypothesisStatus) -> None:
    with pytest.raises(InvalidInput, match="says the same"):
        add((one(1, status, statement="The pool is EMPTY"),), one(2, statement="the  pool is empty"))


def test_there_is_an_upper_bound_of_hypotheses() -> None:
    full = tuple(map(one, range(MAX_HYPOTHESES)))
    with pytest.raises(InvalidInput, match="at most"):
        add(full, one(MAX_HYPOTHESES))


def test_only_a_chance_find_waits() -> None:
    assert [initial_status(mode) for mode in GenerationMode] == [CAPTURED, ACTIVE, ACTIVE]


def test_promotion_starts_the_test() -> None:
    promoted = promote(one(1, CAPTURED), later(7))
    assert (promoted.status, promoted.tested_at) == (ACTIVE, later(7))
    again = promote(one(1, INCONCLUSIVE, stale_turns=3, conclusion_reason="undecided"), later(7))
    assert (again.status, again.tested_at, again.concluded_at, again.conclusion_reason) == (
        ACTIVE,
        later(2),
        None,
        None,
    )
    assert (again.stale_turns, again.likelihood) == (0, 0.5)
    for status in (ACTIVE, *FINAL):
        assert promote(one(1, status), later(7)) == one(1, status)


def test_the_next_come_to_their_turn_when_nothing_is_under_test() -> None:
    waiting = tuple(
        one(number, CAPTURED, likelihood=number / 10, initial_likelihood=number / 10) for number in range(1, 6)
    )
    promoted = promote_next((*waiting, one(9, REFUTED)), later(5))
    assert [item.status for item in promoted] == [CAPTURED, CAPTURED, ACTIVE, ACTIVE, ACTIVE, REFUTED]
    assert promote_next((*waiting, one(9)), later(5)) == (*waiting, one(9))


@pytest.mark.parametrize("status", [CAPTURED, ACTIVE, INCONCLUSIVE])
def test_evidence_moves_the_likelihood_and_takes_the_hypothesis_under_test(status: HypothesisStatus) -> None:
    (linked, other) = link_evidence((one(1, status), one(2)), an_id("hyp", 1), a_link(1), later(5))
    assert linked.status is ACTIVE
    assert linked.likelihood == pytest.approx(0.65)
    assert linked.links == (a_link(1),)
    assert other == one(2)


def test_judging_the_same_evidence_again_replaces_the_judgement() -> None:
    hypotheses = (one(1),)
    for stance in (EvidenceStance.STRONGLY_SUPPORTS, EvidenceStance.SUPPORTS, EvidenceStance.SUPPORTS):
        hypotheses = link_evidence(hypotheses, an_id("hyp", 1), a_link(1, stance), later(5))
    assert hypotheses[0].links == (a_link(1, EvidenceStance.SUPPORTS),)
    assert hypotheses[0].likelihood == pytest.approx(0.65)


def test_irrelevant_evidence_is_unlinked() -> None:
    linked = link_evidence((one(1),), an_id("hyp", 1), a_link(1), later(5))
    unlinked = unlink_evidence(linked, an_id("hyp", 1), an_id("ev", 1))
    assert unlinked == (one(1),)
    assert unlink_evidence(unlinked, an_id("hyp", 1), an_id("ev", 1)) == (one(1),)


@pytest.mark.parametrize("status", FINAL)
def test_a_decided_hypothesis_is_left_alone(status: HypothesisStatus) -> None:
    hypotheses = (one(1, status),)
    with pytest.raises(InvalidInput, match=f"already {status}"):
        link_evidence(hypotheses, an_id("hyp", 1), a_link(1), later(5))
    with pytest.raises(InvalidInput, match=f"already {status}"):
        unlink_evidence(hypotheses, an_id("hyp", 1), an_id("ev", 1))
    with pytest.raises(InvalidInput, match=f"already {status}"):
        retire(hypotheses, an_id("hyp", 1), later(5), "why")


def test_a_conclusion_has_its_time_and_reason() -> None:
    (item,) = conclude((one(1),), an_id("hyp", 1), REFUTED, later(5), "the metrics contradict it")
    assert (item.status, item.concluded_at, item.conclusion_reason) == (REFUTED, later(5), "the metrics contradict it")
    (item,) = retire((one(1, CAPTURED),), an_id("hyp", 1), later(5), "unlikely")
    assert (item.status, item.concluded_at, item.conclusion_reason) == (RETIRED, later(5), "unlikely")


class TestAgeing:
    def test_a_turn_without_movement_counts_and_the_second_one_decays(self) -> None:
        hypotheses: tuple[Hypothesis, ...] = (one(1),)
        seen = []
        for _ in range(4):
            hypotheses = age(hypotheses, hypotheses)
            seen.append((hypotheses[0].stale_turns, hypotheses[0].likelihood))
        assert seen == [(1, 0.5), (2, 0.5 * 0.85), (3, 0.5 * 0.85**2), (4, 0.5 * 0.85**3)]

    @pytest.mark.parametrize(("completeness", "stale"), [(0.4, 0), (0.3, 5)])
    def test_a_movement_of_a_twentieth_restores_it(self, completeness: float, stale: int) -> None:
        before = (one(1, stale_turns=4),)
        after = link_evidence(before, an_id("hyp", 1), a_link(1, completeness=completeness), later(5))
        assert age(before, after)[0].stale_turns == stale

    def test_decay_itself_is_no_movement(self) -> None:
        before = (one(1, stale_turns=4),)
        assert age(before, before)[0].stale_turns == 5

    @pytest.mark.parametrize("status", [status for status in HypothesisStatus if status is not ACTIVE])
    def test_only_what_was_and_is_under_test_ages(self, status: HypothesisStatus) -> None:
        assert age((one(1, status),), (one(1, status),)) == (one(1, status),)
        assert age((one(1, status),), (one(1),)) == (one(1),)
        assert age((), (one(1),)) == (one(1),)


class TestJudging:
    def test_what_the_evidence_decides_is_concluded(self) -> None:
        strong = (a_link(1, EvidenceStance.STRONGLY_SUPPORTS), a_link(2))
        hypotheses = (
            one(1, likelihood=0.95, links=strong),
            one(2, likelihood=0.1, links=(a_link(1, EvidenceStance.STRONGLY_CONTRADICTS),)),
            one(3, likelihood=0.2, initial_likelihood=0.2, stale_turns=1),
            one(4),
            one(5),
        )
        needs = (a_need(1, hypothesis_id=an_id("hyp", 4), status=EvidenceNeedStatus.BLOCKED),)
        judged = judge(hypotheses, needs, None, later(5))
        assert [item.status for item in judged] == [VALIDATED, REFUTED, RETIRED, INCONCLUSIVE, ACTIVE]
        assert all(item.conclusion_reason and item.concluded_at == later(5) for item in judged[:4])

    def test_all_evidence_is_in_when_each_request_was_judged_or_blocked(self) -> None:
        hypothesis = one(1, links=(a_link(1),))
        mine = {"hypothesis_id": an_id("hyp", 1)}
        judged = a_need(1, status=EvidenceNeedStatus.MET, evidence_id=an_id("ev", 1), **mine)
        unjudged = a_need(2, status=EvidenceNeedStatus.MET, evidence_id=an_id("ev", 2), **mine)
        blocked = a_need(3, status=EvidenceNeedStatus.BLOCKED, **mine)
        waiting = a_need(4, **mine)
        foreign = a_need(5, hypothesis_id=an_id("hyp", 2))
        assert all_evidence_in(hypothesis, (judged, blocked, foreign))
        assert not all_evidence_in(hypothesis, (judged, unjudged))
        assert not all_evidence_in(hypothesis, (judged, waiting))
        assert not all_evidence_in(hypothesis, (foreign,))


def test_three_are_tested_and_ties_keep_their_order() -> None:
    hypotheses = (
        one(1, likelihood=0.5),
        one(2, likelihood=0.6),
        one(3, likelihood=0.5),
        one(4, likelihood=0.5),
        one(5, likelihood=0.2),
        one(6, CAPTURED, likelihood=0.9),
    )
    assert [item.hypothesis_id[-1] for item in next_to_test(hypotheses)] == ["2", "1", "3"]
    assert next_to_test((one(5, likelihood=0.2), one(6, likelihood=0.21))) == (one(6, likelihood=0.21),)


@pytest.mark.parametrize(
    ("statuses", "deadlocked", "exhausted"),
    [
        ((), False, False),
        ((INCONCLUSIVE,), True, False),
        ((INCONCLUSIVE, REFUTED, RETIRED), True, False),
        ((INCONCLUSIVE, ACTIVE), False, False),
        ((INCONCLUSIVE, CAPTURED), False, False),
        ((INCONCLUSIVE, VALIDATED), False, False),
        ((REFUTED, RETIRED), False, True),
        ((REFUTED, ACTIVE), False, False),
    ],
)
def test_deadlock_and_exhaustion(statuses: tuple[HypothesisStatus, ...], deadlocked: bool, exhausted: bool) -> None:
    hypotheses = tuple(one(number, status) for number, status in enumerate(statuses))
    assert is_deadlocked(hypotheses) is deadlocked
    assert is_exhausted(hypotheses) is exhausted
