"""What the user decides: each decision turns a case into another, or is refused and changes nothing.

Decisions are the only way in which a statement is confirmed, a solution counts as applied or verified, and a case is
closed. What closes the case is carried out by `close`, after everything else that the turn brought.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, cast

from pydantic import ValidationError

from domain.case import Case
from domain.degraded import escalate, record_choice
from domain.episodes import DegradedChoice, EscalationType
from domain.errors import InvalidInput, MissingPrerequisite, UnknownReference
from domain.evidence import EvidenceNeedStatus
from domain.milestones import Milestone
from domain.path import InvestigationPath
from domain.progress import complete, retract
from domain.proposals import DecisionKind, UserDecision
from domain.solution import FAILED_BELOW, Solution
from domain.status import CaseStatus, ClosureReason
from domain.values import first_problem
from domain.verification import choose_path


class _Made(NamedTuple):
    """A decision with its time and its user. `UserDecision` has seen to it that what the kind needs is there."""

    decision: UserDecision
    at: datetime
    by: str


def closes(decision: UserDecision) -> bool:
    """True if the decision ends the case; then `close` has to follow."""
    return (
        decision.kind in (DecisionKind.RESOLVE, DecisionKind.CLOSE)
        or (decision.kind is DecisionKind.ESCALATE and decision.closure_reason is not None)
        or (decision.kind is DecisionKind.DEGRADED_CHOICE and decision.degraded_choice is DegradedChoice.ABANDON)
    )


def decide(case: Case, decision: UserDecision, at: datetime, by: str) -> Case:
    """``case`` after a decision of the user ``by``, except for its closing, which is left to `close`.

    Raises:
        TerminalCase: the case is finished.
        IllegalTransition, MissingPrerequisite: the case is not ready for it.
        UnknownReference: it names something that the case does not hold.
        InvalidInput: it contradicts what the case already holds.
    """
    case.require_open()
    change = _DECISIONS.get(decision.kind)
    try:
        return change(case, _Made(decision, at, by)) if change else case
    except ValidationError as error:
        raise InvalidInput(first_problem(error)) from error


def close(case: Case, decision: UserDecision, at: datetime, by: str) -> Case:
    """``case`` closed by the user ``by``: as resolved, or for the reason that was given.

    Raises:
        TerminalCase, IllegalTransition, MissingPrerequisite, BadClosureReason: see `Case.resolve` and `Case.close`.
    """
    case.require_open()
    if decision.kind is DecisionKind.RESOLVE:
        return case.resolve(at, by, decision.reason or "resolved by the user")
    usual = ClosureReason.CONSULTING_ONLY if case.status is CaseStatus.CONSULTING else ClosureReason.ABANDONED
    return case.close(decision.closure_reason or usual, at, by, decision.reason or "closed by the user")


def _confirm_statement(case: Case, made: _Made) -> Case:
    _require(case, CaseStatus.CONSULTING, "Confirming a problem statement")
    known = case.consulting.proposed_problem_statement
    statement = made.decision.statement or known
    if case.consulting.problem_statement_confirmed:
        if statement != known:
            raise InvalidInput("the problem statement is confirmed and does not change any more")
        return case
    if not statement or not statement.strip():
        raise MissingPrerequisite("Confirming a problem statement", ("a proposed problem statement",))
    consulting = case.consulting.replace(proposed_problem_statement=statement, problem_statement_confirmed_at=made.at)
    return case.touched(made.at, consulting=consulting)


def _reject_statement(case: Case, made: _Made) -> Case:
    _require(case, CaseStatus.CONSULTING, "Rejecting a problem statement")
    if case.consulting.problem_statement_confirmed:
        raise InvalidInput("the problem statement is confirmed and does not change any more")
    if case.consulting.proposed_problem_statement is None:
        raise MissingPrerequisite("Rejecting a problem statement", ("a proposed problem statement",))
    return case.touched(made.at, consulting=case.consulting.replace(proposed_problem_statement=None))


def _start_investigation(case: Case, made: _Made) -> Case:
    if case.status is CaseStatus.CONSULTING:
        decided = case.consulting.decided_to_investigate_at or made.at
        case = case.touched(made.at, consulting=case.consulting.replace(decided_to_investigate_at=decided))
    return case.start_investigation(made.at, made.by, made.decision.reason or "the problem statement was confirmed")


def _choose_path(case: Case, made: _Made) -> Case:
    _require(case, CaseStatus.INVESTIGATING, "Choosing a path")
    path = cast("InvestigationPath", made.decision.path)
    return case.touched(made.at, path_selection=choose_path(case.problem_verification, path, made.at, made.by))


def _apply_solution(case: Case, made: _Made) -> Case:
    _require(case, CaseStatus.INVESTIGATING, "Applying a solution")
    solution = _solution(case, made.decision)
    if solution.applied_at and not solution.has_failed:
        raise InvalidInput(f"the solution {solution.solution_id} is already applied")
    applied = solution.replace(
        applied_at=made.at,
        applied_by=made.by,
        verified_at=None,
        verification_method=None,
        verification_evidence_id=None,
        effectiveness=None,
    )
    case = _exchange(case, applied, made.at)
    if solution.is_mitigation:
        return complete(case, Milestone.MITIGATION_APPLIED, made.at, made.by)
    case = complete(case, Milestone.SOLUTION_PROPOSED, made.at, made.by)
    return complete(case, Milestone.SOLUTION_APPLIED, made.at, made.by)


def _verify_solution(case: Case, made: _Made) -> Case:
    effectiveness = 1.0 if made.decision.effectiveness is None else made.decision.effectiveness
    if effectiveness < FAILED_BELOW:
        raise InvalidInput(
            f"an effectiveness of {effectiveness} means that the solution has failed; "
            f"{FAILED_BELOW} to 1 is accepted here, report anything less as a failed solution"
        )
    _require(case, CaseStatus.INVESTIGATING, "Verifying a solution")
    if _solution(case, made.decision).has_failed:
        raise MissingPrerequisite("Verifying a solution that has failed", ("the solution to be applied again",))
    solution, case = _measure(case, made, effectiveness, "Verifying a solution")
    return case if solution.is_mitigation else complete(case, Milestone.SOLUTION_VERIFIED, made.at, made.by)


def _solution_failed(case: Case, made: _Made) -> Case:
    effectiveness = made.decision.effectiveness or 0.0
    if effectiveness >= FAILED_BELOW:
        raise InvalidInput(
            f"an effectiveness of {effectiveness} means that the solution works; "
            f"less than {FAILED_BELOW} is accepted here, report anything else as a verified solution"
        )
    solution, case = _measure(case, made, effectiveness, "Reporting a failed solution")
    alike = (item for item in case.solutions if item.is_mitigation == solution.is_mitigation)
    standing = [item for item in alike if item.applied_at and not item.has_failed]
    if not standing:
        milestone = Milestone.MITIGATION_APPLIED if solution.is_mitigation else Milestone.SOLUTION_APPLIED
    elif not solution.is_mitigation and not any(item.has_worked for item in standing):
        # Another one is in place of it, but that has not been verified.
        milestone = Milestone.SOLUTION_VERIFIED
    else:
        return case
    reason = made.decision.reason or f"the solution {solution.solution_id} has failed"
    return retract(case, milestone, made.at, made.by, reason) if case.progress.has(milestone) else case


def _evidence_unavailable(case: Case, made: _Made) -> Case:
    _require(case, CaseStatus.INVESTIGATING, "Declining a request for evidence")
    need = next((item for item in case.evidence_needs if item.need_id == made.decision.need_id), None)
    if need is None:
        raise UnknownReference("request for evidence", made.decision.need_id or "")
    if need.status is not EvidenceNeedStatus.OPEN:
        raise InvalidInput(f"the request {need.need_id} is already {need.status}")
    blocked = need.replace(status=EvidenceNeedStatus.BLOCKED, blocked_reason=made.decision.reason or "cannot be had")
    return case.touched(
        made.at, evidence_needs=tuple(blocked if item is need else item for item in case.evidence_needs)
    )


def _retract_milestone(case: Case, made: _Made) -> Case:
    _require(case, CaseStatus.INVESTIGATING, "Retracting a milestone")
    if made.decision.milestone is None or not case.progress.has(made.decision.milestone):
        raise UnknownReference("milestone", made.decision.milestone or "")
    return retract(case, made.decision.milestone, made.at, made.by, made.decision.reason or "")


def _degraded_choice(case: Case, made: _Made) -> Case:
    _require(case, CaseStatus.INVESTIGATING, "This choice")
    choice = cast("DegradedChoice", made.decision.degraded_choice)
    case = record_choice(case, choice)
    if choice is not DegradedChoice.ESCALATE:
        return case.touched(made.at)
    reason = made.decision.reason or "the investigation does not get on"
    return escalate(case, EscalationType.NO_PROGRESS, reason, made.at, made.by)


def _escalate(case: Case, made: _Made) -> Case:
    _require(case, CaseStatus.INVESTIGATING, "Escalating")
    return escalate(case, EscalationType.USER_REQUEST, made.decision.reason or "", made.at, made.by)


_DECISIONS: dict[DecisionKind, Callable[[Case, _Made], Case]] = {
    DecisionKind.CONFIRM_STATEMENT: _confirm_statement,
    DecisionKind.REJECT_STATEMENT: _reject_statement,
    DecisionKind.START_INVESTIGATION: _start_investigation,
    DecisionKind.CHOOSE_PATH: _choose_path,
    DecisionKind.APPLY_SOLUTION: _apply_solution,
    DecisionKind.VERIFY_SOLUTION: _verify_solution,
    DecisionKind.SOLUTION_FAILED: _solution_failed,
    DecisionKind.EVIDENCE_UNAVAILABLE: _evidence_unavailable,
    DecisionKind.RETRACT_MILESTONE: _retract_milestone,
    DecisionKind.DEGRADED_CHOICE: _degraded_choice,
    DecisionKind.ESCALATE: _escalate,
}


def _require(case: Case, status: CaseStatus, what: str) -> None:
    if case.status is not status:
        raise MissingPrerequisite(what, (f"a case that is {status}",))


def _solution(case: Case, decision: UserDecision) -> Solution:
    solution = case.solution(decision.solution_id or "")
    if solution is None:
        raise UnknownReference("solution", decision.solution_id or "")
    return solution


def _measure(case: Case, made: _Made, effectiveness: float, what: str) -> tuple[Solution, Case]:
    _require(case, CaseStatus.INVESTIGATING, what)
    solution = _solution(case, made.decision)
    if solution.applied_at is None:
        raise MissingPrerequisite(what, ("the solution to be applied",))
    measured = solution.replace(
        verified_at=made.at, verification_method=made.decision.verification_method, effectiveness=effectiveness
    )
    return measured, _exchange(case, measured, made.at)


def _exchange(case: Case, changed: Solution, at: datetime) -> Case:
    return case.touched(
        at,
        solutions=tuple(changed if item.solution_id == changed.solution_id else item for item in case.solutions),
    )
