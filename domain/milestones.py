"""The milestones of an investigation and the record of how each was earned.

Milestones are opportunistic: several may be earned in one turn, in any order, except that a solution is proposed,
then applied, then verified. They are one-way; a wrong one is taken back by an explicit retraction with a reason.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from domain.values import Count, Fraction, Instant, Label255, Label500, Value


class Milestone(StrEnum):
    """What an investigation has to establish. All but ``MITIGATION_APPLIED`` count towards completion."""

    SYMPTOM_VERIFIED = "symptom_verified"
    SCOPE_ASSESSED = "scope_assessed"
    TIMELINE_ESTABLISHED = "timeline_established"
    CHANGES_IDENTIFIED = "changes_identified"
    ROOT_CAUSE_IDENTIFIED = "root_cause_identified"
    SOLUTION_PROPOSED = "solution_proposed"
    SOLUTION_APPLIED = "solution_applied"
    SOLUTION_VERIFIED = "solution_verified"
    MITIGATION_APPLIED = "mitigation_applied"


VERIFICATION = (
    Milestone.SYMPTOM_VERIFIED,
    Milestone.SCOPE_ASSESSED,
    Milestone.TIMELINE_ESTABLISHED,
    Milestone.CHANGES_IDENTIFIED,
)
COUNTED = (
    *VERIFICATION,
    Milestone.ROOT_CAUSE_IDENTIFIED,
    Milestone.SOLUTION_PROPOSED,
    Milestone.SOLUTION_APPLIED,
    Milestone.SOLUTION_VERIFIED,
)


class RootCauseMethod(StrEnum):
    """How the root cause was found."""

    DIRECT_ANALYSIS = "direct_analysis"
    HYPOTHESIS_VALIDATION = "hypothesis_validation"
    CORRELATION = "correlation"
    OTHER = "other"


class MilestoneRecord(Value):
    """A milestone and what earned it."""

    milestone: Milestone
    completed_at: Instant
    completed_at_turn: Count
    completed_by: Label255
    evidence_ids: tuple[Annotated[str, StringConstraints(pattern=r"^ev_[0-9a-f]{12}$")], ...] = ()


class MilestoneRetraction(Value):
    """A milestone that was earned and then proved wrong."""

    milestone: Milestone
    retracted_at: Instant
    retracted_by: Label255
    reason: Label500


class InvestigationProgress(Value):
    """Which milestones stand now, each with its evidence, and which were taken back."""

    completed: tuple[MilestoneRecord, ...] = ()
    retracted: tuple[MilestoneRetraction, ...] = ()
    root_cause_confidence: Fraction = 0.0
    root_cause_method: RootCauseMethod | None = None

    @model_validator(mode="after")
    def _milestones_are_consistent(self) -> Self:
        names = [record.milestone for record in self.completed]
        if len(set(names)) != len(names):
            raise ValueError("a milestone is recorded twice")
        if self.has(Milestone.ROOT_CAUSE_IDENTIFIED) and not (
            self.root_cause_confidence > 0 and self.root_cause_method
        ):
            raise ValueError("an identified root cause needs a confidence above 0 and a method")
        if self.has(Milestone.SOLUTION_APPLIED) and not self.has(Milestone.SOLUTION_PROPOSED):
            raise ValueError("a solution is proposed before it is applied")
        if self.has(Milestone.SOLUTION_VERIFIED) and not self.has(Milestone.SOLUTION_APPLIED):
            raise ValueError("a solution is applied before it is verified")
        return self

    def record(self, milestone: Milestone) -> MilestoneRecord | None:
        """How ``milestone`` was earned; None while it is pending."""
        return next((record for record in self.completed if record.milestone is milestone), None)

    def has(self, milestone: Milestone) -> bool:
        """True if ``milestone`` stands."""
        return self.record(milestone) is not None

    @property
    def completed_milestones(self) -> tuple[Milestone, ...]:
        """The counted milestones that stand, in the order of an investigation."""
        return tuple(milestone for milestone in COUNTED if self.has(milestone))

    @property
    def pending_milestones(self) -> tuple[Milestone, ...]:
        """The counted milestones that do not stand yet, in the order of an investigation."""
        return tuple(milestone for milestone in COUNTED if not self.has(milestone))

    @property
    def completion(self) -> float:
        """The share of the eight counted milestones that stand, 0 to 1."""
        return len(self.completed_milestones) / len(COUNTED)

    @property
    def verification_completed_at(self) -> datetime | None:
        """When the last of the four verification milestones was earned; None until all four stand."""
        records = [self.record(milestone) for milestone in VERIFICATION]
        stamps = [record.completed_at for record in records if record]
        return max(stamps) if len(stamps) == len(VERIFICATION) else None

    @property
    def investigation_completed_at(self) -> datetime | None:
        """When the root cause was identified."""
        record = self.record(Milestone.ROOT_CAUSE_IDENTIFIED)
        return record.completed_at if record else None

    @property
    def resolution_completed_at(self) -> datetime | None:
        """When the solution was verified."""
        record = self.record(Milestone.SOLUTION_VERIFIED)
        return record.completed_at if record else None
