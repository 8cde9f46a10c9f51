"""Figures about one case, computed from the case alone."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from domain.case import Case, CaseId
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
    total_file_size: Count
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
