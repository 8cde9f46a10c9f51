"""Figures about one case, and what deserves attention in it, computed from the case alone."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from enum import StrEnum

from pydantic import NonNegativeInt

from domain.case import Case, CaseId
from domain.episodes import DegradedModeType
from domain.evidence import EvidenceCategory
from domain.hypothesis import HypothesisStatus
from domain.path import InvestigationStrategy
from domain.stage import InvestigationStage
from domain.status import CaseStatus
from domain.values import Count, Fraction, Instant, Value


class CaseAnalytics(Value):
    """Counts, state and times of one case."""

    case_id: CaseId
    status: CaseStatus
    stage: InvestigationStage | None
    investigation_strategy: InvestigationStrategy
    created_at: Instant
    last_activity_at: Instant
    resolved_at: Instant | None
    time_to_resolution: timedelta | None
    completion: Fraction
    message_count: Count
    current_turn: Count
    turns_without_progress: Count
    evidence_count: Count
    evidence_by_category: dict[EvidenceCategory, int]
    hypothesis_count: Count
    hypotheses_by_status: dict[HypothesisStatus, int]
    solution_count: Count
    applied_solutions: Count
    file_count: Count
    total_file_size: NonNegativeInt
    """Bytes; a sum, which may need more than 64 bits."""
    has_working_conclusion: bool
    has_root_cause: bool
    is_degraded: bool
    is_escalated: bool


def analyse(case: Case) -> CaseAnalytics:
    """The figures of ``case``."""
    return CaseAnalytics(
        case_id=case.case_id,
        status=case.status,
        stage=case.current_stage,
        investigation_strategy=case.investigation_strategy,
        created_at=case.created_at,
        last_activity_at=case.last_activity_at,
        resolved_at=case.resolved_at,
        time_to_resolution=case.time_to_resolution,
        completion=case.progress.completion,
        message_count=case.message_count,
        current_turn=case.current_turn,
        turns_without_progress=case.turns_without_progress,
        evidence_count=len(case.evidence),
        evidence_by_category=dict(Counter(item.category for item in case.evidence)),
        hypothesis_count=len(case.hypotheses),
        hypotheses_by_status=dict(Counter(item.status for item in case.hypotheses)),
        solution_count=len(case.solutions),
        applied_solutions=sum(item.applied_at is not None for item in case.solutions),
        file_count=len(case.uploaded_files),
        total_file_size=sum(item.size_bytes for item in case.uploaded_files),
        has_working_conclusion=case.working_conclusion is not None,
        has_root_cause=case.root_cause_conclusion is not None,
        is_degraded=case.degraded_mode is not None,
        is_escalated=case.escalation is not None,
    )


class WarningKind(StrEnum):
    """What deserves attention."""

    STUCK = "stuck"
    DEGRADED_MODE = "degraded_mode"
    ESCALATION = "escalation"
    NO_DOCUMENTATION = "no_documentation"


class WarningSeverity(StrEnum):
    """How much attention it deserves."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class CaseWarning(Value):
    """Something about a case that deserves attention, in words for the user."""

    kind: WarningKind
    severity: WarningSeverity
    message: str
    degraded_mode: DegradedModeType | None = None
    fallback: str | None = None


def warnings_of(case: Case) -> tuple[CaseWarning, ...]:
    """What deserves attention: no progress, degraded mode, an open escalation, a finished case without documents."""
    found = []
    if case.is_stuck and not case.status.is_terminal:
        message = f"The investigation has made no progress for {case.turns_without_progress} turns."
        found.append(CaseWarning(kind=WarningKind.STUCK, severity=WarningSeverity.WARNING, message=message))
    if episode := case.degraded_mode:
        found.append(
            CaseWarning(
                kind=WarningKind.DEGRADED_MODE,
                severity=WarningSeverity.ERROR,
                message=f"The investigation is degraded: {episode.reason}.",
                degraded_mode=episode.mode_type,
                fallback=episode.fallback_offered,
            )
        )
    if escalation := case.escalation:
        found.append(
            CaseWarning(
                kind=WarningKind.ESCALATION,
                severity=WarningSeverity.INFO,
                message=f"The case was escalated: {escalation.reason}",
            )
        )
    if case.status.is_terminal and not case.documentation.documents_generated:
        message = "No document has been made of this case yet."
        found.append(CaseWarning(kind=WarningKind.NO_DOCUMENTATION, severity=WarningSeverity.INFO, message=message))
    return tuple(found)
