"""Episodes in which an investigation is in trouble: degraded, or escalated. Each case keeps all of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from domain.values import Instant, Label255, Text200, Text500, Text1000, Text2000, Text5000, Value


class DegradedModeType(StrEnum):
    """Why the investigation does not get on."""

    NO_PROGRESS = "no_progress"
    LIMITED_DATA = "limited_data"
    HYPOTHESIS_DEADLOCK = "hypothesis_deadlock"
    EXTERNAL_DEPENDENCY = "external_dependency"
    OTHER = "other"


class DegradedChoice(StrEnum):
    """What the user decided when told of it."""

    ACCEPT_FALLBACK = "accept_fallback"
    PROVIDE_MORE_DATA = "provide_more_data"
    ESCALATE = "escalate"
    ABANDON = "abandon"


class DegradedEpisode(Value):
    """A stretch of the investigation without progress."""

    mode_type: DegradedModeType
    entered_at: Instant
    reason: Text1000
    attempted_actions: tuple[Text500, ...] = ()
    fallback_offered: Text1000 | None = None
    user_choice: DegradedChoice | None = None
    exited_at: Instant | None = None
    exit_reason: Text500 | None = None

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if self.exited_at and self.exited_at < self.entered_at:
            raise ValueError("a degraded episode cannot end before it began")
        return self

    @property
    def is_active(self) -> bool:
        """True until it ended."""
        return self.exited_at is None


class EscalationType(StrEnum):
    """Why help was called."""

    EXPERTISE_REQUIRED = "expertise_required"
    PERMISSIONS_REQUIRED = "permissions_required"
    NO_PROGRESS = "no_progress"
    USER_REQUEST = "user_request"
    CRITICAL_SEVERITY = "critical_severity"
    OTHER = "other"


class Escalation(Value):
    """A call for help, with what the helper needs to know."""

    escalation_type: EscalationType
    reason: Text1000
    escalated_to: Text200 | None = None
    escalated_at: Instant
    escalated_by: Label255
    context_summary: Text5000
    key_findings: tuple[Text500, ...] = ()
    resolution: Text2000 | None = None
    resolved_at: Instant | None = None

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if self.resolved_at and self.resolved_at < self.escalated_at:
            raise ValueError("an escalation cannot be resolved before it was raised")
        return self

    @property
    def is_active(self) -> bool:
        """True until it was resolved."""
        return self.resolved_at is None
