"""Earning and taking back the milestones of a case."""

from __future__ import annotations

from datetime import datetime

from domain.case import Case
from domain.conclusions import RootCauseConclusion
from domain.errors import InvalidInput
from domain.evidence import Evidence, EvidenceCategory
from domain.hypotheses import conclude
from domain.hypothesis import HypothesisStatus
from domain.milestones import (
    VERIFICATION,
    InvestigationProgress,
    Milestone,
    MilestoneRecord,
    MilestoneRetraction,
    RootCauseMethod,
)
from domain.problem import ProblemVerification
from domain.solution import Solution

DEPENDANTS = {
    Milestone.SOLUTION_PROPOSED: (Milestone.SOLUTION_APPLIED, Milestone.SOLUTION_VERIFIED),
    Milestone.SOLUTION_APPLIED: (Milestone.SOLUTION_VERIFIED,),
}
"""What falls together with a milestone that is taken back."""

USER_ONLY = (Milestone.SOLUTION_APPLIED, Milestone.SOLUTION_VERIFIED, Milestone.MITIGATION_APPLIED)
"""Milestones that only a decision of the user earns."""


def fits(case: Case, milestone: Milestone, item: Evidence) -> bool:
    """True if evidence of this kind can earn the milestone. What supports a hypothesis can show the root cause."""
    if milestone in VERIFICATION:
        return item.category is EvidenceCategory.SYMPTOM
    if milestone is Milestone.ROOT_CAUSE_IDENTIFIED:
        supports = any(item.evidence_id in hypothesis.supporting_evidence for hypothesis in case.hypotheses)
        return supports or item.category is EvidenceCategory.CAUSAL
    return milestone is Milestone.SOLUTION_VERIFIED and item.category is EvidenceCategory.RESOLUTION


def infer_category(case: Case, linked_hypothesis: str | None = None) -> EvidenceCategory:
    """What new evidence is good for: a hypothesis that it belongs to, else what the investigation still lacks."""
    if linked_hypothesis:
        return EvidenceCategory.CAUSAL
    if not all(map(case.progress.has, VERIFICATION)):
        return EvidenceCategory.SYMPTOM
    proposed = case.progress.has(Milestone.SOLUTION_PROPOSED)
    return EvidenceCategory.RESOLUTION if proposed else EvidenceCategory.CAUSAL


def complete(case: Case, milestone: Milestone, at: datetime, by: str, evidence_ids: tuple[str, ...] = ()) -> Case:
    """``case`` with the milestone earned in the turn that is under way; unchanged if it stands already."""
    if case.progress.has(milestone):
        return case
    progress = case.progress.replace(
        completed=(*case.progress.completed, _record(case, milestone, at, by, evidence_ids))
    )
    return case.touched(
        at,
        progress=progress,
        problem_verification=_verified(case.problem_verification, progress),
        evidence=_advancing(case, milestone, evidence_ids),
    )


def identify_root_cause(
    case: Case, conclusion: RootCauseConclusion, method: RootCauseMethod, evidence_ids: tuple[str, ...]
) -> Case:
    """``case`` with its root cause.

    Raises:
        InvalidInput: a root cause stands already, or there is no confidence in this one.
    """
    if case.progress.has(Milestone.ROOT_CAUSE_IDENTIFIED):
        raise InvalidInput("a root cause is identified already; it has to be retracted first")
    if conclusion.confidence_score <= 0:
        raise InvalidInput("a root cause needs a confidence above 0")
    milestone, at = Milestone.ROOT_CAUSE_IDENTIFIED, conclusion.determined_at
    record = _record(case, milestone, at, conclusion.determined_by, evidence_ids)
    progress = case.progress.replace(
        completed=(*case.progress.completed, record),
        root_cause_confidence=conclusion.confidence_score,
        root_cause_method=method,
    )
    return case.touched(
        at,
        progress=progress,
        root_cause_conclusion=conclusion,
        evidence=_advancing(case, milestone, evidence_ids),
    )


def retract(case: Case, milestone: Milestone, at: datetime, by: str, reason: str) -> Case:
    """``case`` without the milestone and without what depends on it; each retraction is recorded with its reason.

    A retracted root cause leaves its hypothesis undecided; a retracted application or verification of a solution
    leaves the solutions unapplied or unverified, except those that failed.
    """
    fallen = {milestone, *DEPENDANTS.get(milestone, ())}
    gone = [record.milestone for record in case.progress.completed if record.milestone in fallen]
    root_cause = milestone is Milestone.ROOT_CAUSE_IDENTIFIED
    progress = case.progress.replace(
        completed=tuple(record for record in case.progress.completed if record.milestone not in fallen),
        retracted=(
            *case.progress.retracted,
            *(MilestoneRetraction(milestone=item, retracted_at=at, retracted_by=by, reason=reason) for item in gone),
        ),
        **({"root_cause_confidence": 0.0, "root_cause_method": None} if root_cause else {}),
    )
    changes: dict[str, object] = {
        "progress": progress,
        "problem_verification": _verified(case.problem_verification, progress),
        "solutions": tuple(_without(item, fallen) for item in case.solutions),
    }
    if root_cause and case.root_cause_conclusion:
        changes["root_cause_conclusion"] = None
        hypothesis_id = case.root_cause_conclusion.validated_hypothesis_id
        if hypothesis_id in {item.hypothesis_id for item in case.validated_hypotheses}:
            changes["hypotheses"] = conclude(case.hypotheses, hypothesis_id, HypothesisStatus.INCONCLUSIVE, at, reason)
    return case.touched(at, **changes)


def _record(case: Case, milestone: Milestone, at: datetime, by: str, evidence_ids: tuple[str, ...]) -> MilestoneRecord:
    return MilestoneRecord(
        milestone=milestone,
        completed_at=at,
        completed_at_turn=case.current_turn + 1,
        completed_by=by,
        evidence_ids=evidence_ids,
    )


def _verified(problem: ProblemVerification | None, progress: InvestigationProgress) -> ProblemVerification | None:
    if problem is None:
        return None
    stamps = [record.completed_at for record in progress.completed if record.milestone in VERIFICATION]
    return problem.replace(
        verified_at=min(stamps, default=None), verification_confidence=len(stamps) / len(VERIFICATION)
    )


def _advancing(case: Case, milestone: Milestone, evidence_ids: tuple[str, ...]) -> tuple[Evidence, ...]:
    return tuple(
        item.replace(advances=(*item.advances, milestone))
        if item.evidence_id in evidence_ids and milestone not in item.advances
        else item
        for item in case.evidence
    )


def _without(solution: Solution, fallen: set[Milestone]) -> Solution:
    applied = Milestone.MITIGATION_APPLIED if solution.is_mitigation else Milestone.SOLUTION_APPLIED
    unverified = {
        "verified_at": None,
        "effectiveness": None,
        "verification_method": None,
        "verification_evidence_id": None,
    }
    if solution.has_failed:
        return solution
    if applied in fallen:
        return solution.replace(applied_at=None, applied_by=None, **unverified)
    if Milestone.SOLUTION_VERIFIED in fallen and not solution.is_mitigation:
        return solution.replace(**unverified)
    return solution
