"""The working conclusion and the figures of progress."""

from typing import Any

import pytest

from domain.case import Case
from domain.episodes import DegradedEpisode, DegradedModeType
from domain.evidence import EvidenceNeedStatus
from domain.hypothesis import EvidenceStance, HypothesisStatus
from domain.path import InvestigationStrategy
from domain.working import (
    Momentum,
    completeness,
    momentum_of,
    progress_metrics,
    suggests_escalation,
    working_conclusion,
)
from tests.builders import (
    OWNER,
    a_full_case,
    a_hypothesis,
    a_link,
    a_need,
    a_solution,
    a_turn,
    an_evidence,
    an_id,
    an_investigating_case,
    later,
)

BLOCKED, MET = EvidenceNeedStatus.BLOCKED, EvidenceNeedStatus.MET
EVIDENCE = tuple(map(an_evidence, range(1, 9)))


def investigating(**values: Any) -> Case:
    return an_investigating_case(**{"evidence": EVIDENCE, **values})


def degraded(mode: DegradedModeType) -> tuple[DegradedEpisode, ...]:
    return (DegradedEpisode(mode_type=mode, entered_at=later(5), reason="r"),)


def with_turns(*confidences: float | None, evidence: int = 0, **values: Any) -> Case:
    turns = tuple(
        a_turn(
            number,
            timestamp=later(number),
            working_confidence=confidence,
            evidence_added=tuple(an_id("ev", item + 1) for item in range(evidence)),
        )
        for number, confidence in enumerate(confidences, 1)
    )
    return investigating(turn_history=turns, current_turn=len(turns), **values)


class TestConclusion:
    def test_without_hypotheses_there_is_nothing_to_believe(self) -> None:
        conclusion = working_conclusion(investigating(), later(9))
        assert (conclusion.confidence, conclusion.can_proceed_with_solution) == (0.0, False)
        assert "symptom_verification" in conclusion.reasoning

    def test_with_none_left_new_ones_are_needed(self) -> None:
        refuted = a_hypothesis(1, status=HypothesisStatus.REFUTED, concluded_at=later(3))
        conclusion = working_conclusion(investigating(hypotheses=(refuted,)), later(9))
        assert (conclusion.confidence, conclusion.caveats) == (0.0, ("new hypotheses are needed",))
        assert "1 hypotheses" in conclusion.statement

    def test_the_most_likely_hypothesis_is_the_best_explanation(self) -> None:
        hypotheses = tuple(a_hypothesis(number, likelihood=number / 10) for number in range(1, 8))
        best = a_hypothesis(9, likelihood=0.9, links=(a_link(1), a_link(2, EvidenceStance.CONTRADICTS)))
        conclusion = working_conclusion(investigating(hypotheses=(*hypotheses, best)), later(9))
        assert (conclusion.statement, conclusion.confidence) == (best.statement, 0.9)
        assert conclusion.hypothesis_id == best.hypothesis_id
        assert conclusion.supporting_evidence_ids == (an_id("ev", 1),)
        assert conclusion.alternatives == tuple(an_id("hyp", number) for number in (7, 6, 5))
        assert conclusion.can_proceed_with_solution
        assert conclusion.caveats == ("pieces of evidence that contradict it: 1",)

    def test_ties_go_to_the_older_and_unlikely_ones_are_no_alternative(self) -> None:
        hypotheses = (a_hypothesis(1), a_hypothesis(2), a_hypothesis(3, likelihood=0.29))
        conclusion = working_conclusion(investigating(hypotheses=hypotheses), later(9))
        assert conclusion.hypothesis_id == an_id("hyp", 1)
        assert conclusion.alternatives == (an_id("hyp", 2),)

    @pytest.mark.parametrize(
        ("required", "supporting", "likelihood", "caveats"),
        [
            (0, 0, 0.7, ()),
            (3, 1, 0.7, ("only 33% of the evidence that was asked for supports it",)),
            (2, 1, 0.7, ("50% of the evidence that was asked for supports it so far",)),
            (4, 3, 0.7, ()),
            (1, 3, 0.7, ()),
            (0, 0, 0.69, ("it is not validated yet",)),
            (0, 0, 0.5, ("it is not validated yet",)),
            (0, 0, 0.49, ("it is speculative",)),
        ],
    )
    def test_caveats_name_what_is_missing(
        self, required: int, supporting: int, likelihood: float, caveats: tuple[str, ...]
    ) -> None:
        best = a_hypothesis(1, likelihood=likelihood, links=tuple(a_link(number + 1) for number in range(supporting)))
        needs = tuple(a_need(number, hypothesis_id=best.hypothesis_id) for number in range(required))
        case = investigating(hypotheses=(best,), evidence_needs=needs)
        assert working_conclusion(case, later(9)).caveats == caveats
        assert completeness(best, needs) == (min(1, supporting / required) if required else 1.0)

    def test_blocked_critical_requests_are_a_caveat(self) -> None:
        needs = (a_need(1, critical=True, status=BLOCKED), a_need(2, status=BLOCKED), a_need(3, critical=True))
        case = investigating(hypotheses=(a_hypothesis(1, likelihood=0.8),), evidence_needs=needs)
        assert working_conclusion(case, later(9)).caveats == ("critical requests for evidence that are blocked: 1",)

    @pytest.mark.parametrize(
        ("mode", "cap"),
        [
            ("no_progress", 0.5),
            ("limited_data", 0.5),
            ("external_dependency", 0.5),
            ("other", 0.5),
            ("hypothesis_deadlock", 0.3),
        ],
    )
    def test_trouble_limits_the_confidence(self, mode: str, cap: float) -> None:
        case = investigating(
            hypotheses=(a_hypothesis(1, likelihood=0.9),), degraded_episodes=degraded(DegradedModeType(mode))
        )
        conclusion = working_conclusion(case, later(9))
        assert (conclusion.confidence, conclusion.can_proceed_with_solution) == (cap, False)
        assert conclusion.caveats[-1].endswith(f"limited to {cap:.0%}")
        low = case.replace(hypotheses=(a_hypothesis(1, likelihood=0.25),))
        assert working_conclusion(low, later(9)).confidence == 0.25

    def test_an_identified_root_cause_is_the_conclusion(self) -> None:
        full = a_full_case()
        cause = full.root_cause_conclusion
        assert cause
        conclusion = working_conclusion(full, later(60))
        assert (conclusion.statement, conclusion.confidence) == (cause.root_cause, cause.confidence_score)
        assert conclusion.hypothesis_id == cause.validated_hypothesis_id

    def test_a_new_conclusion_supersedes_and_an_equal_one_stays(self) -> None:
        case = investigating(hypotheses=(a_hypothesis(1),))
        first = working_conclusion(case, later(9))
        assert first.supersedes_conclusion_at is None
        case = case.replace(working_conclusion=first)
        assert working_conclusion(case, later(10)) == first
        moved = case.replace(hypotheses=(a_hypothesis(1, likelihood=0.65),))
        second = working_conclusion(moved, later(10))
        assert (second.updated_at, second.supersedes_conclusion_at) == (later(10), later(9))
        assert working_conclusion(moved.replace(working_conclusion=second), later(11)) == second


class TestMomentum:
    @pytest.mark.parametrize(
        ("confidences", "evidence", "momentum"),
        [
            ((), 0, Momentum.MODERATE),
            ((0.5,), 0, Momentum.MODERATE),
            ((0.5, None), 0, Momentum.MODERATE),
            ((0.4, 0.45, 0.55), 1, Momentum.HIGH),
            ((0.4, 0.45, 0.55), 0, Momentum.MODERATE),
            ((0.5, 0.5, 0.6), 1, Momentum.MODERATE),
            ((0.5, 0.5, 0.5), 0, Momentum.LOW),
            ((0.5, 0.44), 0, Momentum.LOW),
            ((0.5, 0.44), 1, Momentum.MODERATE),
            ((0.5, 0.5), 1, Momentum.MODERATE),
            ((0.9, 0.1, 0.1, 0.1), 0, Momentum.LOW),
        ],
    )
    def test_it_follows_confidence_and_evidence(
        self, confidences: tuple[float | None, ...], evidence: int, momentum: Momentum
    ) -> None:
        assert momentum_of(with_turns(*confidences, evidence=evidence)) is momentum

    def test_two_blocked_critical_requests_block(self) -> None:
        blocked = tuple(a_need(number, critical=True, status=BLOCKED) for number in range(2))
        assert momentum_of(investigating(evidence_needs=blocked)) is Momentum.BLOCKED
        assert momentum_of(investigating(evidence_needs=blocked[:1])) is Momentum.MODERATE


class TestMetrics:
    def test_a_fresh_investigation(self) -> None:
        metrics = progress_metrics(investigating(evidence_needs=tuple(map(a_need, range(1, 6)))))
        assert (metrics.confidence, metrics.evidence_completeness) == (0, 0)
        assert metrics.next_evidence == tuple(f"The access log of node {number}" for number in (1, 2, 3))
        assert metrics.blocked_reasons == ("only 0% of the evidence is there", "no hypothesis is under test")
        assert not metrics.suggests_closure
        assert not metrics.suggests_escalation

    def test_completeness_is_a_mean_over_what_counts(self) -> None:
        hypotheses = (
            a_hypothesis(1, links=(a_link(1),)),
            a_hypothesis(2),
            a_hypothesis(3, status=HypothesisStatus.REFUTED, concluded_at=later(3)),
        )
        needs = (a_need(1, hypothesis_id=an_id("hyp", 1)), a_need(2, hypothesis_id=an_id("hyp", 1)))
        metrics = progress_metrics(investigating(hypotheses=hypotheses, evidence_needs=needs))
        assert metrics.evidence_completeness == 0.75
        assert metrics.blocked_reasons == ()

    def test_closure_is_suggested_when_all_four_signs_agree(self) -> None:
        blocked = tuple(a_need(number, critical=True, status=BLOCKED) for number in range(2))
        hopeless: dict[str, Any] = {"turns_without_progress": 3, "evidence_needs": blocked}
        case = with_turns(0.4, 0.4, 0.4, **hopeless)
        metrics = progress_metrics(case)
        assert metrics.suggests_closure
        assert metrics.blocked_reasons[0] == "2 critical requests for evidence are blocked"
        assert metrics.blocked_reasons[-1] == "the confidence has not moved for 3 turns"
        conclusion = working_conclusion(investigating(), later(9))
        for changes in (
            {"turns_without_progress": 2},
            {"evidence_needs": blocked[:1]},
            {"working_conclusion": conclusion.replace(confidence=0.5)},
        ):
            assert not progress_metrics(case.replace(**changes)).suggests_closure


class TestEscalation:
    def test_it_is_suggested_when_every_hypothesis_was_given_up(self) -> None:
        refuted = a_hypothesis(1, status=HypothesisStatus.REFUTED, concluded_at=later(3))
        assert suggests_escalation(investigating(hypotheses=(refuted,)))
        assert not suggests_escalation(investigating(hypotheses=(refuted, a_hypothesis(2))))

    def test_it_is_suggested_after_six_turns_of_trouble(self) -> None:
        episodes = degraded(DegradedModeType.NO_PROGRESS)
        assert suggests_escalation(with_turns(*[0.5] * 11, degraded_episodes=episodes))
        assert not suggests_escalation(with_turns(*[0.5] * 10, degraded_episodes=episodes))
        over = tuple(episode.replace(exited_at=later(6)) for episode in episodes)
        assert not suggests_escalation(with_turns(*[0.5] * 11, degraded_episodes=over))

    @pytest.mark.parametrize(
        ("strategy", "failures", "suggested"),
        [("active_incident", 3, True), ("active_incident", 2, False), ("post_mortem", 3, False)],
    )
    def test_it_is_suggested_after_three_failed_attempts_in_an_incident(
        self, strategy: str, failures: int, suggested: bool
    ) -> None:
        stamps = {"applied_at": later(5), "applied_by": OWNER, "verified_at": later(6), "effectiveness": 0.1}
        case = investigating(
            solutions=tuple(a_solution(number, **stamps) for number in range(failures)),
            investigation_strategy=InvestigationStrategy(strategy),
        )
        assert suggests_escalation(case) is suggested
