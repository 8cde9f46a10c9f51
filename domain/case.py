"""The Case: the aggregate root of a troubleshooting investigation.

A case is immutable. A command such as ``case.start_investigation(at, by)`` returns a new case in which every rule
holds, or raises a `DomainError` and changes nothing. How a turn advances an investigation is in `domain.turn`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from domain.conclusions import RootCauseConclusion, WorkingConclusion
from domain.documentation import DocumentationData
from domain.episodes import DegradedEpisode, Escalation
from domain.errors import BadClosureReason, IllegalTransition, InvalidInput, MissingPrerequisite, TerminalCase
from domain.evidence import Evidence, EvidenceNeed, UploadedFile
from domain.hypothesis import ForcedAlternatives, Hypothesis, HypothesisStatus
from domain.milestones import InvestigationProgress, Milestone
from domain.path import InvestigationStrategy, PathSelection
from domain.problem import ConsultingData, ProblemVerification, Severity
from domain.solution import Solution
from domain.stage import InvestigationStage, stage_of
from domain.status import CLOSURE_REASONS, CaseStatus, CaseStatusTransition, ClosureReason
from domain.turn_history import TurnProgress
from domain.values import Count, Instant, Label50, Label200, Label255, Text2000, Value

STUCK_AFTER_TURNS = 3

CaseId = Annotated[str, StringConstraints(pattern=r"^case_[0-9a-f]{12}$")]


class CasePriority(StrEnum):
    """How the reporter ranks the case."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Case(Value):
    """One troubleshooting case with everything that is known about it, except its messages."""

    case_id: CaseId
    version: Count = 0
    """Number of saves; each save checks it and adds 1."""
    user_id: Label255
    organization_id: Label255
    opened_in_session: Label255 | None = None
    follows_case_id: CaseId | None = None
    """The finished case that this one takes up again."""
    source: Label50 = "api"
    priority: CasePriority | None = None
    title: Label200
    description: Text2000 = ""

    status: CaseStatus = CaseStatus.CONSULTING
    status_history: tuple[CaseStatusTransition, ...] = ()
    closure_reason: ClosureReason | None = None

    message_count: Count = 0
    current_turn: Count = 0
    turns_without_progress: Count = 0
    turn_history: tuple[TurnProgress, ...] = ()

    consulting: ConsultingData = ConsultingData()
    problem_verification: ProblemVerification | None = None
    path_selection: PathSelection | None = None
    investigation_strategy: InvestigationStrategy = InvestigationStrategy.POST_MORTEM
    progress: InvestigationProgress = InvestigationProgress()
    uploaded_files: tuple[UploadedFile, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    evidence_needs: tuple[EvidenceNeed, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    forced_alternatives: ForcedAlternatives | None = None
    """The demand for other kinds of hypotheses, as long as it is not met."""
    solutions: tuple[Solution, ...] = ()
    working_conclusion: WorkingConclusion | None = None
    root_cause_conclusion: RootCauseConclusion | None = None
    degraded_episodes: tuple[DegradedEpisode, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    documentation: DocumentationData = DocumentationData()

    created_at: Instant
    updated_at: Instant
    last_activity_at: Instant
    resolved_at: Instant | None = None
    closed_at: Instant | None = None

    # ---------------------------------------------------------------- invariants

    @model_validator(mode="after")
    def _status_is_consistent(self) -> Self:
        if self.status.is_terminal != (self.closed_at is not None and self.closure_reason is not None):
            raise ValueError("a finished case has a closing time and a reason")
        if not self.status.is_terminal and (self.closed_at or self.closure_reason):
            raise ValueError("an open case has neither a closing time nor a closure reason")
        if (self.status is CaseStatus.RESOLVED) != (self.resolved_at is not None):
            raise ValueError("a case has a resolution time exactly when it is resolved")
        if (self.status is CaseStatus.RESOLVED) != (self.closure_reason is ClosureReason.RESOLVED):
            raise ValueError("the closure reason 'resolved' belongs to resolved cases and to no others")
        if self.status is CaseStatus.RESOLVED and not self.progress.has(Milestone.SOLUTION_VERIFIED):
            raise ValueError("a resolved case has a verified solution")
        if self.status is CaseStatus.INVESTIGATING and not (
            self.description.strip()
            and self.consulting.problem_statement_confirmed
            and self.consulting.decided_to_investigate
        ):
            raise ValueError("an investigation rests on a confirmed problem statement and the decision to investigate")
        return self

    @model_validator(mode="after")
    def _history_is_consistent(self) -> Self:
        reached = CaseStatus.CONSULTING
        for entry in self.status_history:
            if entry.from_status is not reached:
                raise ValueError("the status history has a gap")
            reached = entry.to_status
        if reached is not self.status:
            raise ValueError("the status history does not lead to the status")
        if any(later.triggered_at < earlier.triggered_at for earlier, later in pairwise(self.status_history)):
            raise ValueError("the status history is not in chronological order")
        if any(later.turn_number != earlier.turn_number + 1 for earlier, later in pairwise(self.turn_history)):
            raise ValueError("the turn numbers are not consecutive")
        if self.current_turn != (self.turn_history[-1].turn_number if self.turn_history else 0):
            raise ValueError("the current turn is not the last one of the history")
        if self.turns_without_progress > self.current_turn:
            raise ValueError("there are more turns without progress than turns")
        return self

    @model_validator(mode="after")
    def _times_are_in_order(self) -> Self:
        later = (self.updated_at, self.last_activity_at, self.resolved_at, self.closed_at)
        if any(at is not None and at < self.created_at for at in later):
            raise ValueError("nothing can happen to a case before it was created")
        if self.resolved_at and self.closed_at and self.resolved_at > self.closed_at:
            raise ValueError("a case is resolved before it is closed")
        return self

    @model_validator(mode="after")
    def _references_resolve(self) -> Self:
        files = _unique("file", [file.file_id for file in self.uploaded_files])
        evidence = _unique("evidence", [item.evidence_id for item in self.evidence])
        hypotheses = _unique("hypothesis", [item.hypothesis_id for item in self.hypotheses])
        _unique("solution", [item.solution_id for item in self.solutions])
        needs = _unique("evidence need", [item.need_id for item in self.evidence_needs])
        if self.evidence and self.status is CaseStatus.CONSULTING:
            raise ValueError("evidence is collected from the investigation on")
        _known("file", files, (item.file_id for item in self.evidence))
        _known("evidence", evidence, (link.evidence_id for item in self.hypotheses for link in item.links))
        _known("evidence", evidence, (ref for record in self.progress.completed for ref in record.evidence_ids))
        _known("evidence", evidence, (item.verification_evidence_id for item in self.solutions))
        _known("evidence", evidence, (need.evidence_id for need in self.evidence_needs))
        _known("hypothesis", hypotheses, (item.hypothesis_id for item in self.solutions))
        _known("hypothesis", hypotheses, (item.hypothesis_id for item in self.evidence))
        _known("hypothesis", hypotheses, (need.hypothesis_id for need in self.evidence_needs))
        _known("evidence need", needs, (item.need_id for item in self.evidence))
        if self.root_cause_conclusion:
            _known("hypothesis", hypotheses, (self.root_cause_conclusion.validated_hypothesis_id,))
            _known("evidence", evidence, self.root_cause_conclusion.evidence_basis)
        if self.working_conclusion:
            _known("hypothesis", hypotheses, (self.working_conclusion.hypothesis_id,))
            _known("evidence", evidence, self.working_conclusion.supporting_evidence_ids)
        if sum(episode.is_active for episode in self.degraded_episodes) > 1:
            raise ValueError("one degraded episode ends before the next begins")
        return self

    # ---------------------------------------------------------------- commands

    @classmethod
    def open(
        cls,
        *,
        case_id: str,
        user_id: str,
        title: str,
        at: datetime,
        description: str = "",
        priority: CasePriority | None = None,
        source: str = "api",
        session_id: str | None = None,
        follows: Case | None = None,
    ) -> Case:
        """A new case in consultation. With ``follows``, one that takes up a finished case of the same owner.

        Raises:
            InvalidInput: ``follows`` is still open, or belongs to somebody else.
            pydantic.ValidationError: a value is malformed.
        """
        if follows and (not follows.status.is_terminal or follows.user_id != user_id):
            raise InvalidInput("only a finished case of the same owner can be followed up")
        return cls.model_validate(
            {
                "case_id": case_id,
                "user_id": user_id,
                "organization_id": user_id,
                "opened_in_session": session_id,
                "follows_case_id": follows.case_id if follows else None,
                "source": source,
                "priority": priority,
                "title": title,
                "description": description.strip(),
                "created_at": at,
                "updated_at": at,
                "last_activity_at": at,
            }
        )

    def rename(self, title: str, at: datetime) -> Case:
        """The case under another title; finished cases can be renamed too."""
        return self.touched(at, title=title)

    def start_investigation(self, at: datetime, by: str, reason: str = "the problem statement was confirmed") -> Case:
        """The case under investigation; its description becomes the confirmed problem statement.

        Raises:
            MissingPrerequisite: the statement is not confirmed, or nobody decided to investigate.
            IllegalTransition, TerminalCase: the case is not in consultation.
        """
        self._check_transition(CaseStatus.INVESTIGATING)
        missing = []
        if not self.consulting.problem_statement_confirmed:
            missing.append("a confirmed problem statement")
        if not self.consulting.decided_to_investigate:
            missing.append("the decision to investigate")
        if missing:
            raise MissingPrerequisite("An investigation", tuple(missing))
        statement = self.consulting.proposed_problem_statement or ""
        first_reading = self.consulting.problem_confirmation
        return self._transition(
            CaseStatus.INVESTIGATING,
            at,
            by,
            reason,
            description=statement.strip(),
            progress=InvestigationProgress(),
            problem_verification=ProblemVerification(
                symptom_statement=statement,
                noticed_at=self.created_at,
                severity=first_reading.severity_guess if first_reading else Severity.UNKNOWN,
            ),
        )

    def resolve(self, at: datetime, by: str, reason: str = "the solution was verified") -> Case:
        """The case as resolved.

        Raises:
            MissingPrerequisite: no solution has been verified.
            IllegalTransition, TerminalCase: the case is not under investigation.
        """
        self._check_transition(CaseStatus.RESOLVED)
        if not self.progress.has(Milestone.SOLUTION_VERIFIED):
            raise MissingPrerequisite("Resolving a case", ("a verified solution",))
        return self._transition(
            CaseStatus.RESOLVED,
            at,
            by,
            reason,
            resolved_at=at,
            closed_at=at,
            closure_reason=ClosureReason.RESOLVED,
        )

    def close(self, closure_reason: ClosureReason, at: datetime, by: str, reason: str = "closed by the user") -> Case:
        """The case as closed without a solution.

        Raises:
            BadClosureReason: the reason does not fit the status that the case has.
            IllegalTransition, TerminalCase: the case is already finished.
        """
        self._check_transition(CaseStatus.CLOSED)
        accepted = CLOSURE_REASONS[self.status, CaseStatus.CLOSED]
        if closure_reason not in accepted:
            raise BadClosureReason(closure_reason, tuple(accepted))
        return self._transition(CaseStatus.CLOSED, at, by, reason, closed_at=at, closure_reason=closure_reason)

    def touched(self, at: datetime, **changes: object) -> Case:
        """The case with some fields changed at the instant ``at``; its times never go backwards."""
        return self.replace(
            updated_at=max(at, self.updated_at), last_activity_at=max(at, self.last_activity_at), **changes
        )

    def require_open(self) -> None:
        """Raise `TerminalCase` if the case is finished."""
        if self.status.is_terminal:
            raise TerminalCase(self.status)

    def _check_transition(self, to: CaseStatus) -> None:
        self.require_open()
        if (self.status, to) not in CLOSURE_REASONS:
            raise IllegalTransition(self.status, to)

    def _transition(self, to: CaseStatus, at: datetime, by: str, reason: str, **changes: object) -> Case:
        if self.status_history and at < self.status_history[-1].triggered_at:
            raise InvalidInput("a transition cannot happen before the one that precedes it")
        entry = CaseStatusTransition(
            from_status=self.status, to_status=to, triggered_at=at, triggered_by=by, reason=reason
        )
        return self.touched(at, status=to, status_history=(*self.status_history, entry), **changes)

    # ---------------------------------------------------------------- derived

    @property
    def current_stage(self) -> InvestigationStage | None:
        """The stage of the investigation; None in any other status."""
        if self.status is not CaseStatus.INVESTIGATING:
            return None
        return stage_of(
            self.progress,
            self.path_selection.path if self.path_selection else None,
            has_permanent_fix=any(not solution.is_mitigation for solution in self.solutions),
            has_tested_hypothesis=any(hypothesis.links for hypothesis in self.active_hypotheses),
        )

    @property
    def is_stuck(self) -> bool:
        """True after three turns in a row without progress."""
        return self.turns_without_progress >= STUCK_AFTER_TURNS

    @property
    def time_to_resolution(self) -> timedelta | None:
        """From creation to the end of the case; None while it is open."""
        return self.closed_at - self.created_at if self.closed_at else None

    @property
    def active_hypotheses(self) -> tuple[Hypothesis, ...]:
        """The hypotheses under test."""
        return tuple(item for item in self.hypotheses if item.status is HypothesisStatus.ACTIVE)

    @property
    def validated_hypotheses(self) -> tuple[Hypothesis, ...]:
        """The hypotheses that the evidence has confirmed."""
        return tuple(item for item in self.hypotheses if item.status is HypothesisStatus.VALIDATED)

    @property
    def degraded_mode(self) -> DegradedEpisode | None:
        """The degraded episode that has not ended yet."""
        return next((episode for episode in self.degraded_episodes if episode.is_active), None)

    @property
    def escalation(self) -> Escalation | None:
        """The latest escalation that has not been resolved yet."""
        return next((item for item in reversed(self.escalations) if item.is_active), None)

    def file(self, file_id: str) -> UploadedFile | None:
        """The uploaded file with this id."""
        return next((item for item in self.uploaded_files if item.file_id == file_id), None)

    def evidence_item(self, evidence_id: str) -> Evidence | None:
        """The piece of evidence with this id."""
        return next((item for item in self.evidence if item.evidence_id == evidence_id), None)

    def hypothesis(self, hypothesis_id: str) -> Hypothesis | None:
        """The hypothesis with this id."""
        return next((item for item in self.hypotheses if item.hypothesis_id == hypothesis_id), None)

    def solution(self, solution_id: str) -> Solution | None:
        """The solution with this id."""
        return next((item for item in self.solutions if item.solution_id == solution_id), None)


def _unique(kind: str, ids: list[str]) -> frozenset[str]:
    known = frozenset(ids)
    if len(known) != len(ids):
        raise ValueError(f"two entries have the same {kind} id")
    return known


def _known(kind: str, ids: frozenset[str], references: Iterable[str | None]) -> None:
    for reference in references:
        if reference is not None and reference not in ids:
            raise ValueError(f"a reference to the {kind} {reference!r} leads nowhere")
