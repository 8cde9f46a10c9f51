"""Degraded mode: when an investigation is in trouble, what is offered, what the user decides, and when it is over."""

from __future__ import annotations

from datetime import datetime

from domain.case import STUCK_AFTER_TURNS, Case
from domain.episodes import DegradedChoice, DegradedEpisode, DegradedModeType, Escalation, EscalationType
from domain.errors import MissingPrerequisite
from domain.hypotheses import is_deadlocked, next_to_test
from domain.hypothesis import HypothesisStatus
from domain.turn_history import TurnOutcome

REFUSALS = 3
"""Turns in a row in which the evidence that was asked for did not come."""

_CAPS = {
    DegradedModeType.NO_PROGRESS: 0.50,
    DegradedModeType.LIMITED_DATA: 0.50,
    DegradedModeType.EXTERNAL_DEPENDENCY: 0.50,
    DegradedModeType.HYPOTHESIS_DEADLOCK: 0.30,
    DegradedModeType.OTHER: 0.50,
}
_REASONS = {
    DegradedModeType.NO_PROGRESS: f"{STUCK_AFTER_TURNS} turns in a row brought no progress",
    DegradedModeType.LIMITED_DATA: f"the evidence that was asked for did not come for {REFUSALS} turns",
    DegradedModeType.HYPOTHESIS_DEADLOCK: "the evidence decides none of the hypotheses",
}
_FALLBACKS = {
    DegradedModeType.NO_PROGRESS: "Go on with the best explanation so far, at a lower confidence.",
    DegradedModeType.LIMITED_DATA: "Go on without the missing evidence, at a lower confidence.",
    DegradedModeType.HYPOTHESIS_DEADLOCK: "Treat the symptom without knowing the cause.",
}


def confidence_cap(episode: DegradedEpisode | None) -> float:
    """The highest confidence that a working conclusion may have during ``episode``; 1 without one."""
    return _CAPS[episode.mode_type] if episode else 1.0


def turns_in_episode(case: Case) -> int:
    """How many turns have passed since the present degraded episode began; 0 without one."""
    episode = case.degraded_mode
    return sum(turn.timestamp > episode.entered_at for turn in case.turn_history) if episode else 0


def update_degraded_mode(case: Case, at: datetime) -> Case:
    """``case`` after its latest turn: an episode ends with the first progress, and begins when there is trouble.

    Nothing begins in the turn in which an episode ended.
    """
    turn = case.turn_history[-1]
    active = case.degraded_mode
    if active is None:
        mode = _trouble(case)
        return _enter(case, mode, at) if mode else case
    if not turn.progress_made:
        return case
    asked_for_data = active.user_choice is DegradedChoice.PROVIDE_MORE_DATA and turn.evidence_added
    return _exchange(
        case, active, exited_at=at, exit_reason="new evidence arrived" if asked_for_data else "progress was made"
    )


def record_choice(case: Case, choice: DegradedChoice) -> Case:
    """``case`` with the user's answer to the degraded episode.

    Raises:
        MissingPrerequisite: the investigation is not degraded.
    """
    active = case.degraded_mode
    if active is None:
        raise MissingPrerequisite("This choice", ("a degraded investigation",))
    return _exchange(case, active, user_choice=choice)


def escalate(
    case: Case, kind: EscalationType, reason: str, at: datetime, by: str, escalated_to: str | None = None
) -> Case:
    """``case`` with a call for help that says what is known so far."""
    escalation = Escalation(
        escalation_type=kind,
        reason=reason,
        escalated_to=escalated_to,
        escalated_at=at,
        escalated_by=by,
        context_summary=_context(case),
        key_findings=_findings(case),
    )
    return case.touched(at, escalations=(*case.escalations, escalation))


def _trouble(case: Case) -> DegradedModeType | None:
    if is_deadlocked(case.hypotheses):
        return DegradedModeType.HYPOTHESIS_DEADLOCK
    latest = [turn.outcome for turn in case.turn_history[-REFUSALS:]]
    if latest == [TurnOutcome.DATA_NOT_PROVIDED] * REFUSALS:
        return DegradedModeType.LIMITED_DATA
    return DegradedModeType.NO_PROGRESS if case.is_stuck else None


def _enter(case: Case, mode: DegradedModeType, at: datetime) -> Case:
    actions = tuple(action for turn in case.turn_history[-STUCK_AFTER_TURNS:] for action in turn.actions_taken)
    episode = DegradedEpisode(
        mode_type=mode,
        entered_at=at,
        reason=_REASONS[mode],
        attempted_actions=actions,
        fallback_offered=_FALLBACKS[mode],
    )
    return case.replace(degraded_episodes=(*case.degraded_episodes, episode))


def _exchange(case: Case, active: DegradedEpisode, **changes: object) -> Case:
    changed = active.replace(**changes)
    return case.replace(
        degraded_episodes=tuple(changed if episode is active else episode for episode in case.degraded_episodes)
    )


def _context(case: Case) -> str:
    lines = [case.description, f"Stage: {case.current_stage or case.status}."]
    if case.progress.completed_milestones:
        lines.append(f"Reached: {', '.join(case.progress.completed_milestones)}.")
    if case.working_conclusion:
        lines.append(f"Working conclusion: {case.working_conclusion.statement}")
    lines.extend(f"Under test ({item.likelihood:.0%}): {item.statement}" for item in next_to_test(case.hypotheses))
    return "\n".join(lines)[:5000]


def _findings(case: Case) -> tuple[str, ...]:
    decided = (HypothesisStatus.VALIDATED, HypothesisStatus.REFUTED)
    hypotheses = [f"{item.status}: {item.statement}" for item in case.hypotheses if item.status in decided]
    observations = [item.summary for item in case.evidence[-5:]]
    return tuple(text[:500] for text in (*hypotheses[-5:], *observations))
