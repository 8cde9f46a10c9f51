"""The decisions that are open to the user, as they follow from the state of the case."""

from __future__ import annotations

from collections.abc import Iterator

from domain.case import Case
from domain.episodes import DegradedChoice
from domain.milestones import Milestone
from domain.path import InvestigationPath
from domain.proposals import DecisionKind, UserDecision
from domain.status import CaseStatus
from ports.language_model import ActionType, SuggestedAction

MAX_SOLUTIONS = 3


def open_decisions(case: Case) -> tuple[SuggestedAction, ...]:
    """A button for each decision that the case waits for, the next one first."""
    if case.status is CaseStatus.CONSULTING:
        return tuple(_consulting(case))
    return tuple(_investigating(case)) if case.status is CaseStatus.INVESTIGATING else ()


def _consulting(case: Case) -> Iterator[SuggestedAction]:
    consulting = case.consulting
    if consulting.problem_statement_confirmed:
        yield _button("Start the investigation", "Start the investigation.", DecisionKind.START_INVESTIGATION)
    elif consulting.proposed_problem_statement:
        body = consulting.proposed_problem_statement
        yield _button("Yes, this is the problem", "Yes, this is the problem.", DecisionKind.CONFIRM_STATEMENT, body)
        yield _button("No, it is something else", "No, it is something else.", DecisionKind.REJECT_STATEMENT)


def _investigating(case: Case) -> Iterator[SuggestedAction]:
    selection = case.path_selection
    if selection and selection.path is InvestigationPath.USER_CHOICE:
        for path, label in (
            (InvestigationPath.MITIGATION_FIRST, "Relieve the symptom first"),
            (InvestigationPath.ROOT_CAUSE, "Find the cause first"),
        ):
            yield _decide(label, f"{label}.", UserDecision(kind=DecisionKind.CHOOSE_PATH, path=path))
    for solution in case.solutions:
        if solution.applied_at and solution.verified_at is None:
            yield _solution(f"It helped: {solution.title}", solution.solution_id, DecisionKind.VERIFY_SOLUTION)
            yield _solution(f"It did not help: {solution.title}", solution.solution_id, DecisionKind.SOLUTION_FAILED)
    waiting = [solution for solution in case.solutions if solution.applied_at is None]
    for solution in waiting[-MAX_SOLUTIONS:]:
        risks = " ".join(solution.risks) or None
        yield _solution(f"I applied: {solution.title}", solution.solution_id, DecisionKind.APPLY_SOLUTION, risks)
    if case.degraded_mode and case.degraded_mode.user_choice is None:
        for choice, label in (
            (DegradedChoice.PROVIDE_MORE_DATA, "I will provide more data"),
            (DegradedChoice.ACCEPT_FALLBACK, "Go on with what is known"),
            (DegradedChoice.ESCALATE, "Escalate"),
        ):
            decision = UserDecision(kind=DecisionKind.DEGRADED_CHOICE, degraded_choice=choice)
            yield _decide(label, f"{label}.", decision)
    if case.progress.has(Milestone.SOLUTION_VERIFIED):
        yield _button("Resolve the case", "Resolve the case.", DecisionKind.RESOLVE)


def _solution(label: str, solution_id: str, kind: DecisionKind, body: str | None = None) -> SuggestedAction:
    return _decide(label[:100], f"{label}.", UserDecision(kind=kind, solution_id=solution_id), body)


def _button(label: str, payload: str, kind: DecisionKind, body: str | None = None) -> SuggestedAction:
    return _decide(label, payload, UserDecision(kind=kind), body)


def _decide(label: str, payload: str, decision: UserDecision, body: str | None = None) -> SuggestedAction:
    return SuggestedAction(ActionType.DECIDE, label, payload=payload, body=body, decision=decision)
