"""Words of the domain in the words of the clients.

Closure reasons that the clients have no word for (``escalated``, ``duplicate``, ``other``) go out as they are; clients
show them as "Other".
"""

from __future__ import annotations

from domain.case import Case
from domain.errors import InvalidInput
from domain.milestones import Milestone
from domain.path import InvestigationPath
from domain.stage import InvestigationStage
from domain.status import CLOSURE_REASONS, CaseStatus, ClosureReason

_STATES = {
    CaseStatus.CONSULTING: "inquiry",
    CaseStatus.INVESTIGATING: "investigating",
    CaseStatus.RESOLVED: "resolved",
    CaseStatus.CLOSED: "closed",
}
_STATUSES = {word: status for status, word in _STATES.items()}
_REASONS = {
    ClosureReason.CONSULTING_ONLY: "inquiry_only",
    ClosureReason.ABANDONED: "solution_deferred",
    ClosureReason.ESCALATED: "escalated",
    ClosureReason.DUPLICATE: "duplicate",
    ClosureReason.OTHER: "other",
}
_REASONS_READ = {
    **{word: reason for reason, word in _REASONS.items()},
    "closed_rca_infeasible": ClosureReason.ABANDONED,
    "closed_insufficient_evidence": ClosureReason.ABANDONED,
    "mitigation_sufficient": ClosureReason.OTHER,
}


def state(status: CaseStatus) -> str:
    """The clients' word for a status."""
    return _STATES[status]


def status_of(word: object) -> CaseStatus | None:
    """The status that a client names; None if it names none."""
    return _STATUSES.get(word) if isinstance(word, str) else None


def required_status(word: str) -> CaseStatus:
    """The status that a client names.

    Raises:
        InvalidInput: there is no such state.
    """
    found = status_of(word)
    if found is None:
        raise InvalidInput(f"state: accepted are {', '.join(_STATUSES)}")
    return found


def next_states(status: CaseStatus) -> list[str]:
    """Where a case of this status can go, in the words of the clients."""
    return [state(target) for target in CaseStatus if (status, target) in CLOSURE_REASONS]


def closure_reason(case: Case) -> str | None:
    """Why the case was closed; None for one that is open or resolved."""
    return _REASONS.get(case.closure_reason) if case.closure_reason else None


def closure_reason_of(word: object) -> ClosureReason:
    """The closure reason that a client names.

    Raises:
        InvalidInput: there is no such reason.
    """
    found = _REASONS_READ.get(word) if isinstance(word, str) else None
    if found is None:
        raise InvalidInput(f"closure_reason: accepted are {', '.join(_REASONS_READ)}")
    return found


def stage(case: Case) -> str | None:
    """``diagnosis``, ``mitigation`` or ``treatment`` while the case is under investigation."""
    current = case.current_stage
    if current is None:
        return None
    if current is not InvestigationStage.SOLUTION:
        return "diagnosis"
    relief_first = case.path_selection and case.path_selection.path is InvestigationPath.MITIGATION_FIRST
    return "mitigation" if relief_first and not case.progress.has(Milestone.MITIGATION_APPLIED) else "treatment"
