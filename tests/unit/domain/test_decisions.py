"""What a user may decide, when, and what comes of it."""

from typing import Any, ClassVar

import pytest

from domain.case import Case
from domain.conclusions import ConfidenceLevel, RootCauseConclusion
from domain.decisions import close, closes, decide
from domain.errors import (
    BadClosureReason,
    DomainError,
    IllegalTransition,
    InvalidInput,
    MissingPrerequisite,
    TerminalCase,
    UnknownReference,
)
from domain.evidence import EvidenceNeedStatus
from domain.hypothesis import HypothesisStatus
from domain.milestones import VERIFICATION, Milestone, RootCauseMethod
from domain.problem import ConsultingData
from domain.progress import complete, identify_root_cause
from domain.proposals import DecisionKind, UserDecision
from domain.status import CaseStatus, ClosureReason
from tests.builders import (
    AT,
    OWNER,
    STATEMENT,
    a_case,
    a_confirmed_consultation,
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

PROPOSED, APPLIED = Milestone.SOLUTION_PROPOSED, Milestone.SOLUTION_APPLIED
VERIFIED, MITIGATED = Milestone.SOLUTION_VERIFIED, Milestone.MITIGATION_APPLIED
FIX, RELIEF = an_id("sol", 1), an_id("sol", 2)


def made(case: Case, kind: str, minutes: float = 10, **values: Any) -> Case:
    """``case`` after the owner's decision."""
    decision = UserDecision.model_validate({"kind": kind, **values})
    return decide(case, decision, later(minutes), OWNER)


def proposed(statement: str | None = STATEMENT) -> Case:
    return a_case(consulting=ConsultingData(proposed_problem_statement=statement))


def with_solutions() -> Case:
    case = an_investigating_case(solutions=(a_solution(1), a_solution(2, is_mitigation=True), a_solution(3)))
    return complete(case, PROPOSED, later(4), "agent")


class TestStatement:
    def test_it_is_confirmed(self) -> None:
        consulting = made(proposed(), "confirm_statement").consulting
        assert (consulting.proposed_problem_statement, consulting.problem_statement_confirmed_at) == (
            STATEMENT,
            later(10),
        )

    def test_it_is_confirmed_in_the_users_own_words(self) -> None:
        for case in (proposed(), proposed(None)):
            consulting = made(case, "confirm_statement", statement=" The shop is down ").consulting
            assert consulting.proposed_problem_statement == "The shop is down"
            assert consulting.problem_statement_confirmed

    @pytest.mark.parametrize("statement", [None, "", "  "])
    def test_there_must_be_one(self, statement: str | None) -> None:
        with pytest.raises(MissingPrerequisite):
            made(proposed(statement), "confirm_statement")

    def test_a_confirmed_one_does_not_change(self) -> None:
        case = made(proposed(), "confirm_statement")
        assert made(case, "confirm_statement", minutes=11) == case
        assert made(case, "confirm_statement", minutes=11, statement=STATEMENT) == case
        with pytest.raises(InvalidInput, match="does not change"):
            made(case, "confirm_statement", statement="Another one")
        with pytest.raises(InvalidInput, match="does not change"):
            made(case, "reject_statement")

    def test_it_is_rejected(self) -> None:
        case = made(proposed(), "reject_statement")
        assert case.consulting.proposed_problem_statement is None
        with pytest.raises(MissingPrerequisite):
            made(case, "reject_statement")

    def test_starting_needs_a_confirmed_statement(self) -> None:
        with pytest.raises(MissingPrerequisite) as caught:
            made(proposed(), "start_investigation")
        assert caught.value.missing == ("a confirmed problem statement",)
        case = made(made(proposed(), "confirm_statement"), "start_investigation", minutes=12)
        assert case.status is CaseStatus.INVESTIGATING
        assert case.consulting.decided_to_investigate_at == later(12)
        assert case.status_history[-1].triggered_by == OWNER

    def test_an_earlier_decision_keeps_its_time(self) -> None:
        case = made(a_case(consulting=a_confirmed_consultation()), "start_investigation", reason="it is urgent")
        assert case.consulting.decided_to_investigate_at == later(1)
        assert case.status_history[-1].reason == "it is urgent"

    def test_an_investigation_does_not_start_twice(self) -> None:
        with pytest.raises(IllegalTransition):
            made(an_investigating_case(), "start_investigation")


class TestWhen:
    CONSULTING_ONLY = ("confirm_statement", "reject_statement")
    INVESTIGATING_ONLY = (
        "choose_path",
        "apply_solution",
        "verify_solution",
        "solution_failed",
        "evidence_unavailable",
        "retract_milestone",
        "degraded_choice",
        "escalate",
    )
    VALUES: ClassVar[dict[str, Any]] = {
        "path": "root_cause",
        "solution_id": FIX,
        "need_id": "eneed_000000000001",
        "milestone": "scope_assessed",
        "degraded_choice": "accept_fallback",
        "reason": "because",
    }

    @pytest.mark.parametrize("kind", CONSULTING_ONLY)
    def test_some_decisions_belong_to_the_consultation(self, kind: str) -> None:
        with pytest.raises(MissingPrerequisite, match="a case that is consulting"):
            made(an_investigating_case(), kind)

    @pytest.mark.parametrize("kind", INVESTIGATING_ONLY)
    def test_some_decisions_belong_to_the_investigation(self, kind: str) -> None:
        with pytest.raises(MissingPrerequisite, match="a case that is investigating"):
            made(a_case(), kind, **self.VALUES)

    @pytest.mark.parametrize("kind", DecisionKind)
    def test_nothing_is_decided_on_a_finished_case(self, kind: DecisionKind) -> None:
        with pytest.raises(TerminalCase):
            made(a_resolved_case(), kind, 60, **self.VALUES)


class TestPath:
    def test_the_users_choice_is_recorded(self) -> None:
        selection = made(an_investigating_case(), "choose_path", path="root_cause").path_selection
        assert selection
        assert (selection.path, selection.selected_by, selection.auto_selected) == ("root_cause", OWNER, False)

    def test_leaving_the_choice_to_the_user_is_no_choice(self) -> None:
        with pytest.raises(InvalidInput):
            made(an_investigating_case(), "choose_path", path="user_choice")


class TestSolutions:
    def test_a_fix_is_applied_then_verified(self) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=FIX)
        fix = case.solution(FIX)
        assert fix
        assert (fix.applied_at, fix.applied_by) == (later(10), OWNER)
        assert case.progress.has(APPLIED)
        assert not case.progress.has(MITIGATED)
        case = made(case, "verify_solution", 12, solution_id=FIX, effectiveness=0.9, verification_method="error rate")
        fix = case.solution(FIX)
        assert fix
        assert (fix.verified_at, fix.effectiveness, fix.verification_method) == (later(12), 0.9, "error rate")
        assert case.progress.has(VERIFIED)
        assert case.status is CaseStatus.INVESTIGATING

    def test_a_verified_solution_works_fully_unless_said_otherwise(self) -> None:
        case = made(made(with_solutions(), "apply_solution", solution_id=FIX), "verify_solution", solution_id=FIX)
        assert case.solutions[0].effectiveness == 1.0

    def test_a_mitigation_earns_its_own_milestone_and_solves_nothing(self) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=RELIEF)
        assert case.progress.has(MITIGATED)
        assert not case.progress.has(APPLIED)
        case = made(case, "verify_solution", solution_id=RELIEF)
        assert not case.progress.has(VERIFIED)
        assert case.solutions[1].has_worked

    def test_a_retracted_proposal_stands_again_when_it_is_applied(self) -> None:
        case = made(with_solutions(), "retract_milestone", milestone=PROPOSED, reason="wrong")
        assert not case.progress.has(PROPOSED)
        case = made(case, "apply_solution", solution_id=FIX)
        assert case.progress.has(PROPOSED)
        assert case.progress.has(APPLIED)

    @pytest.mark.parametrize("kind", ["apply_solution", "verify_solution", "solution_failed"])
    def test_an_unknown_solution_is_refused(self, kind: str) -> None:
        with pytest.raises(UnknownReference):
            made(with_solutions(), kind, solution_id=an_id("sol", 9))

    def test_nothing_is_applied_twice(self) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=FIX)
        with pytest.raises(InvalidInput, match="already applied"):
            made(case, "apply_solution", solution_id=FIX)

    @pytest.mark.parametrize("kind", ["verify_solution", "solution_failed"])
    def test_only_an_applied_solution_is_measured(self, kind: str) -> None:
        with pytest.raises(MissingPrerequisite, match="applied"):
            made(with_solutions(), kind, solution_id=FIX)

    def test_success_and_failure_are_told_apart_by_the_effectiveness(self) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=FIX)
        with pytest.raises(InvalidInput, match="report anything less as a failed solution"):
            made(case, "verify_solution", solution_id=FIX, effectiveness=0.49)
        with pytest.raises(InvalidInput, match="report anything else as a verified solution"):
            made(case, "solution_failed", solution_id=FIX, effectiveness=0.5)

    def test_a_failed_fix_takes_its_milestone_back(self) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=FIX)
        case = made(case, "solution_failed", solution_id=FIX, effectiveness=0.2)
        assert case.solutions[0].has_failed
        assert not case.progress.has(APPLIED)
        assert case.progress.has(PROPOSED)
        assert case.progress.retracted[-1].reason == f"the solution {FIX} has failed"
        again = made(case, "apply_solution", 20, solution_id=FIX)
        assert again.progress.has(APPLIED)
        assert again.solutions[0].effectiveness is None
        assert again.solutions[0].applied_at == later(20)

    @pytest.mark.parametrize("solution_id", [FIX, RELIEF])
    def test_what_has_failed_is_applied_again_before_it_is_verified(self, solution_id: str) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=solution_id)
        case = made(case, "solution_failed", solution_id=solution_id)
        with pytest.raises(MissingPrerequisite, match="applied again"):
            made(case, "verify_solution", solution_id=solution_id)
        again = made(case, "apply_solution", 20, solution_id=solution_id)
        verified = made(again, "verify_solution", 21, solution_id=solution_id).solution(solution_id)
        assert verified
        assert verified.has_worked

    def test_another_applied_fix_keeps_the_milestone(self) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=FIX)
        case = made(case, "apply_solution", solution_id=an_id("sol", 3))
        case = made(case, "solution_failed", solution_id=FIX)
        assert case.progress.has(APPLIED)
        assert case.solutions[0].effectiveness == 0.0

    def test_a_verified_fix_that_fails_is_verified_no_more_though_another_one_is_applied(self) -> None:
        """Found by a random walk on 2026-11-22: verified, another one applied, then reported as failed, in one turn."""
        other = an_id("sol", 3)
        case = made(made(with_solutions(), "apply_solution", solution_id=FIX), "verify_solution", solution_id=FIX)
        case = made(made(case, "apply_solution", solution_id=other), "solution_failed", solution_id=FIX)
        assert not case.progress.has(VERIFIED)
        assert case.progress.has(APPLIED)
        case = made(case, "verify_solution", solution_id=other)
        assert case.progress.has(VERIFIED)

    def test_a_verified_fix_stays_verified_when_another_one_fails(self) -> None:
        other = an_id("sol", 3)
        case = made(made(with_solutions(), "apply_solution", solution_id=FIX), "verify_solution", solution_id=FIX)
        case = made(made(case, "apply_solution", solution_id=other), "solution_failed", solution_id=other)
        assert case.progress.has(VERIFIED)
        assert case.progress.has(APPLIED)

    def test_a_failed_mitigation_takes_its_milestone_back(self) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=RELIEF)
        case = made(case, "solution_failed", solution_id=RELIEF, reason="no effect")
        assert not case.progress.has(MITIGATED)
        assert case.progress.retracted[-1].reason == "no effect"

    def test_a_failure_reported_twice_is_retracted_once(self) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=FIX)
        case = made(case, "solution_failed", solution_id=FIX)
        again = made(case, "solution_failed", 20, solution_id=FIX, effectiveness=0.1)
        assert again.progress == case.progress
        assert again.solutions[0].effectiveness == 0.1


class TestRetraction:
    def test_the_milestone_must_stand(self) -> None:
        with pytest.raises(UnknownReference):
            made(with_solutions(), "retract_milestone", milestone=APPLIED, reason="wrong")

    def test_a_reason_is_needed(self) -> None:
        with pytest.raises(InvalidInput, match="reason"):
            made(with_solutions(), "retract_milestone", milestone=PROPOSED, reason=" ")

    @pytest.mark.parametrize(
        ("milestone", "fallen"),
        [(PROPOSED, [PROPOSED, APPLIED, VERIFIED]), (APPLIED, [APPLIED, VERIFIED]), (VERIFIED, [VERIFIED])],
    )
    def test_what_depends_on_it_falls_too(self, milestone: Milestone, fallen: list[Milestone]) -> None:
        case = made(with_solutions(), "apply_solution", solution_id=FIX)
        case = made(case, "verify_solution", solution_id=FIX)
        case = made(case, "retract_milestone", 30, milestone=milestone, reason="it was the cache")
        assert [entry.milestone for entry in case.progress.retracted] == fallen
        assert {(entry.retracted_at, entry.retracted_by) for entry in case.progress.retracted} == {(later(30), OWNER)}
        assert not any(map(case.progress.has, fallen))
        assert case.solutions[0].verified_at is None
        assert (case.solutions[0].applied_at is None) == (APPLIED in fallen)

    def test_failed_and_foreign_solutions_keep_their_stamps(self) -> None:
        case = with_solutions()
        for solution_id in (FIX, RELIEF, an_id("sol", 3)):
            case = made(case, "apply_solution", solution_id=solution_id)
        case = made(case, "solution_failed", solution_id=FIX)
        case = made(case, "verify_solution", solution_id=RELIEF)
        retracted = made(case, "retract_milestone", milestone=APPLIED, reason="wrong")
        assert retracted.solutions[:2] == case.solutions[:2]
        assert retracted.solutions[2].applied_at is None
        relieved = made(case, "retract_milestone", milestone=MITIGATED, reason="wrong")
        assert relieved.solutions[1].applied_at is None
        assert relieved.solutions[2] == case.solutions[2]

    def test_without_a_described_problem_only_the_milestone_falls(self) -> None:
        case = complete(an_investigating_case(problem_verification=None), VERIFICATION[0], later(2), "agent")
        assert case.problem_verification is None
        case = made(case, "retract_milestone", milestone=VERIFICATION[0], reason="it was another host")
        assert case.problem_verification is None
        assert not case.progress.has(VERIFICATION[0])

    def test_a_verification_milestone_lowers_the_confidence_in_the_problem(self) -> None:
        case = an_investigating_case(evidence=(an_evidence(1),))
        for number, milestone in enumerate(VERIFICATION, 1):
            case = complete(case, milestone, later(number), "agent", (an_id("ev", 1),))
        assert case.problem_verification
        assert case.problem_verification.verification_confidence == 1.0
        assert case.problem_verification.verified_at == later(1)
        assert case.evidence[0].advances == VERIFICATION
        case = made(case, "retract_milestone", milestone=VERIFICATION[0], reason="it was another host")
        assert case.problem_verification
        assert case.problem_verification.verification_confidence == 0.75
        assert case.problem_verification.verified_at == later(2)

    @pytest.mark.parametrize("status", [HypothesisStatus.VALIDATED, HypothesisStatus.ACTIVE])
    def test_a_wrong_root_cause_leaves_its_hypothesis_undecided(self, status: HypothesisStatus) -> None:
        validated = status is HypothesisStatus.VALIDATED
        hypothesis = a_hypothesis(1, status=status, links=(a_link(1),), concluded_at=later(3) if validated else None)
        conclusion = RootCauseConclusion(
            root_cause="x",
            confidence_level=ConfidenceLevel.VERIFIED,
            confidence_score=0.9,
            mechanism="y",
            validated_hypothesis_id=hypothesis.hypothesis_id if validated else None,
            determined_at=later(5),
            determined_by="agent",
        )
        case = an_investigating_case(evidence=(an_evidence(1),), hypotheses=(hypothesis,))
        case = identify_root_cause(case, conclusion, RootCauseMethod.CORRELATION, (an_id("ev", 1),))
        assert case.progress.root_cause_confidence == 0.9
        case = made(case, "retract_milestone", milestone=Milestone.ROOT_CAUSE_IDENTIFIED, reason="it came back")
        assert case.root_cause_conclusion is None
        assert (case.progress.root_cause_confidence, case.progress.root_cause_method) == (0.0, None)
        if validated:
            assert case.hypotheses[0].status is HypothesisStatus.INCONCLUSIVE
            assert case.hypotheses[0].conclusion_reason == "it came back"
        else:
            assert case.hypotheses[0] == hypothesis


class TestRequests:
    def test_evidence_that_cannot_be_had_blocks_its_request(self) -> None:
        case = an_investigating_case(evidence_needs=(a_need(1), a_need(2)))
        case = made(case, "evidence_unavailable", need_id=an_id("eneed", 1), reason="no access")
        assert case.evidence_needs[0].status is EvidenceNeedStatus.BLOCKED
        assert case.evidence_needs[0].blocked_reason == "no access"
        assert case.evidence_needs[1] == a_need(2)
        with pytest.raises(InvalidInput, match="already blocked"):
            made(case, "evidence_unavailable", need_id=an_id("eneed", 1))
        with pytest.raises(UnknownReference):
            made(case, "evidence_unavailable", need_id="banana")


class TestTrouble:
    def degraded(self) -> Case:
        episode = a_full_case().degraded_episodes[0].replace(user_choice=None, exited_at=None, exit_reason=None)
        return an_investigating_case(degraded_episodes=(episode.replace(exited_at=later(16)), episode))

    @pytest.mark.parametrize("choice", ["accept_fallback", "provide_more_data", "abandon"])
    def test_a_choice_is_recorded_in_the_episode(self, choice: str) -> None:
        case = made(self.degraded(), "degraded_choice", degraded_choice=choice)
        assert case.degraded_mode
        assert case.degraded_mode.user_choice == choice
        assert case.degraded_episodes[0] == self.degraded().degraded_episodes[0]
        assert not case.escalations

    def test_there_is_nothing_to_choose_without_trouble(self) -> None:
        with pytest.raises(MissingPrerequisite, match="a degraded investigation"):
            made(an_investigating_case(), "degraded_choice", degraded_choice="accept_fallback")

    def test_choosing_escalation_calls_for_help(self) -> None:
        case = made(self.degraded(), "degraded_choice", degraded_choice="escalate")
        assert case.escalation
        assert (case.escalation.escalation_type, case.escalation.escalated_by) == ("no_progress", OWNER)

    def test_an_escalation_says_what_is_known(self) -> None:
        full = a_full_case()
        case = an_investigating_case(
            evidence=tuple(an_evidence(number) for number in range(1, 13)),
            hypotheses=tuple(item.replace(links=()) for item in full.hypotheses),
            working_conclusion=full.working_conclusion,
            solutions=full.solutions,
            progress=full.progress.replace(completed=full.progress.completed[:6]),
            uploaded_files=full.uploaded_files,
        )
        escalation = made(case, "escalate", reason="we need the network team").escalation
        assert escalation
        assert (escalation.escalation_type, escalation.reason) == ("user_request", "we need the network team")
        for part in (STATEMENT, "Stage: solution", "symptom_verified", "Working conclusion: ", "Under test (86%)"):
            assert part in escalation.context_summary
        assert len(escalation.key_findings) == 7
        assert escalation.key_findings[-1] == "Observation 12"


class TestClosing:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"kind": "resolve"}, True),
            ({"kind": "close"}, True),
            ({"kind": "escalate", "reason": "r"}, False),
            ({"kind": "escalate", "reason": "r", "closure_reason": "escalated"}, True),
            ({"kind": "degraded_choice", "degraded_choice": "abandon"}, True),
            ({"kind": "degraded_choice", "degraded_choice": "escalate"}, False),
            ({"kind": "confirm_statement"}, False),
        ],
    )
    def test_some_decisions_close_the_case(self, values: dict[str, Any], expected: bool) -> None:
        assert closes(UserDecision.model_validate(values)) is expected

    def test_closing_is_left_to_the_end_of_the_turn(self) -> None:
        case = an_investigating_case()
        assert made(case, "close") == case

    @pytest.mark.parametrize(
        ("case", "values", "reason"),
        [
            (a_case(), {"kind": "close"}, ClosureReason.CONSULTING_ONLY),
            (a_case(), {"kind": "close", "closure_reason": "duplicate"}, ClosureReason.DUPLICATE),
            (an_investigating_case(), {"kind": "close"}, ClosureReason.ABANDONED),
            (
                an_investigating_case(),
                {"kind": "escalate", "reason": "r", "closure_reason": "escalated"},
                ClosureReason.ESCALATED,
            ),
            (
                an_investigating_case(),
                {"kind": "degraded_choice", "degraded_choice": "abandon"},
                ClosureReason.ABANDONED,
            ),
        ],
    )
    def test_it_closes_for_the_given_or_the_usual_reason(
        self, case: Case, values: dict[str, Any], reason: ClosureReason
    ) -> None:
        closed = close(case, UserDecision.model_validate(values), later(20), OWNER)
        assert (closed.status, closed.closure_reason) == (CaseStatus.CLOSED, reason)
        assert closed.status_history[-1].triggered_by == OWNER

    @pytest.mark.parametrize(
        ("case", "values", "error"),
        [
            (a_case(), {"kind": "resolve"}, IllegalTransition),
            (an_investigating_case(), {"kind": "resolve"}, MissingPrerequisite),
            (an_investigating_case(), {"kind": "close", "closure_reason": "resolved"}, BadClosureReason),
            (a_case(), {"kind": "close", "closure_reason": "escalated"}, BadClosureReason),
            (a_resolved_case(), {"kind": "close"}, TerminalCase),
        ],
    )
    def test_it_refuses_what_is_not_legal(self, case: Case, values: dict[str, Any], error: type[DomainError]) -> None:
        with pytest.raises(error):
            close(case, UserDecision.model_validate(values), later(60), OWNER)

    def test_a_solved_case_is_resolved_by_the_user(self) -> None:
        case = made(made(with_solutions(), "apply_solution", solution_id=FIX), "verify_solution", solution_id=FIX)
        resolved = close(case, UserDecision(kind=DecisionKind.RESOLVE, reason="done"), later(20), OWNER)
        assert (resolved.status, resolved.resolved_at) == (CaseStatus.RESOLVED, later(20))
        assert resolved.status_history[-1].reason == "done"
        assert resolved.created_at == AT
