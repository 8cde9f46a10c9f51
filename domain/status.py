"""The status of a case, its legal transitions and the reasons for closing."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from domain.values import Instant, Label255, Text500, Value


class CaseStatus(StrEnum):
    """``RESOLVED`` and ``CLOSED`` are final."""

    CONSULTING = "consulting"
    INVESTIGATING = "investigating"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def is_terminal(self) -> bool:
        """True for a status that nothing leaves."""
        return self in (CaseStatus.RESOLVED, CaseStatus.CLOSED)


class ClosureReason(StrEnum):
    """Why a case ended."""

    RESOLVED = "resolved"
    ABANDONED = "abandoned"
    ESCALATED = "escalated"
    CONSULTING_ONLY = "consulting_only"
    DUPLICATE = "duplicate"
    OTHER = "other"


CLOSURE_REASONS: dict[tuple[CaseStatus, CaseStatus], tuple[ClosureReason, ...]] = {
    (CaseStatus.CONSULTING, CaseStatus.INVESTIGATING): (),
    (CaseStatus.CONSULTING, CaseStatus.CLOSED): (
        ClosureReason.CONSULTING_ONLY,
        ClosureReason.DUPLICATE,
        ClosureReason.ABANDONED,
        ClosureReason.OTHER,
    ),
    (CaseStatus.INVESTIGATING, CaseStatus.CLOSED): (
        ClosureReason.ABANDONED,
        ClosureReason.ESCALATED,
        ClosureReason.DUPLICATE,
        ClosureReason.OTHER,
    ),
    (CaseStatus.INVESTIGATING, CaseStatus.RESOLVED): (ClosureReason.RESOLVED,),
}
"""The legal transitions, each with the closure reasons that it accepts."""


class CaseStatusTransition(Value):
    """One entry of a case's audit trail."""

    from_status: CaseStatus
    to_status: CaseStatus
    triggered_at: Instant
    triggered_by: Label255
    reason: Text500

    @model_validator(mode="after")
    def _is_legal(self) -> Self:
        if (self.from_status, self.to_status) not in CLOSURE_REASONS:
            raise ValueError(f"a case that is {self.from_status} cannot become {self.to_status}")
        return self
