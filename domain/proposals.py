"""What a language model proposes and what the user decides in a turn: typed, and checked before it counts.

A hypothesis or solution that is proposed in the same turn is referred to by its ``ref``, a name chosen by the
proposer; one that the case already holds by its id.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from domain.episodes import DegradedChoice
from domain.evidence import EvidenceId, HypothesisId
from domain.hypothesis import EvidenceStance, GenerationMode, HypothesisCategory
from domain.milestones import Milestone, RootCauseMethod
from domain.path import InvestigationPath
from domain.problem import ProblemType, Severity, TemporalState, UrgencyLevel
from domain.solution import SolutionId, SolutionType
from domain.status import ClosureReason
from domain.values import (
    Fraction,
    Instant,
    Label50,
    Label200,
    Label500,
    Label1000,
    Text50,
    Text200,
    Text500,
    Text1000,
    Text2000,
    Value,
)


class MilestoneClaim(Value):
    """The claim that a milestone is reached, with the evidence that shows it."""

    milestone: Milestone
    evidence_ids: tuple[EvidenceId, ...] = ()


class RootCauseClaim(Value):
    """The claim that the root cause is known."""

    root_cause: Label1000
    mechanism: Text2000
    method: RootCauseMethod
    confidence: Fraction
    hypothesis: Label50 | None = None
    evidence_ids: tuple[EvidenceId, ...] = ()
    contributing_factors: tuple[Text500, ...] = ()


class HypothesisProposal(Value):
    """A possible cause."""

    ref: Label50
    statement: Label500
    category: HypothesisCategory
    initial_likelihood: Fraction = 0.5
    generation_mode: GenerationMode = GenerationMode.SYSTEMATIC
    rationale: Text1000


class StanceProposal(Value):
    """A judgement of evidence against a hypothesis."""

    hypothesis: Label50
    evidence_id: EvidenceId
    stance: EvidenceStance
    reasoning: Text1000
    completeness: Fraction = 1.0


class HypothesisRetirement(Value):
    """The proposal to give a hypothesis up."""

    hypothesis_id: HypothesisId
    reason: Label500


class SolutionProposal(Value):
    """A remedy."""

    ref: Label50
    solution_type: SolutionType
    title: Label200
    is_mitigation: bool = False
    hypothesis: Label50 | None = None
    immediate_action: Text2000 | None = None
    longterm_fix: Text2000 | None = None
    implementation_steps: tuple[Text1000, ...] = ()
    commands: tuple[Text1000, ...] = ()
    risks: tuple[Text500, ...] = ()


class EvidenceRequest(Value):
    """A wish for evidence, for a milestone or to test a hypothesis."""

    description: Label500
    milestone: Milestone | None = None
    hypothesis: Label50 | None = None
    critical: bool = False
    command: Text1000 | None = None
    data_type: Text50 | None = None


class ProblemReading(Value):
    """What is understood of the problem; a field that is None leaves the case as it is."""

    problem_type: ProblemType | None = None
    severity: Severity | None = None
    urgency_level: UrgencyLevel | None = None
    temporal_state: TemporalState | None = None
    guidance: Text2000 | None = None
    symptom_indicators: tuple[Text500, ...] = ()
    affected_services: tuple[Text200, ...] = ()
    affected_users: Text200 | None = None
    user_impact: Text1000 | None = None
    started_at: Instant | None = None


class ModelUpdates(Value):
    """Everything that a model proposes in one turn. Nothing of it counts before the domain has accepted it."""

    problem_statement: Text1000 | None = None
    problem_reading: ProblemReading | None = None
    milestones: tuple[MilestoneClaim, ...] = ()
    hypotheses: tuple[HypothesisProposal, ...] = ()
    stances: tuple[StanceProposal, ...] = ()
    retirements: tuple[HypothesisRetirement, ...] = ()
    root_cause: RootCauseClaim | None = None
    solutions: tuple[SolutionProposal, ...] = ()
    evidence_requests: tuple[EvidenceRequest, ...] = ()


class DecisionKind(StrEnum):
    """What a user can decide. Decisions come from buttons and typed fields, never from the words of a message."""

    CONFIRM_STATEMENT = "confirm_statement"
    REJECT_STATEMENT = "reject_statement"
    START_INVESTIGATION = "start_investigation"
    CHOOSE_PATH = "choose_path"
    APPLY_SOLUTION = "apply_solution"
    VERIFY_SOLUTION = "verify_solution"
    SOLUTION_FAILED = "solution_failed"
    EVIDENCE_UNAVAILABLE = "evidence_unavailable"
    RETRACT_MILESTONE = "retract_milestone"
    DEGRADED_CHOICE = "degraded_choice"
    ESCALATE = "escalate"
    RESOLVE = "resolve"
    CLOSE = "close"


class UserDecision(Value):
    """One explicit decision; which of the other fields it needs depends on its kind."""

    kind: DecisionKind
    statement: Label1000 | None = None
    """The user's own wording, where a problem statement is confirmed."""
    path: InvestigationPath | None = None
    solution_id: SolutionId | None = None
    effectiveness: Fraction | None = None
    verification_method: Text500 | None = None
    need_id: Text50 | None = None
    milestone: Milestone | None = None
    degraded_choice: DegradedChoice | None = None
    closure_reason: ClosureReason | None = None
    reason: Text500 | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        needed = {
            DecisionKind.CHOOSE_PATH: ("path",),
            DecisionKind.APPLY_SOLUTION: ("solution_id",),
            DecisionKind.VERIFY_SOLUTION: ("solution_id",),
            DecisionKind.SOLUTION_FAILED: ("solution_id",),
            DecisionKind.EVIDENCE_UNAVAILABLE: ("need_id",),
            DecisionKind.RETRACT_MILESTONE: ("milestone", "reason"),
            DecisionKind.DEGRADED_CHOICE: ("degraded_choice",),
            DecisionKind.ESCALATE: ("reason",),
        }.get(self.kind, ())
        if missing := [name for name in needed if getattr(self, name) is None]:
            raise ValueError(f"the decision {self.kind} needs: {', '.join(missing)}")
        return self
