"""What the investigation holds to be true so far: the working conclusion and the root cause."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from domain.evidence import EvidenceId, HypothesisId
from domain.values import Fraction, Instant, Label255, Label1000, Text500, Text2000, Value


class ConfidenceLevel(StrEnum):
    """A confidence in words: below 0.5, below 0.7, below 0.9, and from 0.9."""

    SPECULATION = "speculation"
    PROBABLE = "probable"
    CONFIDENT = "confident"
    VERIFIED = "verified"

    @classmethod
    def of(cls, score: float) -> ConfidenceLevel:
        """The level of a confidence ``score`` from 0 to 1."""
        if score < 0.5:
            return cls.SPECULATION
        if score < 0.7:
            return cls.PROBABLE
        return cls.CONFIDENT if score < 0.9 else cls.VERIFIED


class WorkingConclusion(Value):
    """The best explanation at the end of a turn, with its caveats."""

    statement: Label1000
    confidence: Fraction
    reasoning: Text2000
    hypothesis_id: HypothesisId | None = None
    supporting_evidence_ids: tuple[EvidenceId, ...] = ()
    alternatives: tuple[HypothesisId, ...] = ()
    caveats: tuple[Text500, ...] = ()
    can_proceed_with_solution: bool = False
    updated_at: Instant
    supersedes_conclusion_at: Instant | None = None

    @property
    def level(self) -> ConfidenceLevel:
        """The confidence in words."""
        return ConfidenceLevel.of(self.confidence)


class RootCauseConclusion(Value):
    """The root cause, how it works, and what it rests on."""

    root_cause: Label1000
    confidence_level: ConfidenceLevel
    confidence_score: Fraction
    mechanism: Text2000
    evidence_basis: tuple[EvidenceId, ...] = ()
    validated_hypothesis_id: HypothesisId | None = None
    contributing_factors: tuple[Text500, ...] = ()
    determined_at: Instant
    determined_by: Label255

    @model_validator(mode="after")
    def _level_matches_the_score(self) -> Self:
        if self.confidence_level is not ConfidenceLevel.of(self.confidence_score):
            raise ValueError("the confidence level does not match the score")
        return self
