"""The rules that single values and entities of a case keep by themselves."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.conclusions import ConfidenceLevel, RootCauseConclusion, WorkingConclusion
from domain.episodes import DegradedEpisode, DegradedModeType, Escalation, EscalationType
from domain.evidence import MAX_EXTRACT, EvidenceCategory
from domain.hypothesis import EvidenceStance, HypothesisStatus
from domain.message import MAX_CONTENT
from domain.milestones import VERIFICATION, InvestigationProgress, Milestone, RootCauseMethod
from domain.problem import (
    ConsultingData,
    Correlation,
    CorrelationType,
    ProblemVerification,
    Severity,
    TemporalState,
    UrgencyLevel,
)
from domain.proposals import DecisionKind, UserDecision
from domain.status import CaseStatus, CaseStatusTransition
from tests.builders import (
    AT,
    OWNER,
    a_file,
    a_full_case,
    a_hypothesis,
    a_link,
    a_message,
    a_record,
    a_solution,
    a_turn,
    an_evidence,
    an_id,
    later,
)


class TestStatus:
    def test_two_statuses_are_final(self) -> None:
        assert [status for status in CaseStatus if status.is_terminal] == [CaseStatus.RESOLVED, CaseStatus.CLOSED]

    @pytest.mark.parametrize("start", CaseStatus)
    @pytest.mark.parametrize("end", CaseStatus)
    def test_only_legal_transitions_are_recorded(self, start: CaseStatus, end: CaseStatus) -> None:
        legal = {
            ("consulting", "investigating"),
            ("consulting", "closed"),
            ("investigating", "resolved"),
            ("investigating", "closed"),
        }
        values = {"from_status": start, "to_status": end, "triggered_at": AT, "triggered_by": OWNER, "reason": "r"}
        if (start, end) in legal:
            assert CaseStatusTransition.model_validate(values).to_status is end
        else:
            with pytest.raises(ValidationError):
                CaseStatusTransition.model_validate(values)


class TestProgress:
    def test_a_milestone_is_recorded_once(self) -> None:
        with pytest.raises(ValidationError, match="twice"):
            InvestigationProgress(completed=(a_record(Milestone.SCOPE_ASSESSED), a_record(Milestone.SCOPE_ASSESSED)))

    @pytest.mark.parametrize(("confidence", "method"), [(0.0, RootCauseMethod.CORRELATION), (0.5, None), (0.0, None)])
    def test_a_root_cause_has_a_confidence_and_a_method(self, confidence: float, method: Any) -> None:
        record = a_record(Milestone.ROOT_CAUSE_IDENTIFIED)
        with pytest.raises(ValidationError, match="root cause"):
            InvestigationProgress(completed=(record,), root_cause_confidence=confidence, root_cause_method=method)

    @pytest.mark.parametrize(
        "milestones",
        [
            (Milestone.SOLUTION_APPLIED,),
            (Milestone.SOLUTION_VERIFIED,),
            (Milestone.SOLUTION_PROPOSED, Milestone.SOLUTION_VERIFIED),
        ],
    )
    def test_a_solution_is_proposed_then_applied_then_verified(self, milestones: tuple[Milestone, ...]) -> None:
        with pytest.raises(ValidationError, match="before"):
            InvestigationProgress(completed=tuple(map(a_record, milestones)))

    def test_completion_counts_eight_milestones(self) -> None:
        progress = InvestigationProgress(
            completed=(a_record(Milestone.MITIGATION_APPLIED), a_record(Milestone.SCOPE_ASSESSED))
        )
        assert progress.completion == 1 / 8
        assert progress.completed_milestones == (Milestone.SCOPE_ASSESSED,)
        assert len(progress.pending_milestones) == 7
        assert progress.has(Milestone.MITIGATION_APPLIED)
        assert progress.record(Milestone.SYMPTOM_VERIFIED) is None

    def test_the_phases_end_with_their_last_milestone(self) -> None:
        empty = InvestigationProgress()
        assert empty.verification_completed_at is None
        assert empty.investigation_completed_at is None
        assert empty.resolution_completed_at is None
        three = InvestigationProgress(completed=tuple(map(a_record, VERIFICATION[:3])))
        assert three.verification_completed_at is None
        full = a_full_case().progress
        late = full.replace(
            completed=tuple(record.replace(completed_at=later(number)) for number, record in enumerate(full.completed))
        )
        assert late.verification_completed_at == later(3)
        assert late.investigation_completed_at == later(4)
        assert late.resolution_completed_at == later(7)


class TestProblem:
    @pytest.mark.parametrize("statement", [None, "", "  "])
    def test_nothing_unsaid_is_confirmed(self, statement: str | None) -> None:
        with pytest.raises(ValidationError, match="proposed before"):
            ConsultingData(proposed_problem_statement=statement, problem_statement_confirmed_at=AT)

    @pytest.mark.parametrize(
        "times",
        [
            {"started_at": later(1), "noticed_at": later(0)},
            {"noticed_at": later(1), "resolved_naturally_at": later(0)},
            {"started_at": later(1), "resolved_naturally_at": later(0)},
        ],
    )
    def test_a_problem_starts_then_is_noticed_then_ends(self, times: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="cannot be"):
            ProblemVerification(symptom_statement="x", **times)

    def test_detection_takes_time(self) -> None:
        assert ProblemVerification(symptom_statement="x", started_at=AT).time_to_detection is None
        problem = ProblemVerification(symptom_statement="x", started_at=AT, noticed_at=later(5))
        assert problem.time_to_detection == timedelta(minutes=5)

    @pytest.mark.parametrize("missing", ["severity", "temporal_state", "urgency_level"])
    def test_it_is_complete_when_three_things_are_known(self, missing: str) -> None:
        known: dict[str, Any] = {
            "severity": Severity.LOW,
            "temporal_state": TemporalState.ONGOING,
            "urgency_level": UrgencyLevel.LOW,
        }
        assert ProblemVerification(symptom_statement="x", **known).is_complete
        del known[missing]
        assert not ProblemVerification(symptom_statement="x", **known).is_complete

    def test_it_has_at_most_ten_correlations(self) -> None:
        one = Correlation(
            change_description="x",
            timing_description="y",
            confidence=0.5,
            correlation_type=CorrelationType.TEMPORAL,
        )
        assert ProblemVerification(symptom_statement="x", correlations=(one,) * 10)
        with pytest.raises(ValidationError):
            ProblemVerification(symptom_statement="x", correlations=(one,) * 11)


class TestHypothesis:
    def test_irrelevant_evidence_is_not_linked(self) -> None:
        with pytest.raises(ValidationError, match="irrelevant"):
            a_link(stance=EvidenceStance.IRRELEVANT)

    def test_evidence_is_linked_once(self) -> None:
        with pytest.raises(ValidationError, match="twice"):
            a_hypothesis(links=(a_link(1), a_link(1, EvidenceStance.NEUTRAL)))

    @pytest.mark.parametrize("status", HypothesisStatus)
    def test_it_has_a_conclusion_time_exactly_when_it_is_concluded(self, status: HypothesisStatus) -> None:
        concluded = status not in (HypothesisStatus.CAPTURED, HypothesisStatus.ACTIVE)
        assert a_hypothesis(status=status, concluded_at=AT if concluded else None)
        with pytest.raises(ValidationError, match="conclusion time"):
            a_hypothesis(status=status, concluded_at=None if concluded else AT)

    def test_testing_began_at_some_time(self) -> None:
        with pytest.raises(ValidationError, match="testing began"):
            a_hypothesis(tested_at=None)

    def test_the_score_counts_pieces_not_strength(self) -> None:
        stances = (EvidenceStance.STRONGLY_SUPPORTS, EvidenceStance.SUPPORTS, EvidenceStance.CONTRADICTS)
        hypothesis = a_hypothesis(links=tuple(a_link(number, stance) for number, stance in enumerate(stances)))
        assert hypothesis.supporting_evidence == (an_id("ev", 0), an_id("ev", 1))
        assert hypothesis.refuting_evidence == (an_id("ev", 2),)
        assert hypothesis.evidence_score == pytest.approx(1 / 3)
        assert a_hypothesis(links=(a_link(1, EvidenceStance.NEUTRAL),)).evidence_score == 0
        assert hypothesis.link(an_id("ev", 2)) == a_link(2, EvidenceStance.CONTRADICTS)
        assert hypothesis.link(an_id("ev", 9)) is None


class TestSolution:
    @pytest.mark.parametrize("way", ["immediate_action", "longterm_fix", "implementation_steps", "commands"])
    def test_it_says_what_to_do(self, way: str) -> None:
        text = ("do it",) if way in ("implementation_steps", "commands") else "do it"
        assert a_solution(**{"immediate_action": None, way: text})
        with pytest.raises(ValidationError, match="what to do"):
            a_solution(immediate_action=None)

    @pytest.mark.parametrize(
        "stamps",
        [
            {"applied_at": later(5)},
            {"applied_by": OWNER},
            {"applied_at": later(3), "applied_by": OWNER},
            {"verified_at": later(5), "effectiveness": 1.0},
            {"applied_at": later(5), "applied_by": OWNER, "verified_at": later(6)},
            {"applied_at": later(5), "applied_by": OWNER, "effectiveness": 0.5},
            {"applied_at": later(5), "applied_by": OWNER, "verified_at": later(4.5), "effectiveness": 0.5},
        ],
    )
    def test_its_stamps_are_complete_and_in_order(self, stamps: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            a_solution(**stamps)

    @pytest.mark.parametrize(
        ("effectiveness", "failed", "worked"), [(None, False, False), (0.49, True, False), (0.5, False, True)]
    )
    def test_half_an_effect_is_success(self, effectiveness: float | None, failed: bool, worked: bool) -> None:
        stamps: dict[str, Any] = {"applied_at": later(5), "applied_by": OWNER}
        if effectiveness is not None:
            stamps |= {"verified_at": later(6), "effectiveness": effectiveness}
        solution = a_solution(**stamps)
        assert (solution.has_failed, solution.has_worked) == (failed, worked)


class TestConclusions:
    @pytest.mark.parametrize(
        ("score", "level"),
        [
            (0.0, "speculation"),
            (0.49, "speculation"),
            (0.5, "probable"),
            (0.69, "probable"),
            (0.7, "confident"),
            (0.89, "confident"),
            (0.9, "verified"),
            (1.0, "verified"),
        ],
    )
    def test_levels_begin_at_their_bound(self, score: float, level: str) -> None:
        assert ConfidenceLevel.of(score) == level
        assert WorkingConclusion(statement="x", confidence=score, reasoning="", updated_at=AT).level == level

    def test_the_level_of_a_root_cause_matches_its_score(self) -> None:
        with pytest.raises(ValidationError, match="match"):
            RootCauseConclusion(
                root_cause="x",
                confidence_level=ConfidenceLevel.VERIFIED,
                confidence_score=0.5,
                mechanism="",
                determined_at=AT,
                determined_by="agent",
            )


class TestEpisodes:
    def test_a_degraded_episode_ends_after_it_began(self) -> None:
        episode = DegradedEpisode(mode_type=DegradedModeType.OTHER, entered_at=AT, reason="r")
        assert episode.is_active
        assert not episode.replace(exited_at=AT).is_active
        with pytest.raises(ValidationError, match="before it began"):
            episode.replace(exited_at=later(-1))

    def test_an_escalation_ends_after_it_began(self) -> None:
        escalation = Escalation(
            escalation_type=EscalationType.OTHER,
            reason="r",
            escalated_at=AT,
            escalated_by=OWNER,
            context_summary="c",
        )
        assert escalation.is_active
        assert not escalation.replace(resolved_at=AT).is_active
        with pytest.raises(ValidationError, match="before it was raised"):
            escalation.replace(resolved_at=later(-1))


class TestFilesEvidenceAndMessages:
    @pytest.mark.parametrize(
        "file_id", ["file_00000000000", "file_00000000000g", "file_00000000000000000", "xfile_000000000000", "FILE_0"]
    )
    def test_a_malformed_file_id_is_refused(self, file_id: str) -> None:
        with pytest.raises(ValidationError):
            a_file(file_id=file_id)

    def test_an_empty_file_is_a_file(self) -> None:
        assert a_file(size_bytes=0, file_id="data_0123456789abcdef").size_bytes == 0

    def test_an_extract_has_an_upper_bound(self) -> None:
        assert an_evidence(extract="x" * MAX_EXTRACT).category is EvidenceCategory.SYMPTOM
        with pytest.raises(ValidationError):
            an_evidence(extract="x" * (MAX_EXTRACT + 1))

    @pytest.mark.parametrize("content", ["", " \n", "x" * (MAX_CONTENT + 1), "a\0"])
    def test_a_message_says_something_of_bearable_length(self, content: str) -> None:
        with pytest.raises(ValidationError):
            a_message("case_000000000001", content=content)

    def test_a_turn_advances_by_what_it_added(self) -> None:
        assert a_turn().advancement_count == 0
        turn = a_turn(
            milestones_completed=(Milestone.SCOPE_ASSESSED,),
            evidence_added=(an_id("ev", 1), an_id("ev", 2)),
            hypotheses_generated=(an_id("hyp", 1),),
            hypotheses_validated=(an_id("hyp", 1),),
            solutions_proposed=(an_id("sol", 1),),
        )
        assert turn.advancement_count == 5


class TestDecisions:
    @pytest.mark.parametrize(
        "kind",
        [
            DecisionKind.CHOOSE_PATH,
            DecisionKind.APPLY_SOLUTION,
            DecisionKind.VERIFY_SOLUTION,
            DecisionKind.SOLUTION_FAILED,
            DecisionKind.EVIDENCE_UNAVAILABLE,
            DecisionKind.RETRACT_MILESTONE,
            DecisionKind.DEGRADED_CHOICE,
            DecisionKind.ESCALATE,
        ],
    )
    def test_a_decision_brings_what_its_kind_needs(self, kind: DecisionKind) -> None:
        with pytest.raises(ValidationError, match=f"the decision {kind} needs"):
            UserDecision(kind=kind)

    def test_others_need_nothing(self) -> None:
        assert UserDecision(kind=DecisionKind.CLOSE).closure_reason is None
