"""The two ways through an investigation, and the rule that chooses between them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.problem import TemporalState, UrgencyLevel
from domain.values import Instant, Label255, Text500, Value


class InvestigationPath(StrEnum):
    """Mitigate first and find the cause afterwards, find the cause first, or let the user choose."""

    MITIGATION_FIRST = "mitigation_first"
    ROOT_CAUSE = "root_cause"
    USER_CHOICE = "user_choice"


class InvestigationStrategy(StrEnum):
    """Speed with sufficient evidence, or thoroughness with strong evidence."""

    ACTIVE_INCIDENT = "active_incident"
    POST_MORTEM = "post_mortem"


class PathSelection(Value):
    """The chosen path, by which rule or person, and the inputs of the choice."""

    path: InvestigationPath
    auto_selected: bool
    rationale: Text500
    alternate_path: InvestigationPath | None = None
    selected_at: Instant
    selected_by: Label255
    temporal_state: TemporalState | None = None
    urgency_level: UrgencyLevel | None = None


_URGENT = (UrgencyLevel.CRITICAL, UrgencyLevel.HIGH)


def select_path(
    temporal_state: TemporalState | None, urgency_level: UrgencyLevel, at: datetime
) -> PathSelection | None:
    """The path for a verified problem; None while its urgency or its temporal state is unknown.

    Ongoing and urgent problems are mitigated first. Where either way is sensible (ongoing and of medium urgency, or
    past but urgent), the choice is left to the user and has no alternate.
    """
    if temporal_state is None or urgency_level is UrgencyLevel.UNKNOWN:
        return None
    if temporal_state is TemporalState.ONGOING:
        if urgency_level in _URGENT:
            path, alternate = InvestigationPath.MITIGATION_FIRST, InvestigationPath.ROOT_CAUSE
        elif urgency_level is UrgencyLevel.MEDIUM:
            path, alternate = InvestigationPath.USER_CHOICE, None
        else:
            path, alternate = InvestigationPath.ROOT_CAUSE, InvestigationPath.MITIGATION_FIRST
    elif urgency_level in _URGENT:
        path, alternate = InvestigationPath.USER_CHOICE, None
    else:
        path, alternate = InvestigationPath.ROOT_CAUSE, InvestigationPath.MITIGATION_FIRST
    return PathSelection(
        path=path,
        auto_selected=path is not InvestigationPath.USER_CHOICE,
        rationale=f"the problem is {temporal_state} and its urgency is {urgency_level}",
        alternate_path=alternate,
        selected_at=at,
        selected_by="system",
        temporal_state=temporal_state,
        urgency_level=urgency_level,
    )
