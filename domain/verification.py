"""From a reading of the problem to the verified problem, the path and the strategy of its investigation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from domain.errors import InvalidInput
from domain.path import InvestigationPath, InvestigationStrategy, PathSelection, select_path
from domain.problem import (
    ProblemConfirmation,
    ProblemType,
    ProblemVerification,
    Severity,
    TemporalState,
    UrgencyLevel,
)
from domain.proposals import ProblemReading

_Level = TypeVar("_Level", Severity, UrgencyLevel)

MAX_LISTED = 50
"""Entries of one list of a problem, e.g. the affected services."""

OLD_PROBLEM = timedelta(hours=24)

_URGENT = (UrgencyLevel.CRITICAL, UrgencyLevel.HIGH)
_SEVERE = (Severity.CRITICAL, Severity.HIGH)
_OTHER_PATH = {
    InvestigationPath.MITIGATION_FIRST: InvestigationPath.ROOT_CAUSE,
    InvestigationPath.ROOT_CAUSE: InvestigationPath.MITIGATION_FIRST,
}


def confirm_reading(known: ProblemConfirmation | None, reading: ProblemReading, at: datetime) -> ProblemConfirmation:
    """The first reading of the problem while consulting; what ``reading`` leaves open stays as it was."""
    return ProblemConfirmation(
        problem_type=reading.problem_type or (known.problem_type if known else ProblemType.OTHER),
        severity_guess=_known(reading.severity) or (known.severity_guess if known else Severity.UNKNOWN),
        preliminary_guidance=reading.guidance or (known.preliminary_guidance if known else ""),
        created_at=known.created_at if known else at,
    )


def verify_reading(problem: ProblemVerification, reading: ProblemReading) -> ProblemVerification:
    """``problem`` with what ``reading`` adds. Lists grow; what is known is not replaced by "unknown".

    Raises:
        InvalidInput: the problem would have started after it was noticed, or a list grows too long.
    """
    noticed = problem.noticed_at or problem.resolved_naturally_at
    if reading.started_at and noticed and reading.started_at > noticed:
        raise InvalidInput("the problem cannot have started after it was noticed")
    return problem.replace(
        severity=_known(reading.severity) or problem.severity,
        urgency_level=_known(reading.urgency_level) or problem.urgency_level,
        temporal_state=reading.temporal_state or problem.temporal_state,
        symptom_indicators=_union("symptom indicators", problem.symptom_indicators, reading.symptom_indicators),
        affected_services=_union("affected services", problem.affected_services, reading.affected_services),
        affected_users=reading.affected_users or problem.affected_users,
        user_impact=reading.user_impact or problem.user_impact,
        started_at=reading.started_at or problem.started_at,
    )


def choose_path(problem: ProblemVerification | None, path: InvestigationPath, at: datetime, by: str) -> PathSelection:
    """The path that the user ``by`` has chosen.

    Raises:
        InvalidInput: ``path`` is not one of the two that can be followed.
    """
    if path not in _OTHER_PATH:
        raise InvalidInput(f"a path is chosen from: {', '.join(_OTHER_PATH)}")
    return PathSelection(
        path=path,
        auto_selected=False,
        rationale="chosen by the user",
        alternate_path=_OTHER_PATH[path],
        selected_at=at,
        selected_by=by,
        temporal_state=problem.temporal_state if problem else None,
        urgency_level=problem.urgency_level if problem else None,
    )


def update_path(current: PathSelection | None, problem: ProblemVerification, at: datetime) -> PathSelection | None:
    """The path after a new reading: a choice of the user stands, any other follows urgency and temporal state."""
    if current and not current.auto_selected and current.path is not InvestigationPath.USER_CHOICE:
        return current
    selected = select_path(problem.temporal_state, problem.urgency_level, at)
    if selected is None or (current and _inputs(current) == _inputs(selected)):
        return current
    return selected


def select_strategy(problem: ProblemVerification | None) -> InvestigationStrategy | None:
    """Speed for what is urgent or severe, thoroughness for what is over or older than a day, else speed.

    None while nothing of this is known.
    """
    if problem is None:
        return None
    if problem.urgency_level in _URGENT or problem.severity in _SEVERE:
        return InvestigationStrategy.ACTIVE_INCIDENT
    age = problem.time_to_detection
    if problem.temporal_state is TemporalState.HISTORICAL or (age and age > OLD_PROBLEM):
        return InvestigationStrategy.POST_MORTEM
    known = problem.temporal_state or _known(problem.urgency_level) or _known(problem.severity)
    return InvestigationStrategy.ACTIVE_INCIDENT if known else None


def _known(level: _Level | None) -> _Level | None:
    return level if level is not None and level != "unknown" else None


def _inputs(selection: PathSelection) -> tuple[TemporalState | None, UrgencyLevel | None]:
    return selection.temporal_state, selection.urgency_level


def _union(what: str, known: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    merged = tuple(dict.fromkeys((*known, *(entry for entry in new if entry.strip()))))
    if len(merged) > max(MAX_LISTED, len(known)):
        raise InvalidInput(f"a problem lists at most {MAX_LISTED} {what}")
    return merged
