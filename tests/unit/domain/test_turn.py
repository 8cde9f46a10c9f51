"""Whole turns: what comes in, what the case becomes, and how the turn is recorded."""

from itertools import count
from typing import Any

import pytest

from domain.case import Case
from domain.errors import DomainError, InvalidInput, MissingPrerequisite, TerminalCase, UnknownReference
from domain.evidence import EvidenceCategory, EvidenceNeedStatus
from domain.hypothesis import EvidenceStance, HypothesisCategory, HypothesisStatus
from domain.milestones import VERIFICATION, Milestone
from domain.progress import complete, infer_category
from domain.proposals import ModelUpdates, UserDecision
from domain.status import CaseStatus, ClosureReason
from domain.turn import MAX_EVIDENCE, MAX_FILES, TurnInput, TurnResult, apply_turn
from tests.builders import (
    OWNER,
    STATEMENT,
    a_case,
    a_closed_case,
    a_confirmed_consultation,
    a_file,
    a_full_case,
    a_hypothesis,
    a_link,
    a_need,
    a_resolved_case,
    a_solution,
    an_evidence,
    an_id,
    an_investigating_case,
    later,
)

SYMPTOM, CAUSAL, RESOLUTION, OTHER = EvidenceCategory
FIX = an_id("sol", 1)


def run(
    case: Case,
    *decisions: dict[str, Any],
    minutes: float = 10,
    text: str = "What next?",
    evidence: tuple[Any, ...] = (),
    files: tuple[Any, ...] = (),
    **updates: Any,
) -> TurnResult:
    """One turn of ``case``."""
    numbers = count(int(minutes * 1000))
    return apply_turn(
        case,
        TurnInput(
            user_text=text,
            reply_text="Look at the log.",
            at=later(minutes),
            by=OWNER,
            new_id=lambda prefix: an_id(prefix, next(numbers)),
            files=files,
            evidence=evidence,
            updates=ModelUpdates.model_validate(updates),
            decisions=tuple(map(UserDecision.model_validate, decisions)),
        ),
    )


def kinds(result: TurnResult) -> list[str]:
    return [event.kind for event in result.events]


def with_solution(**values: Any) -> Case:
    case = an_investigating_case(solutions=(a_solution(1),), **values)
    return complete(case, Milestone.SOLUTION_PROPOSED, later(5), "agent")


def a_stance(evidence: int, stance: str = "strongly_supports", hypothesis: str = "h") -> dict[str, Any]:
    return {"hypothesis": hypothesis, "evidence_id": an_id("ev", evidence), "stance": stance, "reasoning": "r"}


def a_proposal(ref: str = "h", **values: Any) -> dict[str, Any]:
    return {"ref": ref, "statement": f"Cause {ref}", "category": "config", "rationale": "because", **values}


class TestConsulting:
    def test_a_question_is_counted_and_stagnates_nothing(self) -> None:
        case = a_case()
        for number in range(1, 6):
            result = run(case, minutes=number)
            case = result.case
        assert (case.current_turn, case.consulting.consultation_turns, case.turns_without_progress) == (5, 5, 0)
        assert case.degraded_episodes == ()
        assert case.working_conclusion is None
        assert (result.progress.outcome, result.progress.progress_made) == ("conversation", False)
        assert result.events == ()

    def test_from_a_question_to_an_investigation(self) -> None:
        asked = run(a_case(), problem_statement=STATEMENT, problem_reading={"severity": "high"})
        assert asked.case.consulting.proposed_problem_statement == STATEMENT
        agreed = run(asked.case, {"kind": "confirm_statement"}, minutes=11)
        assert agreed.progress.progress_made
        assert kinds(agreed) == ["statement_confirmed"]
        started = run(
            agreed.case,
            {"kind": "start_investigation"},
            minutes=12,
            evidence=(an_evidence(1),),
            milestones=[{"milestone": "symptom_verified", "evidence_ids": [an_id("ev", 1)]}],
        )
        assert started.case.status is CaseStatus.INVESTIGATING
        assert started.case.description == STATEMENT
        assert started.refused == ()
        assert started.progress.milestones_completed == (Milestone.SYMPTOM_VERIFIED,)
        assert started.progress.actions_taken == ("the user decided: start_investigation",)
        assert started.case.consulting.consultation_turns == 3
        assert started.case.working_conclusion is not None
        assert kinds(started) == ["status_changed", "milestone_completed", "evidence_added"]

    def test_files_are_kept_before_the_investigation_and_evidence_is_not(self) -> None:
        result = run(a_case(), files=(a_file(1),))
        assert result.case.uploaded_files == (a_file(1),)
        assert (result.progress.outcome, result.progress.progress_made) == ("data_provided", True)
        with pytest.raises(MissingPrerequisite):
            run(a_case(), evidence=(an_evidence(1),))


class TestRecord:
    def test_a_turn_is_recorded_with_what_it_added(self) -> None:
        result = run(
            an_investigating_case(),
            evidence=(an_evidence(1),),
            files=(a_file(1),),
            hypotheses=[a_proposal()],
            solutions=[{"ref": "s", "solution_type": "restart", "title": "Restart", "commands": ["restart"]}],
        )
        turn = result.progress
        assert result.case.turn_history == (turn,)
        assert (turn.turn_number, turn.timestamp) == (1, later(10))
        assert turn.evidence_added == (an_id("ev", 1),)
        assert turn.hypotheses_generated == (an_id("hyp", 10_000),)
        assert turn.solutions_proposed == (an_id("sol", 10_001),)
        assert turn.milestones_completed == (Milestone.SOLUTION_PROPOSED,)
        assert turn.working_confidence == 0.5
        assert (turn.user_message_summary, turn.agent_response_summary) == ("What next?", "Look at the log.")
        assert result.case.updated_at == result.case.last_activity_at == later(10)

    @pytest.mark.parametrize(
        ("text", "summary"),
        [
            ("", None),
            (" \n ", None),
            ("a \n b", "a b"),
            ("x" * 200, "x" * 200),
            ("x" * 201, "x" * 197 + "..."),
            ("a\0b\ud800c", "abc"),
            ("\u0958" * 200, "\u0915\u093c" * 98 + "\u0915..."),
        ],
    )
    def test_texts_are_shortened_and_made_storable(self, text: str, summary: str | None) -> None:
        assert run(a_case(), text=text).progress.user_message_summary == summary

    def test_a_clock_that_went_back_does_not_turn_time_around(self) -> None:
        case = run(an_investigating_case(), minutes=20).case
        again = run(case, minutes=5)
        assert again.progress.timestamp == again.case.updated_at == later(20)

    @pytest.mark.parametrize("case", [a_resolved_case(), a_closed_case(), a_full_case()])
    def test_a_finished_case_takes_no_more_turns(self, case: Case) -> None:
        with pytest.raises(TerminalCase):
            run(case, minutes=100)


class TestOutcome:
    def test_a_request_and_its_answers(self) -> None:
        request = {"description": "The pool metrics", "milestone": "scope_assessed"}
        asked = run(an_investigating_case(), evidence_requests=[request])
        assert (asked.progress.outcome, kinds(asked)) == ("data_requested", ["evidence_requested"])
        ignored = run(asked.case, minutes=11)
        assert ignored.progress.outcome == "data_not_provided"
        answered = run(ignored.case, minutes=12, evidence=(an_evidence(1, need_id=asked.events[0].subject),))
        assert answered.progress.outcome == "data_provided"
        assert answered.case.evidence_needs[0].status is EvidenceNeedStatus.MET
        assert answered.case.evidence_needs[0].evidence_id == an_id("ev", 1)

    def test_a_milestone_meets_the_request_for_it_and_withdraws_the_others(self) -> None:
        case = an_investigating_case(
            evidence_needs=(
                a_need(1, milestone=Milestone.SCOPE_ASSESSED),
                a_need(2, milestone=Milestone.SCOPE_ASSESSED),
            )
        )
        claim = {"milestone": "scope_assessed", "evidence_ids": [an_id("ev", 1)]}
        result = run(case, evidence=(an_evidence(1),), milestones=[claim])
        assert [need.status for need in result.case.evidence_needs] == ["met", "withdrawn"]
        assert result.progress.outcome == "milestone_completed"

    def test_a_click_without_words_is_no_conversation(self) -> None:
        result = run(an_investigating_case(), {"kind": "choose_path", "path": "root_cause"}, text=" ")
        assert (result.progress.outcome, kinds(result)) == ("other", ["path_selected"])

    def test_a_refuted_hypothesis_was_tested(self) -> None:
        case = an_investigating_case(evidence=(an_evidence(1),), hypotheses=(a_hypothesis(1),))
        result = run(case, stances=[a_stance(1, "strongly_contradicts", an_id("hyp", 1))])
        assert (result.progress.outcome, result.progress.progress_made) == ("hypothesis_tested", False)
        assert kinds(result) == ["hypothesis_concluded"]


class TestHypotheses:
    def test_strong_evidence_validates_and_identifies_the_root_cause(self) -> None:
        result = run(
            an_investigating_case(),
            evidence=(an_evidence(1, CAUSAL), an_evidence(2, CAUSAL)),
            hypotheses=[a_proposal()],
            stances=[a_stance(1), a_stance(2, "supports")],
        )
        (hypothesis,) = result.case.hypotheses
        assert (hypothesis.status, hypothesis.likelihood) == (HypothesisStatus.VALIDATED, pytest.approx(0.95))
        assert result.progress.hypotheses_validated == (hypothesis.hypothesis_id,)
        cause = result.case.root_cause_conclusion
        assert cause
        assert (cause.root_cause, cause.mechanism, cause.determined_by) == ("Cause h", "because", "system")
        assert cause.evidence_basis == (an_id("ev", 1), an_id("ev", 2))
        assert result.case.progress.root_cause_confidence == hypothesis.likelihood
        assert result.case.progress.root_cause_method == "hypothesis_validation"
        assert result.progress.milestones_completed == (Milestone.ROOT_CAUSE_IDENTIFIED,)
        assert result.case.working_conclusion
        assert result.case.working_conclusion.can_proceed_with_solution
        kept = run(result.case, minutes=11).case
        assert kept.root_cause_conclusion == cause

    def test_the_models_own_root_cause_goes_before_the_automatic_one(self) -> None:
        claim = {"root_cause": "In its words", "mechanism": "m", "method": "correlation", "confidence": 0.9}
        result = run(
            an_investigating_case(),
            evidence=(an_evidence(1, CAUSAL), an_evidence(2, CAUSAL)),
            hypotheses=[a_proposal()],
            stances=[a_stance(1), a_stance(2)],
            root_cause={**claim, "hypothesis": "h"},
        )
        assert result.refused == ()
        assert result.case.root_cause_conclusion
        assert result.case.root_cause_conclusion.root_cause == "In its words"
        assert result.case.root_cause_conclusion.validated_hypothesis_id == result.case.hypotheses[0].hypothesis_id

    def test_the_most_likely_of_several_validated_ones_is_the_cause(self) -> None:
        result = run(
            an_investigating_case(),
            evidence=tuple(an_evidence(number, CAUSAL) for number in (1, 2)),
            hypotheses=[a_proposal("a", initial_likelihood=0.4), a_proposal("b", initial_likelihood=0.45)],
            stances=[a_stance(number, hypothesis=ref) for ref in "ab" for number in (1, 2)],
        )
        assert len(result.progress.hypotheses_validated) == 2
        assert result.case.root_cause_conclusion
        assert result.case.root_cause_conclusion.validated_hypothesis_id == result.case.hypotheses[0].hypothesis_id

    @pytest.mark.parametrize(
        ("reading", "status"),
        [
            ({"severity": "critical"}, HypothesisStatus.VALIDATED),
            ({"temporal_state": "historical"}, HypothesisStatus.ACTIVE),
            (None, HypothesisStatus.ACTIVE),
        ],
    )
    def test_the_strategy_sets_the_bar(self, reading: dict[str, Any] | None, status: HypothesisStatus) -> None:
        consulting = a_confirmed_consultation(problem_confirmation=None)
        result = run(
            a_case(consulting=consulting).start_investigation(later(1), OWNER),
            evidence=(an_evidence(1, CAUSAL),),
            problem_reading=reading,
            hypotheses=[a_proposal()],
            stances=[a_stance(1, "supports")],
        )
        assert result.case.hypotheses[0].likelihood == pytest.approx(0.65)
        assert result.case.hypotheses[0].status is status

    def test_what_nothing_supports_decays_and_is_retired(self) -> None:
        case = run(an_investigating_case(), hypotheses=[a_proposal(initial_likelihood=0.35)]).case
        seen = []
        for minutes in range(11, 15):
            case = run(case, minutes=minutes).case
            seen.append((case.hypotheses[0].status, case.hypotheses[0].stale_turns))
        assert seen == [("active", 1), ("retired", 2), ("retired", 2), ("retired", 2)]

    def test_a_waiting_hypothesis_comes_to_its_turn(self) -> None:
        result = run(an_investigating_case(), hypotheses=[a_proposal(generation_mode="opportunistic")])
        assert result.case.hypotheses[0].status is HypothesisStatus.ACTIVE
        both = run(
            an_investigating_case(), hypotheses=[a_proposal("a"), a_proposal("b", generation_mode="opportunistic")]
        )
        assert [item.status for item in both.case.hypotheses] == ["active", "captured"]

    def test_undecided_hypotheses_end_in_a_deadlock_and_new_evidence_ends_that(self) -> None:
        case = an_investigating_case(hypotheses=(a_hypothesis(1),))
        request = {"description": "Metrics", "hypothesis": an_id("hyp", 1)}
        case = run(case, evidence_requests=[request]).case
        need = case.evidence_needs[0].need_id
        stuck = run(case, {"kind": "evidence_unavailable", "need_id": need}, minutes=11)
        assert stuck.case.hypotheses[0].status is HypothesisStatus.INCONCLUSIVE
        assert stuck.case.degraded_mode
        assert stuck.case.degraded_mode.mode_type == "hypothesis_deadlock"
        freed = run(
            stuck.case,
            minutes=12,
            evidence=(an_evidence(1, CAUSAL),),
            stances=[a_stance(1, hypothesis=an_id("hyp", 1))],
        )
        assert freed.case.degraded_mode is None
        assert freed.case.hypotheses[0].status is not HypothesisStatus.INCONCLUSIVE
        assert "degraded_left" in kinds(freed)

    def test_clinging_to_one_kind_of_cause_demands_others(self) -> None:
        stale = {"stale_turns": 2, "category": HypothesisCategory.CODE}
        case = an_investigating_case(hypotheses=(a_hypothesis(1, **stale), a_hypothesis(2, **stale)))
        anchored = run(case)
        demand = anchored.case.forced_alternatives
        assert demand
        assert (demand.excluded_category, demand.demanded_at_turn) == ("code", 1)
        assert [item.status for item in anchored.case.hypotheses] == ["retired", "retired"]
        assert kinds(anchored) == ["hypothesis_concluded", "hypothesis_concluded", "alternatives_demanded"]
        first = run(anchored.case, minutes=11, hypotheses=[a_proposal("a", category="code"), a_proposal("b")])
        assert [refusal.what for refusal in first.refused] == ["hypothesis a"]
        assert first.case.forced_alternatives == demand
        second = run(first.case, minutes=12, hypotheses=[a_proposal("c", category="data")])
        assert second.case.forced_alternatives is None
        assert {item.generation_mode for item in second.case.hypotheses[2:]} == {"forced_alternative"}


class TestStagnation:
    def test_three_idle_turns_degrade_and_progress_restores(self) -> None:
        case = an_investigating_case(hypotheses=(a_hypothesis(1, initial_likelihood=1.0, likelihood=1.0),))
        for minutes in (10, 11):
            case = run(case, minutes=minutes).case
            assert case.degraded_mode is None
        third = run(case, minutes=12)
        assert third.case.is_stuck
        assert third.case.degraded_mode
        assert kinds(third)[-1] == "degraded_entered"
        assert third.case.working_conclusion
        assert third.case.working_conclusion.confidence == third.progress.working_confidence == 0.5
        chosen = run(third.case, {"kind": "degraded_choice", "degraded_choice": "provide_more_data"}, minutes=13)
        assert chosen.case.turns_without_progress == 4
        better = run(chosen.case, minutes=14, evidence=(an_evidence(1),))
        assert better.case.degraded_mode is None
        assert better.case.degraded_episodes[0].exit_reason == "new evidence arrived"
        assert better.case.turns_without_progress == 0

    def test_three_refusals_of_data_are_limited_data(self) -> None:
        case = an_investigating_case(evidence_needs=(a_need(1),))
        for minutes in (10, 11, 12):
            case = run(case, minutes=minutes).case
        assert case.degraded_mode
        assert case.degraded_mode.mode_type == "limited_data"


class TestEnd:
    def test_a_verified_solution_resolves_the_case(self) -> None:
        applied = run(with_solution(), {"kind": "apply_solution", "solution_id": FIX})
        assert applied.progress.milestones_completed == (Milestone.SOLUTION_APPLIED,)
        proof = an_evidence(1, RESOLUTION)
        verify = {"kind": "verify_solution", "solution_id": FIX, "verification_method": "error rate"}
        solved = run(applied.case, verify, minutes=11, evidence=(an_evidence(2), proof))
        case = solved.case
        assert (case.status, case.closure_reason, case.resolved_at) == ("resolved", "resolved", later(11))
        assert case.status_history[-1].triggered_by == "system"
        assert (solved.progress.outcome, case.current_turn, case.turns_without_progress) == ("case_resolved", 2, 0)
        assert case.solutions[0].verification_evidence_id == proof.evidence_id
        record = case.progress.record(Milestone.SOLUTION_VERIFIED)
        assert record
        assert record.evidence_ids == (proof.evidence_id,)

    def test_it_resolves_without_evidence_too(self) -> None:
        solved = run(
            with_solution(),
            {"kind": "apply_solution", "solution_id": FIX},
            {"kind": "verify_solution", "solution_id": FIX},
            evidence=(an_evidence(1),),
        )
        assert solved.case.status is CaseStatus.RESOLVED
        assert solved.case.solutions[0].verification_evidence_id is None

    @pytest.mark.parametrize(
        ("last", "status", "by"),
        [
            ({"kind": "resolve"}, "resolved", OWNER),
            ({"kind": "close", "closure_reason": "duplicate"}, "closed", OWNER),
        ],
    )
    def test_the_users_own_end_goes_before_the_automatic_one(self, last: dict[str, Any], status: str, by: str) -> None:
        result = run(
            with_solution(),
            {"kind": "apply_solution", "solution_id": FIX},
            {"kind": "verify_solution", "solution_id": FIX},
            last,
        )
        assert (result.case.status, result.case.status_history[-1].triggered_by) == (status, by)

    def test_a_retracted_verification_does_not_resolve(self) -> None:
        result = run(
            with_solution(),
            {"kind": "apply_solution", "solution_id": FIX},
            {"kind": "verify_solution", "solution_id": FIX},
            {"kind": "retract_milestone", "milestone": "solution_verified", "reason": "it came back"},
        )
        assert result.case.status is CaseStatus.INVESTIGATING
        assert result.case.progress.has(Milestone.SOLUTION_APPLIED)

    def test_a_verification_taken_back_at_once_is_not_proven(self) -> None:
        result = run(
            with_solution(),
            {"kind": "apply_solution", "solution_id": FIX},
            {"kind": "verify_solution", "solution_id": FIX},
            {"kind": "solution_failed", "solution_id": FIX},
            evidence=(an_evidence(1, RESOLUTION),),
        )
        assert result.case.status is CaseStatus.INVESTIGATING
        assert result.case.solutions[0].verification_evidence_id is None

    def test_closing_comes_after_all_else(self) -> None:
        result = run(an_investigating_case(), {"kind": "close"}, evidence=(an_evidence(1),), hypotheses=[a_proposal()])
        assert (result.case.status, result.case.closure_reason) == ("closed", ClosureReason.ABANDONED)
        assert len(result.case.evidence) == len(result.case.hypotheses) == 1
        assert result.case.current_turn == 1

    def test_a_case_is_closed_once(self) -> None:
        with pytest.raises(TerminalCase):
            run(an_investigating_case(), {"kind": "close"}, {"kind": "close"})

    def test_abandoning_a_degraded_investigation_closes_it(self) -> None:
        episode = a_full_case().degraded_episodes[0].replace(exited_at=None, exit_reason=None, user_choice=None)
        case = an_investigating_case(degraded_episodes=(episode,))
        result = run(case, {"kind": "degraded_choice", "degraded_choice": "abandon"}, minutes=30)
        assert (result.case.status, result.case.closure_reason) == ("closed", "abandoned")
        assert result.case.degraded_episodes[0].user_choice == "abandon"


class TestRefusal:
    """What users and files bring is taken as a whole or not at all."""

    @pytest.mark.parametrize(
        ("decision", "error"),
        [
            ({"kind": "apply_solution", "solution_id": an_id("sol", 9)}, UnknownReference),
            ({"kind": "verify_solution", "solution_id": FIX}, MissingPrerequisite),
            ({"kind": "resolve"}, MissingPrerequisite),
            ({"kind": "close", "closure_reason": "resolved"}, DomainError),
        ],
    )
    def test_an_illegal_decision_refuses_the_turn(self, decision: dict[str, Any], error: type[DomainError]) -> None:
        with pytest.raises(error):
            run(with_solution(), decision, evidence=(an_evidence(1),), hypotheses=[a_proposal()])

    @pytest.mark.parametrize(
        "evidence",
        [
            (an_evidence(1), an_evidence(1)),
            (an_evidence(1, file_id=an_id("file", 9)),),
            (an_evidence(1, hypothesis_id=an_id("hyp", 9)),),
            (an_evidence(1, need_id=an_id("eneed", 9)),),
        ],
    )
    def test_evidence_that_does_not_fit_refuses_the_turn(self, evidence: tuple[Any, ...]) -> None:
        with pytest.raises(InvalidInput):
            run(an_investigating_case(), evidence=evidence)

    def test_a_case_holds_a_bounded_number_of_files_and_evidence(self) -> None:
        case = an_investigating_case(
            evidence=tuple(map(an_evidence, range(MAX_EVIDENCE))), uploaded_files=tuple(map(a_file, range(MAX_FILES)))
        )
        with pytest.raises(InvalidInput, match="at most"):
            run(case, evidence=(an_evidence(MAX_EVIDENCE),))
        with pytest.raises(InvalidInput, match="at most"):
            run(case, files=(a_file(MAX_FILES),))

    def test_what_the_model_says_is_refused_in_parts(self) -> None:
        result = run(
            an_investigating_case(evidence=(an_evidence(1),)),
            milestones=[
                {"milestone": "solution_verified"},
                {"milestone": "scope_assessed", "evidence_ids": ["ev_" + "0" * 12]},
            ],
            stances=[a_stance(1, hypothesis="nobody")],
            problem_statement="Another problem",
        )
        assert [refusal.what for refusal in result.refused] == [
            "problem statement",
            f"stance of {an_id('ev', 1)} on nobody",
            "milestone solution_verified",
            "milestone scope_assessed",
        ]
        assert all(refusal.why for refusal in result.refused)
        assert result.events == ()


class TestCategory:
    def test_what_evidence_is_good_for_follows_from_what_is_lacking(self) -> None:
        case = an_investigating_case(solutions=(a_solution(1),), hypotheses=(a_hypothesis(1),))
        assert infer_category(case) is SYMPTOM
        assert infer_category(case, an_id("hyp", 1)) is CAUSAL
        for milestone in VERIFICATION:
            assert infer_category(case) is SYMPTOM
            case = complete(case, milestone, later(5), "agent")
        assert infer_category(case) is CAUSAL
        case = complete(case, Milestone.SOLUTION_PROPOSED, later(5), "agent")
        assert infer_category(case) is RESOLUTION
        assert infer_category(case, an_id("hyp", 1)) is CAUSAL

    def test_evidence_links_are_kept_in_order(self) -> None:
        case = an_investigating_case(
            evidence=(an_evidence(1), an_evidence(2)),
            hypotheses=(a_hypothesis(1, links=(a_link(1, EvidenceStance.NEUTRAL),)),),
        )
        result = run(case, stances=[a_stance(2, "neutral", an_id("hyp", 1)), a_stance(1, "neutral", an_id("hyp", 1))])
        links = result.case.hypotheses[0].links
        assert [link.evidence_id for link in links] == [an_id("ev", 2), an_id("ev", 1)]
