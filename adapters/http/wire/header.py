"""The header of an opened case: what a client shows above the conversation, by state."""

from __future__ import annotations

from adapters.http.wire import vocabulary
from adapters.http.wire.header_shapes import (
    AppliedSolution,
    CaseHeader,
    Conclusion,
    EvidenceRow,
    HypothesisRow,
    Inquiry,
    NextAction,
    ProblemGuess,
    Progress,
    ReportRow,
    RootCause,
    Summary,
    Transparency,
    Verification,
    VerificationStatus,
)
from domain.case import Case
from domain.hypothesis import HypothesisStatus
from domain.milestones import Milestone
from domain.problem import Severity
from domain.stage import InvestigationStage
from domain.status import CaseStatus

LATEST_EVIDENCE = 10

_AGENT_STATUS = {
    InvestigationStage.SYMPTOM_VERIFICATION: "Verifying the symptom",
    InvestigationStage.HYPOTHESIS_FORMULATION: "Looking for possible causes",
    InvestigationStage.HYPOTHESIS_VALIDATION: "Testing the possible causes",
    InvestigationStage.SOLUTION: "Working on the solution",
}
_DESCRIPTIONS = {
    Milestone.SYMPTOM_VERIFIED: "Confirm the symptom with evidence",
    Milestone.SCOPE_ASSESSED: "Find out who and what is affected",
    Milestone.TIMELINE_ESTABLISHED: "Find out when it began",
    Milestone.CHANGES_IDENTIFIED: "Find out what changed before",
    Milestone.ROOT_CAUSE_IDENTIFIED: "Find the root cause",
    Milestone.SOLUTION_PROPOSED: "Propose a solution",
    Milestone.SOLUTION_APPLIED: "Apply the solution",
    Milestone.SOLUTION_VERIFIED: "Verify that the solution works",
}


def header(case: Case) -> CaseHeader:
    """The header of ``case``."""
    common = CaseHeader(
        case_id=case.case_id,
        title=case.title,
        state=vocabulary.state(case.status),
        created_at=case.created_at,
        updated_at=case.updated_at,
        current_turn=case.current_turn,
        uploaded_files_count=len(case.uploaded_files),
        valid_next_states=vocabulary.next_states(case.status),
        disposition_eligibility=_eligibility(case),
    )
    match case.status:
        case CaseStatus.CONSULTING:
            return common.model_copy(update={"inquiry": _inquiry(case)})
        case CaseStatus.INVESTIGATING:
            return common.model_copy(update=_investigation(case))
        case CaseStatus.RESOLVED | CaseStatus.CLOSED:
            return common.model_copy(update=_end(case))


def transparency(case: Case) -> Transparency | None:
    """What holds the investigation up; None while it gets on."""
    if case.status is not CaseStatus.INVESTIGATING or not (case.is_stuck or case.degraded_mode):
        return None
    pending = case.progress.pending_milestones
    milestone = pending[0] if pending else None
    return Transparency(
        pending_milestone=milestone,
        milestone_description=_DESCRIPTIONS[milestone] if milestone else "Close the case",
        repair_type=case.degraded_mode.mode_type if case.degraded_mode else None,
    )


def _eligibility(case: Case) -> dict[str, str]:
    if case.status.is_terminal:
        return {"resolved": "not_eligible", "closed": "not_eligible"}
    if case.status is CaseStatus.CONSULTING:
        return {"resolved": "not_eligible", "closed": "ready"}
    verified = case.progress.has(Milestone.SOLUTION_VERIFIED)
    return {"resolved": "ready" if verified else "needs_info", "closed": "ready"}


def _inquiry(case: Case) -> Inquiry:
    data = case.consulting
    guess = data.problem_confirmation
    return Inquiry(
        proposed_problem_statement=data.proposed_problem_statement,
        problem_statement_confirmed=data.problem_statement_confirmed,
        decided_to_investigate=data.decided_to_investigate,
        inquiry_turns=data.consultation_turns,
        problem_confirmation=ProblemGuess(severity_guess=guess.severity_guess) if guess else None,
    )


def _investigation(case: Case) -> dict[str, object]:
    stage = case.current_stage
    conclusion, verification = case.working_conclusion, case.problem_verification
    done = [record.milestone.value for record in case.progress.completed]
    return {
        "agent_status": _AGENT_STATUS[stage] if stage else None,
        "progress": Progress(
            current_stage=vocabulary.stage(case) or "diagnosis",
            completed_indicators=done,
            completed_stage_gates=[],
            total_evidence=len(case.evidence),
            active_hypotheses=len(case.active_hypotheses),
            turns_without_progress=case.turns_without_progress,
        ),
        "problem_statement": case.description,
        "working_conclusion": conclusion
        and Conclusion(
            summary=conclusion.statement, confidence=conclusion.confidence, last_updated=conclusion.updated_at
        ),
        "active_hypotheses": [
            HypothesisRow(
                hypothesis_id=item.hypothesis_id,
                text=item.statement,
                likelihood=item.likelihood,
                state=item.status,
                evidence_count=len(item.links),
            )
            for item in sorted(case.hypotheses, key=lambda item: -item.likelihood)
            if item.status in (HypothesisStatus.ACTIVE, HypothesisStatus.CAPTURED, HypothesisStatus.VALIDATED)
        ],
        "latest_evidence": _latest_evidence(case),
        "next_actions": [
            NextAction(
                evidence_need_id=need.need_id,
                description=need.description,
                command=need.command,
                critical=need.critical,
            )
            for need in case.evidence_needs
            if need.status == "open"
        ],
        "problem_verification": verification
        and Verification(
            symptom_statement=verification.symptom_statement,
            severity=verification.severity,
            urgency_level=verification.urgency_level,
            affected_services=list(verification.affected_services),
            temporal_state=verification.temporal_state,
        ),
        "progress_transparency": transparency(case),
    }


def _latest_evidence(case: Case) -> list[EvidenceRow]:
    rows = []
    for item in reversed(case.evidence[-LATEST_EVIDENCE:]):
        links = [link for hypothesis in case.hypotheses if (link := hypothesis.link(item.evidence_id))]
        file = case.file(item.file_id) if item.file_id else None
        rows.append(
            EvidenceRow(
                evidence_id=item.evidence_id,
                type=item.source_type,
                category=item.category.removesuffix("_evidence"),
                summary=item.summary,
                timestamp=item.collected_at,
                relevance_score=max((link.completeness for link in links), default=None),
                collected_at_turn=item.collected_at_turn,
                source_filename=file.filename if file else None,
            )
        )
    return rows


def _end(case: Case) -> dict[str, object]:
    took = case.time_to_resolution
    documents = case.documentation.documents_generated
    return {
        "resolved_at": case.resolved_at,
        "closed_at": case.closed_at,
        "closure_reason": vocabulary.closure_reason(case),
        "problem_statement": case.description or None,
        "root_cause": _root_cause(case),
        "solution_applied": _solution(case),
        "verification_status": _verification(case),
        "resolution_summary": Summary(
            total_duration_minutes=int(took.total_seconds() // 60) if took else 0,
            milestones_completed=len(case.progress.completed_milestones),
            hypotheses_tested=sum(bool(item.links) for item in case.hypotheses),
            evidence_collected=len(case.evidence),
            key_insights=list(case.documentation.lessons_learned),
        ),
        "reports_available": [
            ReportRow(
                report_type="resolution_summary" if case.status is CaseStatus.RESOLVED else "closure_summary",
                status="available" if documents else "draft",
            )
        ],
    }


def _root_cause(case: Case) -> RootCause | None:
    found = case.root_cause_conclusion
    if found is None:
        return None
    hypothesis = case.hypothesis(found.validated_hypothesis_id) if found.validated_hypothesis_id else None
    severity = case.problem_verification.severity if case.problem_verification else Severity.UNKNOWN
    return RootCause(
        root_cause_id=found.validated_hypothesis_id or f"{case.case_id}-cause",
        description=found.root_cause,
        category=hypothesis.category if hypothesis else "other",
        severity=None if severity is Severity.UNKNOWN else severity,
        cause_assurance=found.confidence_level,
    )


def _solution(case: Case) -> AppliedSolution | None:
    applied = [item for item in case.solutions if item.applied_at]
    if not applied:
        return None
    last = max(applied, key=lambda item: (not item.is_mitigation, item.applied_at))
    return AppliedSolution(description=last.title, applied_at=last.applied_at, applied_by=last.applied_by)


def _verification(case: Case) -> VerificationStatus | None:
    verified = [item for item in case.solutions if item.verified_at]
    if not verified:
        return None
    last = max(verified, key=lambda item: (not item.is_mitigation, item.verified_at))
    return VerificationStatus(
        verified=case.progress.has(Milestone.SOLUTION_VERIFIED),
        verification_method="evidence" if last.verification_evidence_id else "user_confirmation",
        details=last.verification_method,
    )
