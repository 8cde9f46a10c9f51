"""The root: its invariants, its commands and what follows from its parts."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from domain.case import Case, CasePriority
from domain.errors import BadClosureReason, IllegalTransition, InvalidInput, MissingPrerequisite, TerminalCase
from domain.hypothesis import HypothesisStatus
from domain.milestones import InvestigationProgress, Milestone
from domain.path import InvestigationPath, PathSelection
from domain.stage import InvestigationStage, stage_of
from domain.status import CaseStatus, ClosureReason
from tests import strategies
from tests.builders import (
    AT,
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
    a_record,
    a_resolved_case,
    a_solution,
    a_turn,
    an_evidence,
    an_id,
    an_investigating_case,
    later,
)


class TestInvariants:
    @given(strategies.cases())
    def test_a_legal_case_survives_storage(self, case: Case) -> None:
        assert Case.model_validate_json(case.model_dump_json()) == case
        assert Case.model_validate(case.model_dump()) == case

    @pytest.mark.parametrize("title", ["", "  ", "x" * 201])
    def test_a_title_says_something(self, title: str) -> None:
        with pytest.raises(ValidationError):
            a_case(title=title)

    @pytest.mark.parametrize("case_id", ["case_1", "case_00000000000G", "CASE_000000000001", "case_000000000001\n", ""])
    def test_a_malformed_id_is_refused(self, case_id: str) -> None:
        with pytest.raises(ValidationError):
            a_case(case_id=case_id)

    @pytest.mark.parametrize(
        "changes",
        [
            {"closed_at": None},
            {"closure_reason": None},
            {"resolved_at": None},
            {"closure_reason": ClosureReason.ABANDONED},
            {"progress": InvestigationProgress()},
            {"status": CaseStatus.INVESTIGATING},
            {"status_history": ()},
            {"resolved_at": later(11)},
            {"closed_at": later(-1)},
        ],
    )
    def test_a_resolved_case_is_consistent(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            a_resolved_case().replace(**changes)

    @pytest.mark.parametrize(
        "changes", [{"closure_reason": ClosureReason.RESOLVED}, {"resolved_at": later(10)}, {"closed_at": None}]
    )
    def test_a_closed_case_is_consistent(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            a_closed_case().replace(**changes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"closed_at": later(1)},
            {"closure_reason": ClosureReason.OTHER},
            {"resolved_at": later(1)},
            {"description": ""},
            {"description": " "},
            {"consulting": a_confirmed_consultation(decided_to_investigate_at=None)},
            {"consulting": a_confirmed_consultation(problem_statement_confirmed_at=None)},
        ],
    )
    def test_an_investigation_is_open_and_agreed_upon(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            an_investigating_case().replace(**changes)

    def test_the_status_history_is_a_chain_in_time_that_leads_to_the_status(self) -> None:
        case = a_resolved_case()
        start, end = case.status_history
        for history in ((start,), (end,), (end, start), (start, end.replace(triggered_at=later(0)))):
            with pytest.raises(ValidationError, match="history"):
                case.replace(status_history=history)

    @pytest.mark.parametrize(
        "changes",
        [
            {"turn_history": (a_turn(1), a_turn(3)), "current_turn": 3},
            {"turn_history": (a_turn(2), a_turn(1)), "current_turn": 1},
            {"turn_history": (a_turn(1),)},
            {"current_turn": 1},
            {"turn_history": (a_turn(1),), "current_turn": 1, "turns_without_progress": 2},
        ],
    )
    def test_turns_are_counted_without_gaps(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="turn"):
            a_case(**changes)

    def test_the_first_turns_may_have_been_cut_off(self) -> None:
        assert a_case(turn_history=(a_turn(7), a_turn(8)), current_turn=8).current_turn == 8

    @pytest.mark.parametrize("field", ["updated_at", "last_activity_at"])
    def test_nothing_happens_before_the_creation(self, field: str) -> None:
        with pytest.raises(ValidationError, match="before it was created"):
            a_case(**{field: later(-1)})

    @pytest.mark.parametrize(
        "changes",
        [
            {"uploaded_files": (a_file(1), a_file(1))},
            {"evidence": (an_evidence(1), an_evidence(1))},
            {"hypotheses": (a_hypothesis(1), a_hypothesis(1))},
            {"solutions": (a_solution(1), a_solution(1))},
            {"evidence_needs": (a_need(1), a_need(1))},
        ],
    )
    def test_ids_are_unique(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="same"):
            an_investigating_case(**changes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"evidence": (an_evidence(1, file_id=an_id("file", 9)),)},
            {"evidence": (an_evidence(1, hypothesis_id=an_id("hyp", 9)),)},
            {"evidence": (an_evidence(1, need_id=an_id("eneed", 9)),)},
            {"hypotheses": (a_hypothesis(1, links=(a_link(9),)),)},
            {"progress": InvestigationProgress(completed=(a_record(Milestone.SCOPE_ASSESSED, 9),))},
            {"solutions": (a_solution(1, verification_evidence_id=an_id("ev", 9)),)},
            {"solutions": (a_solution(1, hypothesis_id=an_id("hyp", 9)),)},
            {"evidence_needs": (a_need(1, evidence_id=an_id("ev", 9)),)},
            {"evidence_needs": (a_need(1, hypothesis_id=an_id("hyp", 9)),)},
        ],
    )
    def test_references_lead_somewhere(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="leads nowhere"):
            an_investigating_case(**changes)

    def test_conclusions_rest_on_what_the_case_holds(self) -> None:
        case = a_full_case()
        cause, working = case.root_cause_conclusion, case.working_conclusion
        assert cause
        assert working
        for changes in (
            {"root_cause_conclusion": cause.replace(validated_hypothesis_id=an_id("hyp", 99))},
            {"root_cause_conclusion": cause.replace(evidence_basis=(an_id("ev", 99),))},
            {"working_conclusion": working.replace(hypothesis_id=an_id("hyp", 99))},
            {"working_conclusion": working.replace(supporting_evidence_ids=(an_id("ev", 99),))},
        ):
            with pytest.raises(ValidationError, match="leads nowhere"):
                case.replace(**changes)

    def test_evidence_is_collected_from_the_investigation_on(self) -> None:
        with pytest.raises(ValidationError, match="from the investigation on"):
            a_case(evidence=(an_evidence(1),))

    def test_one_degraded_episode_at_a_time(self) -> None:
        episode = a_full_case().degraded_episodes[0].replace(exited_at=None)
        assert an_investigating_case(degraded_episodes=(episode,)).degraded_mode == episode
        with pytest.raises(ValidationError, match="ends before the next"):
            an_investigating_case(degraded_episodes=(episode, episode))


class TestOpening:
    def test_a_new_case_consults(self) -> None:
        case = Case.open(
            case_id=an_id("case", 1),
            user_id=OWNER,
            title=" Checkout fails ",
            at=AT,
            description="  since noon ",
            priority=CasePriority.LOW,
            session_id="sess_1",
        )
        assert (case.status, case.version, case.title, case.description) == (
            "consulting",
            0,
            "Checkout fails",
            "since noon",
        )
        assert case.organization_id == OWNER
        assert case.created_at == case.updated_at == case.last_activity_at == AT
        assert case.follows_case_id is None

    def test_a_finished_case_is_taken_up_by_another(self) -> None:
        before = a_closed_case(1)
        case = Case.open(case_id=an_id("case", 2), user_id=OWNER, title="Again", at=AT, follows=before)
        assert case.follows_case_id == before.case_id

    @pytest.mark.parametrize(("case", "owner"), [(a_case(1), OWNER), (a_closed_case(1), "user_000000000002")])
    def test_neither_an_open_nor_a_foreign_case_is_taken_up(self, case: Case, owner: str) -> None:
        with pytest.raises(InvalidInput):
            Case.open(case_id=an_id("case", 2), user_id=owner, title="Again", at=AT, follows=case)


class TestTransitions:
    def test_starting_takes_over_the_statement_and_the_guess(self) -> None:
        case = a_case(consulting=a_confirmed_consultation()).start_investigation(later(5), OWNER)
        assert (case.status, case.description) == (CaseStatus.INVESTIGATING, STATEMENT)
        assert case.problem_verification
        assert case.problem_verification.symptom_statement == STATEMENT
        assert case.problem_verification.severity == "high"
        assert case.problem_verification.noticed_at == AT
        assert case.updated_at == case.last_activity_at == case.status_history[-1].triggered_at == later(5)
        assert case.status_history[-1].triggered_by == OWNER

    def test_starting_without_a_guess_leaves_the_severity_open(self) -> None:
        consulting = a_confirmed_consultation(problem_confirmation=None)
        case = a_case(consulting=consulting).start_investigation(later(5), OWNER)
        assert case.problem_verification
        assert case.problem_verification.severity == "unknown"

    @pytest.mark.parametrize(
        ("changes", "missing"),
        [
            ({"problem_statement_confirmed_at": None}, 1),
            ({"decided_to_investigate_at": None}, 1),
            ({"problem_statement_confirmed_at": None, "decided_to_investigate_at": None}, 2),
        ],
    )
    def test_starting_names_all_that_is_missing(self, changes: dict[str, Any], missing: int) -> None:
        with pytest.raises(MissingPrerequisite) as caught:
            a_case(consulting=a_confirmed_consultation(**changes)).start_investigation(later(5), OWNER)
        assert len(caught.value.missing) == missing

    def test_resolving_needs_a_verified_solution(self) -> None:
        with pytest.raises(MissingPrerequisite):
            an_investigating_case().resolve(later(5), OWNER)
        case = a_resolved_case()
        assert case.resolved_at == case.closed_at == later(10)
        assert case.closure_reason is ClosureReason.RESOLVED
        assert case.time_to_resolution == timedelta(minutes=10)

    @pytest.mark.parametrize(
        ("case", "accepted"),
        [
            (a_case(), {"consulting_only", "duplicate", "abandoned", "other"}),
            (an_investigating_case(), {"abandoned", "escalated", "duplicate", "other"}),
        ],
    )
    @pytest.mark.parametrize("reason", ClosureReason)
    def test_each_way_of_closing_has_its_reasons(self, case: Case, accepted: set[str], reason: ClosureReason) -> None:
        if reason in accepted:
            closed = case.close(reason, later(5), OWNER)
            assert (closed.status, closed.closure_reason, closed.closed_at) == (CaseStatus.CLOSED, reason, later(5))
            assert closed.resolved_at is None
        else:
            with pytest.raises(BadClosureReason) as caught:
                case.close(reason, later(5), OWNER)
            assert set(caught.value.accepted) == accepted

    @pytest.mark.parametrize("case", [a_resolved_case(), a_closed_case()])
    def test_nothing_leaves_a_final_status(self, case: Case) -> None:
        for command in (
            lambda: case.start_investigation(later(20), OWNER),
            lambda: case.resolve(later(20), OWNER),
            lambda: case.close(ClosureReason.OTHER, later(20), OWNER),
            case.require_open,
        ):
            with pytest.raises(TerminalCase) as caught:
                command()
            assert caught.value.status == case.status

    def test_steps_are_not_skipped_or_repeated(self) -> None:
        with pytest.raises(IllegalTransition):
            a_case().resolve(later(5), OWNER)
        with pytest.raises(IllegalTransition) as caught:
            an_investigating_case().start_investigation(later(5), OWNER)
        assert (caught.value.from_status, caught.value.to_status) == ("investigating", "investigating")

    def test_a_transition_does_not_precede_the_one_before(self) -> None:
        with pytest.raises(InvalidInput):
            an_investigating_case().close(ClosureReason.OTHER, later(0), OWNER)

    def test_a_finished_case_can_be_renamed(self) -> None:
        renamed = a_closed_case().rename("Better", later(20))
        assert (renamed.title, renamed.updated_at) == ("Better", later(20))

    def test_times_never_go_backwards(self) -> None:
        case = a_case().touched(later(9)).touched(later(3), title="x")
        assert case.updated_at == case.last_activity_at == later(9)


class TestDerived:
    def test_parts_are_found_by_id(self) -> None:
        case = a_full_case()
        assert case.file(an_id("file", 2)) == case.uploaded_files[1]
        assert case.evidence_item(an_id("ev", 3)) == case.evidence[2]
        assert case.hypothesis(an_id("hyp", 1)) == case.hypotheses[0]
        assert case.solution(an_id("sol", 2)) == case.solutions[1]
        assert case.file("x") is case.evidence_item("x") is case.hypothesis("x") is case.solution("x") is None

    def test_hypotheses_are_told_apart(self) -> None:
        case = a_full_case()
        assert {item.status for item in case.active_hypotheses} == {HypothesisStatus.ACTIVE}
        assert {item.status for item in case.validated_hypotheses} == {HypothesisStatus.VALIDATED}

    def test_the_latest_open_escalation_counts(self) -> None:
        first = a_full_case().escalations[0]
        second = first.replace(reason="second", resolved_at=None)
        assert a_full_case().escalation is None
        assert an_investigating_case(escalations=(first.replace(resolved_at=None), second, first)).escalation == second
        assert an_investigating_case(degraded_episodes=a_full_case().degraded_episodes).degraded_mode is None

    def test_three_turns_without_progress_are_stuck(self) -> None:
        turns = tuple(map(a_turn, range(1, 4)))
        assert an_investigating_case(turn_history=turns, current_turn=3, turns_without_progress=3).is_stuck
        assert not an_investigating_case(turn_history=turns, current_turn=3, turns_without_progress=2).is_stuck

    def test_only_an_investigation_has_a_stage(self) -> None:
        assert a_case().current_stage is None
        assert a_resolved_case().current_stage is None
        assert an_investigating_case().current_stage is InvestigationStage.SYMPTOM_VERIFICATION

    def test_the_stage_follows_hypotheses_and_solutions(self) -> None:
        symptom = InvestigationProgress(completed=(a_record(Milestone.SYMPTOM_VERIFIED),))
        case = an_investigating_case(progress=symptom, evidence=(an_evidence(1),), hypotheses=(a_hypothesis(1),))
        assert case.current_stage is InvestigationStage.HYPOTHESIS_FORMULATION
        tested = case.replace(hypotheses=(a_hypothesis(1, links=(a_link(1),)),))
        assert tested.current_stage is InvestigationStage.HYPOTHESIS_VALIDATION
        path = PathSelection(
            path=InvestigationPath.ROOT_CAUSE, auto_selected=True, rationale="r", selected_at=AT, selected_by="system"
        )
        fix = tested.replace(path_selection=path, solutions=(a_solution(1),))
        assert fix.current_stage is InvestigationStage.SOLUTION
        relief = tested.replace(path_selection=path, solutions=(a_solution(1, is_mitigation=True),))
        assert relief.current_stage is InvestigationStage.HYPOTHESIS_VALIDATION


S, M, R = Milestone.SYMPTOM_VERIFIED, Milestone.MITIGATION_APPLIED, Milestone.ROOT_CAUSE_IDENTIFIED
P, A = Milestone.SOLUTION_PROPOSED, Milestone.SOLUTION_APPLIED
MITIGATE, CAUSE = InvestigationPath.MITIGATION_FIRST, InvestigationPath.ROOT_CAUSE


@pytest.mark.parametrize(
    ("milestones", "path", "fix", "tested", "stage"),
    [
        ((), None, False, False, "symptom_verification"),
        ((), MITIGATE, False, True, "symptom_verification"),
        ((S,), None, False, False, "hypothesis_formulation"),
        ((S,), None, False, True, "hypothesis_validation"),
        ((S,), MITIGATE, False, False, "solution"),
        ((S, M), MITIGATE, False, False, "hypothesis_formulation"),
        ((S, M), MITIGATE, False, True, "hypothesis_validation"),
        ((S, M), MITIGATE, True, True, "hypothesis_validation"),
        ((S, M, R), MITIGATE, False, True, "hypothesis_validation"),
        ((S, M, R, P), MITIGATE, False, True, "solution"),
        ((S, M, R, P), MITIGATE, True, True, "solution"),
        ((S,), CAUSE, True, False, "solution"),
        ((S, P, A), CAUSE, False, False, "solution"),
        ((S, P, A), None, False, False, "hypothesis_formulation"),
        ((R,), None, False, False, "hypothesis_validation"),
        ((R, P), None, False, False, "solution"),
        ((P,), None, True, False, "symptom_verification"),
    ],
)
def test_the_stage_follows_from_milestones_and_path(
    milestones: tuple[Milestone, ...], path: InvestigationPath | None, fix: bool, tested: bool, stage: str
) -> None:
    cause = {"root_cause_confidence": 0.9, "root_cause_method": "other"} if R in milestones else {}
    progress = InvestigationProgress.model_validate({"completed": tuple(map(a_record, milestones)), **cause})
    assert stage_of(progress, path, has_permanent_fix=fix, has_tested_hypothesis=tested) == stage
