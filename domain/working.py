"""Where an investigation stands: the working conclusion, and the figures of its progress.

The working conclusion is the best explanation so far. It is made anew at the end of every investigating turn.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from statistics import fmean

from domain.case import STUCK_AFTER_TURNS, Case
from domain.conclusions import WorkingConclusion
from domain.degraded import confidence_cap, turns_in_episode
from domain.evidence import EvidenceNeed, EvidenceNeedStatus
from domain.hypotheses import is_exhausted
from domain.hypothesis import Hypothesis, HypothesisStatus
from domain.likelihood import RETIRE_BELOW
from domain.path import InvestigationStrategy
from domain.values import Count, Fraction, Text500, Value

PROCEED_FROM = 0.70
MAX_ALTERNATIVES = 3
MAX_NEXT_EVIDENCE = 3
TRAJECTORY = 3
BLOCKED_REQUESTS = 2
MAX_FAILED_ATTEMPTS = 3
DEGRADED_TURNS = 6

_COUNTED = (HypothesisStatus.ACTIVE, HypothesisStatus.VALIDATED)


class Momentum(StrEnum):
    """How the investigation gets on."""

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"
    BLOCKED = "blocked"


class ProgressMetrics(Value):
    """How the investigation gets on, and what should be done about it."""

    momentum: Momentum
    confidence: Fraction
    evidence_completeness: Fraction
    """Mean share of the evidence that was asked for and supports, over the hypotheses that count."""
    turns_since_progress: Count
    blocked_critical_requests: Count
    next_evidence: tuple[Text500, ...]
    blocked_reasons: tuple[Text500, ...]
    suggests_closure: bool
    suggests_escalation: bool


def working_conclusion(case: Case, at: datetime) -> WorkingConclusion:
    """The best explanation at the instant ``at``, capped while the investigation is degraded.

    It remembers the time of the conclusion that it supersedes; if nothing changed, the present one is returned.
    """
    previous = case.working_conclusion
    made = _conclude(case, at)
    cap = confidence_cap(case.degraded_mode)
    if made.confidence > cap:
        caveat = f"the investigation is degraded, so the confidence is limited to {cap:.0%}"
        made = made.replace(confidence=cap, caveats=(*made.caveats, caveat))
    made = made.replace(can_proceed_with_solution=made.confidence >= PROCEED_FROM)
    if previous is None:
        return made
    if made == previous.replace(updated_at=at, supersedes_conclusion_at=None):
        return previous
    return made.replace(supersedes_conclusion_at=previous.updated_at)


def completeness(hypothesis: Hypothesis, needs: tuple[EvidenceNeed, ...]) -> float:
    """The share of the evidence asked for to test the hypothesis that supports it, 0 to 1; 1 if none was asked for."""
    required = sum(need.hypothesis_id == hypothesis.hypothesis_id for need in needs)
    return min(1.0, len(hypothesis.supporting_evidence) / required) if required else 1.0


def progress_metrics(case: Case) -> ProgressMetrics:
    """The figures of the investigation after its latest turn."""
    confidence = case.working_conclusion.confidence if case.working_conclusion else 0.0
    blocked = blocked_critical(case.evidence_needs)
    momentum = momentum_of(case)
    counted = [item for item in case.hypotheses if item.status in _COUNTED]
    overall = fmean(completeness(item, case.evidence_needs) for item in counted) if counted else 0.0
    trajectory = _trajectory(case)
    blocked_reasons = (
        (blocked >= BLOCKED_REQUESTS, f"{blocked} critical requests for evidence are blocked"),
        (overall < 0.30, f"only {overall:.0%} of the evidence is there"),
        (not case.active_hypotheses, "no hypothesis is under test"),
        (
            len(trajectory) == TRAJECTORY and max(trajectory) - min(trajectory) < 0.05,
            f"the confidence has not moved for {TRAJECTORY} turns",
        ),
    )
    return ProgressMetrics(
        momentum=momentum,
        confidence=confidence,
        evidence_completeness=overall,
        turns_since_progress=case.turns_without_progress,
        blocked_critical_requests=blocked,
        next_evidence=tuple(need.description for need in case.evidence_needs if need.status is EvidenceNeedStatus.OPEN)[
            :MAX_NEXT_EVIDENCE
        ],
        blocked_reasons=tuple(text for applies, text in blocked_reasons if applies),
        suggests_closure=(
            case.turns_without_progress >= STUCK_AFTER_TURNS and confidence < 0.5 and momentum is Momentum.BLOCKED
        ),
        suggests_escalation=suggests_escalation(case),
    )


def momentum_of(case: Case) -> Momentum:
    """How the confidence and the evidence moved over the last three turns."""
    if blocked_critical(case.evidence_needs) >= BLOCKED_REQUESTS:
        return Momentum.BLOCKED
    trajectory = _trajectory(case)
    if len(trajectory) < 2:
        return Momentum.MODERATE
    gain = trajectory[-1] - trajectory[0]
    items = sum(len(turn.evidence_added) for turn in case.turn_history[-TRAJECTORY:])
    if gain > 0.10 and items >= 2:
        return Momentum.HIGH
    if not items and (gain < -0.05 or abs(gain) < 0.05):
        return Momentum.LOW
    return Momentum.MODERATE


def blocked_critical(needs: tuple[EvidenceNeed, ...]) -> int:
    """How many critical requests for evidence are blocked."""
    return sum(need.critical and need.status is EvidenceNeedStatus.BLOCKED for need in needs)


def suggests_escalation(case: Case) -> bool:
    """True if help should be called.

    That is: every hypothesis was given up, the investigation has been degraded for six turns, or three solutions have
    failed while an incident is active.
    """
    failed = sum(item.has_failed for item in case.solutions)
    return (
        is_exhausted(case.hypotheses)
        or turns_in_episode(case) >= DEGRADED_TURNS
        or (case.investigation_strategy is InvestigationStrategy.ACTIVE_INCIDENT and failed >= MAX_FAILED_ATTEMPTS)
    )


def _conclude(case: Case, at: datetime) -> WorkingConclusion:
    if case.root_cause_conclusion:
        cause = case.root_cause_conclusion
        return WorkingConclusion(
            statement=cause.root_cause,
            confidence=cause.confidence_score,
            reasoning=cause.mechanism,
            hypothesis_id=cause.validated_hypothesis_id,
            supporting_evidence_ids=cause.evidence_basis,
            updated_at=at,
        )
    if not case.hypotheses:
        return WorkingConclusion(
            statement="There is no hypothesis yet.",
            confidence=0.0,
            reasoning=f"The stage of the investigation is: {case.current_stage or 'none'}.",
            updated_at=at,
        )
    counted = [item for item in case.hypotheses if item.status in _COUNTED]
    if not counted:
        return WorkingConclusion(
            statement=f"None of the {len(case.hypotheses)} hypotheses is under test or validated.",
            confidence=0.0,
            reasoning="They are waiting, undecided, refuted or retired.",
            caveats=("new hypotheses are needed",),
            updated_at=at,
        )
    best = max(counted, key=lambda item: item.likelihood)
    alternatives = sorted(
        (item for item in counted if item is not best and item.likelihood >= RETIRE_BELOW),
        key=lambda item: item.likelihood,
        reverse=True,
    )
    return WorkingConclusion(
        statement=best.statement,
        confidence=best.likelihood,
        reasoning=f"Evidence for it: {len(best.supporting_evidence)}, against it: {len(best.refuting_evidence)}.",
        hypothesis_id=best.hypothesis_id,
        supporting_evidence_ids=best.supporting_evidence,
        alternatives=tuple(item.hypothesis_id for item in alternatives[:MAX_ALTERNATIVES]),
        caveats=_caveats(best, case.evidence_needs),
        updated_at=at,
    )


def _caveats(best: Hypothesis, needs: tuple[EvidenceNeed, ...]) -> tuple[str, ...]:
    share, blocked, against = completeness(best, needs), blocked_critical(needs), len(best.refuting_evidence)
    caveats = []
    if share < 0.50:
        caveats.append(f"only {share:.0%} of the evidence that was asked for supports it")
    elif share < 0.70:
        caveats.append(f"{share:.0%} of the evidence that was asked for supports it so far")
    if best.likelihood < 0.50:
        caveats.append("it is speculative")
    elif best.likelihood < 0.70:
        caveats.append("it is not validated yet")
    if blocked:
        caveats.append(f"critical requests for evidence that are blocked: {blocked}")
    if against:
        caveats.append(f"pieces of evidence that contradict it: {against}")
    return tuple(caveats)


def _trajectory(case: Case) -> list[float]:
    known = [turn.working_confidence for turn in case.turn_history if turn.working_confidence is not None]
    return known[-TRAJECTORY:]
