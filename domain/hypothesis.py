"""Hypotheses about the cause, and the evidence that speaks for or against each.

The arithmetic of likelihoods is in `domain.likelihood`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from domain.evidence import EvidenceId, HypothesisId
from domain.values import Count, Fraction, Instant, Label500, Text500, Text1000, Value


class HypothesisCategory(StrEnum):
    """Where the cause would lie."""

    CODE = "code"
    CONFIG = "config"
    ENVIRONMENT = "environment"
    NETWORK = "network"
    DATA = "data"
    HARDWARE = "hardware"
    EXTERNAL = "external"
    HUMAN = "human"
    OTHER = "other"


class HypothesisStatus(StrEnum):
    """Where the hypothesis stands. ``VALIDATED``, ``REFUTED`` and ``RETIRED`` are final for automatic rules."""

    CAPTURED = "captured"
    ACTIVE = "active"
    VALIDATED = "validated"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    RETIRED = "retired"


class GenerationMode(StrEnum):
    """Why the hypothesis was made."""

    OPPORTUNISTIC = "opportunistic"
    SYSTEMATIC = "systematic"
    FORCED_ALTERNATIVE = "forced_alternative"


class EvidenceStance(StrEnum):
    """What one piece of evidence says about one hypothesis. ``IRRELEVANT`` is never stored as a link."""

    STRONGLY_SUPPORTS = "strongly_supports"
    SUPPORTS = "supports"
    NEUTRAL = "neutral"
    CONTRADICTS = "contradicts"
    STRONGLY_CONTRADICTS = "strongly_contradicts"
    IRRELEVANT = "irrelevant"


SUPPORTING = (EvidenceStance.STRONGLY_SUPPORTS, EvidenceStance.SUPPORTS)
REFUTING = (EvidenceStance.STRONGLY_CONTRADICTS, EvidenceStance.CONTRADICTS)


class EvidenceLink(Value):
    """The judgement of one piece of evidence against one hypothesis."""

    evidence_id: EvidenceId
    stance: EvidenceStance
    reasoning: Text1000
    completeness: Fraction
    """How fully this evidence tests the hypothesis, 0 to 1."""
    analyzed_at: Instant

    @model_validator(mode="after")
    def _is_relevant(self) -> Self:
        if self.stance is EvidenceStance.IRRELEVANT:
            raise ValueError("irrelevant evidence is not linked")
        return self


class Hypothesis(Value):
    """A possible cause. ``likelihood`` follows from ``initial_likelihood``, the links and ``stale_turns`` alone."""

    hypothesis_id: HypothesisId
    statement: Label500
    category: HypothesisCategory
    status: HypothesisStatus = HypothesisStatus.CAPTURED
    initial_likelihood: Fraction = 0.5
    likelihood: Fraction = 0.5
    links: tuple[EvidenceLink, ...] = ()
    stale_turns: Count = 0
    """Consecutive turns, while active, in which the likelihood moved by less than 0.05."""
    generated_at_turn: Count
    generation_mode: GenerationMode
    rationale: Text1000
    tested_at: Instant | None = None
    concluded_at: Instant | None = None
    conclusion_reason: Text500 | None = None

    @model_validator(mode="after")
    def _stamps_match_the_status(self) -> Self:
        ids = [link.evidence_id for link in self.links]
        if len(set(ids)) != len(ids):
            raise ValueError("one piece of evidence is linked twice to one hypothesis")
        concluded = self.status not in (HypothesisStatus.CAPTURED, HypothesisStatus.ACTIVE)
        if concluded != (self.concluded_at is not None):
            raise ValueError("a hypothesis has a conclusion time exactly when it is neither captured nor active")
        if self.status is HypothesisStatus.ACTIVE and self.tested_at is None:
            raise ValueError("an active hypothesis has the time when its testing began")
        return self

    def link(self, evidence_id: str) -> EvidenceLink | None:
        """The judgement of this piece of evidence, if there is one."""
        return next((link for link in self.links if link.evidence_id == evidence_id), None)

    @property
    def supporting_evidence(self) -> tuple[str, ...]:
        """Ids of the evidence that speaks for it."""
        return tuple(link.evidence_id for link in self.links if link.stance in SUPPORTING)

    @property
    def refuting_evidence(self) -> tuple[str, ...]:
        """Ids of the evidence that speaks against it."""
        return tuple(link.evidence_id for link in self.links if link.stance in REFUTING)

    @property
    def evidence_score(self) -> float:
        """(supporting - refuting) / (supporting + refuting), -1 to 1; 0 without either."""
        supporting, refuting = len(self.supporting_evidence), len(self.refuting_evidence)
        return (supporting - refuting) / (supporting + refuting) if supporting + refuting else 0.0


class ForcedAlternatives(Value):
    """The demand for hypotheses of other kinds, after the investigation has clung to one for too long."""

    excluded_category: HypothesisCategory
    minimum: Count
    """How many hypotheses of other categories meet the demand."""
    demanded_at_turn: Count
    reasons: tuple[Text500, ...]
