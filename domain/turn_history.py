"""The record of each turn: one user message and one reply, and what came of it."""

from __future__ import annotations

from enum import StrEnum

from domain.evidence import EvidenceId, HypothesisId
from domain.milestones import Milestone
from domain.solution import SolutionId
from domain.values import Count, Fraction, Instant, Text500, Value


class TurnOutcome(StrEnum):
    """What a turn amounted to; for analytics, never for control flow."""

    CASE_RESOLVED = "case_resolved"
    MILESTONE_COMPLETED = "milestone_completed"
    HYPOTHESIS_TESTED = "hypothesis_tested"
    DATA_PROVIDED = "data_provided"
    DATA_NOT_PROVIDED = "data_not_provided"
    DATA_REQUESTED = "data_requested"
    CONVERSATION = "conversation"
    OTHER = "other"


class TurnProgress(Value):
    """What one turn added to the case."""

    turn_number: Count
    timestamp: Instant
    milestones_completed: tuple[Milestone, ...] = ()
    evidence_added: tuple[EvidenceId, ...] = ()
    hypotheses_generated: tuple[HypothesisId, ...] = ()
    hypotheses_validated: tuple[HypothesisId, ...] = ()
    solutions_proposed: tuple[SolutionId, ...] = ()
    progress_made: bool
    actions_taken: tuple[Text500, ...] = ()
    outcome: TurnOutcome
    working_confidence: Fraction | None = None
    """Confidence of the working conclusion after the turn, for the momentum of the investigation."""
    user_message_summary: Text500 | None = None
    agent_response_summary: Text500 | None = None

    @property
    def advancement_count(self) -> int:
        """Milestones, evidence, validated hypotheses and solutions that the turn added."""
        return sum(
            map(
                len,
                (self.milestones_completed, self.evidence_added, self.hypotheses_validated, self.solutions_proposed),
            )
        )
