"""Solutions: proposed, applied, verified."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from domain.evidence import EvidenceId, HypothesisId
from domain.values import Fraction, Instant, Label200, Label255, Text500, Text1000, Text2000, Value

SolutionId = Annotated[str, StringConstraints(pattern=r"^sol_[0-9a-f]{12}$")]


FAILED_BELOW = 0.5
"""A solution with a smaller effectiveness has failed."""


class SolutionType(StrEnum):
    """The kind of remedy."""

    ROLLBACK = "rollback"
    CONFIG_CHANGE = "config_change"
    RESTART = "restart"
    SCALING = "scaling"
    CODE_FIX = "code_fix"
    WORKAROUND = "workaround"
    INFRASTRUCTURE = "infrastructure"
    DATA_FIX = "data_fix"
    OTHER = "other"


class Solution(Value):
    """A remedy. ``is_mitigation`` marks quick relief, as opposed to the permanent fix."""

    solution_id: SolutionId
    solution_type: SolutionType
    title: Label200
    is_mitigation: bool = False
    hypothesis_id: HypothesisId | None = None
    immediate_action: Text2000 | None = None
    longterm_fix: Text2000 | None = None
    implementation_steps: tuple[Text1000, ...] = ()
    commands: tuple[Text1000, ...] = ()
    risks: tuple[Text500, ...] = ()
    proposed_at: Instant
    proposed_by: Label255
    applied_at: Instant | None = None
    applied_by: Label255 | None = None
    verified_at: Instant | None = None
    verification_method: Text500 | None = None
    verification_evidence_id: EvidenceId | None = None
    effectiveness: Fraction | None = None
    """0 failed, 1 perfect; set exactly when the solution was verified."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not (self.immediate_action or self.longterm_fix or self.implementation_steps or self.commands):
            raise ValueError("a solution says what to do: an action, a fix, steps or commands")
        if (self.verified_at is None) != (self.effectiveness is None):
            raise ValueError("a verified solution has an effectiveness, and only a verified one")
        if (self.applied_at is None) != (self.applied_by is None):
            raise ValueError("an applied solution has the time and the person")
        if self.applied_at and self.applied_at < self.proposed_at:
            raise ValueError("a solution is proposed before it is applied")
        if self.verified_at and (self.applied_at is None or self.verified_at < self.applied_at):
            raise ValueError("a solution is applied before it is verified")
        return self

    @property
    def has_failed(self) -> bool:
        """True if it was applied and did not help."""
        return self.effectiveness is not None and self.effectiveness < FAILED_BELOW

    @property
    def has_worked(self) -> bool:
        """True if it was applied and seen to help."""
        return self.effectiveness is not None and not self.has_failed
