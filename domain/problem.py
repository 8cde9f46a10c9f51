"""What the problem is: the first reading while consulting, and the verified statement while investigating."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.values import (
    NO_ATTRIBUTES,
    Attributes,
    Count,
    Fraction,
    Instant,
    Label500,
    Label1000,
    Text200,
    Text500,
    Text1000,
    Text2000,
    Value,
)


class UrgencyLevel(StrEnum):
    """How pressing the problem is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """How bad the problem is for those affected."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"


class TemporalState(StrEnum):
    """Whether the problem is still there."""

    ONGOING = "ongoing"
    HISTORICAL = "historical"


class ProblemType(StrEnum):
    """The kind of trouble."""

    ERROR = "error"
    SLOWNESS = "slowness"
    UNAVAILABILITY = "unavailability"
    DATA_ISSUE = "data_issue"
    OTHER = "other"


class ProblemConfirmation(Value):
    """The first reading of the problem, made while consulting."""

    problem_type: ProblemType
    severity_guess: Severity
    preliminary_guidance: Text2000
    created_at: Instant


class ConsultingData(Value):
    """What is agreed before an investigation starts. A confirmed statement does not change any more."""

    problem_confirmation: ProblemConfirmation | None = None
    proposed_problem_statement: Text1000 | None = None
    problem_statement_confirmed_at: Instant | None = None
    decided_to_investigate_at: Instant | None = None
    quick_suggestions: tuple[Text500, ...] = ()
    consultation_turns: Count = 0

    @model_validator(mode="after")
    def _confirmation_has_a_statement(self) -> Self:
        if self.problem_statement_confirmed and not (self.proposed_problem_statement or "").strip():
            raise ValueError("a problem statement must be proposed before it is confirmed")
        return self

    @property
    def problem_statement_confirmed(self) -> bool:
        """True once the user has agreed to the statement."""
        return self.problem_statement_confirmed_at is not None

    @property
    def decided_to_investigate(self) -> bool:
        """True once the user has asked for an investigation."""
        return self.decided_to_investigate_at is not None


class ChangeType(StrEnum):
    """The kind of a recent change."""

    DEPLOYMENT = "deployment"
    CONFIG = "config"
    SCALING = "scaling"
    CODE = "code"
    INFRASTRUCTURE = "infrastructure"
    DATA = "data"
    OTHER = "other"


class Change(Value):
    """Something that changed shortly before the symptom."""

    description: Label500
    occurred_at: Instant
    change_type: ChangeType
    changed_by: Text200 | None = None
    details: Attributes = NO_ATTRIBUTES


class CorrelationType(StrEnum):
    """How a change relates to the symptom."""

    TEMPORAL = "temporal"
    CAUSAL = "causal"
    COINCIDENTAL = "coincidental"
    OTHER = "other"


class Correlation(Value):
    """A suspected link between a change and the symptom."""

    change_description: Text500
    timing_description: Text200
    confidence: Fraction
    correlation_type: CorrelationType
    evidence: Text1000 | None = None


class ProblemVerification(Value):
    """The verified symptom: what, who, where, since when, and what changed."""

    symptom_statement: Label1000
    symptom_indicators: tuple[Text500, ...] = ()
    affected_services: tuple[Text200, ...] = ()
    affected_users: Text200 | None = None
    affected_regions: tuple[Text200, ...] = ()
    severity: Severity = Severity.UNKNOWN
    user_impact: Text1000 | None = None
    started_at: Instant | None = None
    noticed_at: Instant | None = None
    resolved_naturally_at: Instant | None = None
    duration: timedelta | None = None
    temporal_state: TemporalState | None = None
    recent_changes: tuple[Change, ...] = ()
    correlations: Annotated[tuple[Correlation, ...], Field(max_length=10)] = ()
    correlation_confidence: Fraction = 0.0
    urgency_level: UrgencyLevel = UrgencyLevel.UNKNOWN
    urgency_factors: tuple[Text500, ...] = ()
    verified_at: Instant | None = None
    verification_confidence: Fraction = 0.0

    @model_validator(mode="after")
    def _times_are_in_order(self) -> Self:
        order = (("started", self.started_at), ("noticed", self.noticed_at), ("resolved", self.resolved_naturally_at))
        known = [(name, at) for name, at in order if at is not None]
        for (earlier, first), (later, second) in pairwise(known):
            if first > second:
                raise ValueError(f"the problem cannot be {later} before it is {earlier}")
        return self

    @property
    def is_complete(self) -> bool:
        """True when severity, temporal state and urgency are all known."""
        return (
            self.severity is not Severity.UNKNOWN
            and self.temporal_state is not None
            and self.urgency_level is not UrgencyLevel.UNKNOWN
        )

    @property
    def time_to_detection(self) -> timedelta | None:
        """From the start of the problem until somebody noticed it."""
        return self.noticed_at - self.started_at if self.noticed_at and self.started_at else None
