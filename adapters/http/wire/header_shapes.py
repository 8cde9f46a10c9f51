"""The shapes of the header of an opened case."""

from __future__ import annotations

from datetime import datetime

from adapters.http.wire.base import Answer


class ProblemGuess(Answer):
    """The first reading of the problem."""

    severity_guess: str


class Inquiry(Answer):
    """What is agreed before the investigation."""

    proposed_problem_statement: str | None
    problem_statement_confirmed: bool
    decided_to_investigate: bool
    inquiry_turns: int
    problem_confirmation: ProblemGuess | None


class Progress(Answer):
    """How far the investigation is."""

    current_stage: str
    completed_indicators: list[str]
    completed_stage_gates: list[str]
    total_evidence: int
    active_hypotheses: int
    turns_without_progress: int


class Conclusion(Answer):
    """The best explanation so far."""

    summary: str
    confidence: float
    last_updated: datetime


class HypothesisRow(Answer):
    """A hypothesis under test."""

    hypothesis_id: str
    text: str
    likelihood: float
    state: str
    evidence_count: int


class EvidenceRow(Answer):
    """A piece of evidence; ``relevance_score`` is how fully it tests the hypotheses that it is linked to."""

    evidence_id: str
    type: str
    category: str
    summary: str
    timestamp: datetime
    relevance_score: float | None
    collected_at_turn: int
    source_filename: str | None


class NextAction(Answer):
    """Evidence that the investigation has asked for."""

    evidence_need_id: str
    description: str
    command: str | None
    critical: bool


class Verification(Answer):
    """The problem as it is verified."""

    symptom_statement: str
    severity: str
    urgency_level: str
    affected_services: list[str]
    temporal_state: str | None


class Transparency(Answer):
    """What holds the investigation up."""

    active: bool = True
    pending_milestone: str | None
    milestone_description: str
    repair_type: str | None = None


class RootCause(Answer):
    """The cause that was found."""

    root_cause_id: str
    description: str
    category: str
    severity: str | None
    cause_assurance: str
    cause_overclaim: bool = False


class AppliedSolution(Answer):
    """The remedy that was applied."""

    description: str
    applied_at: datetime | None
    applied_by: str | None


class VerificationStatus(Answer):
    """Whether the remedy helped."""

    verified: bool
    verification_method: str | None
    details: str | None


class Summary(Answer):
    """The case in numbers."""

    total_duration_minutes: int
    milestones_completed: int
    hypotheses_tested: int
    evidence_collected: int
    key_insights: list[str]


class ReportRow(Answer):
    """A report that can be had."""

    report_type: str
    status: str
    reason: str | None = None


class CaseHeader(Answer):
    """Everything above the conversation; which parts are filled depends on ``state``."""

    case_id: str
    title: str
    state: str
    created_at: datetime
    updated_at: datetime
    current_turn: int
    uploaded_files_count: int
    valid_next_states: list[str]
    disposition_eligibility: dict[str, str]
    inquiry: Inquiry | None = None
    agent_status: str | None = None
    progress: Progress | None = None
    problem_statement: str | None = None
    working_conclusion: Conclusion | None = None
    active_hypotheses: list[HypothesisRow] | None = None
    latest_evidence: list[EvidenceRow] | None = None
    next_actions: list[NextAction] | None = None
    problem_verification: Verification | None = None
    progress_transparency: Transparency | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    closure_reason: str | None = None
    root_cause: RootCause | None = None
    solution_applied: AppliedSolution | None = None
    verification_status: VerificationStatus | None = None
    resolution_summary: Summary | None = None
    reports_available: list[ReportRow] | None = None
