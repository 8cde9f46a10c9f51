"""What happened to a case between two moments, told for messages and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from domain.case import Case
from domain.hypotheses import OPEN
from domain.milestones import Milestone
from domain.values import Value


class EventKind(StrEnum):
    """The kinds of events. The subject of each is an id or a name, as said here."""

    STATUS_CHANGED = "status_changed"
    """The new status."""
    STATEMENT_CONFIRMED = "statement_confirmed"
    """The case."""
    PATH_SELECTED = "path_selected"
    """The path."""
    STRATEGY_CHANGED = "strategy_changed"
    """The strategy."""
    MILESTONE_COMPLETED = "milestone_completed"
    """The milestone."""
    MILESTONE_RETRACTED = "milestone_retracted"
    """The milestone."""
    EVIDENCE_ADDED = "evidence_added"
    """The evidence."""
    EVIDENCE_REQUESTED = "evidence_requested"
    """The request."""
    HYPOTHESIS_ADDED = "hypothesis_added"
    """The hypothesis."""
    HYPOTHESIS_CONCLUDED = "hypothesis_concluded"
    """The hypothesis."""
    ALTERNATIVES_DEMANDED = "alternatives_demanded"
    """The category that is excluded."""
    SOLUTION_PROPOSED = "solution_proposed"
    """The solution."""
    DEGRADED_ENTERED = "degraded_entered"
    """The kind of trouble."""
    DEGRADED_LEFT = "degraded_left"
    """The kind of trouble."""
    ESCALATED = "escalated"
    """The kind of escalation."""


class TurnEvent(Value):
    """Something that happened in a turn: the kind, what it happened to, and a word about it."""

    kind: EventKind
    subject: str
    detail: str = ""


def events_between(before: Case, after: Case) -> tuple[TurnEvent, ...]:
    """What led from ``before`` to ``after``, two moments of one case, in the order of an investigation."""
    return tuple(
        TurnEvent(kind=kind, subject=subject, detail=detail)
        for source in (_course, _milestones, _evidence, _hypotheses, _trouble)
        for kind, subject, detail in source(before, after)
    )


_Found = Iterator[tuple[EventKind, str, str]]


def _course(before: Case, after: Case) -> _Found:
    if after.consulting.problem_statement_confirmed and not before.consulting.problem_statement_confirmed:
        yield EventKind.STATEMENT_CONFIRMED, after.case_id, after.consulting.proposed_problem_statement or ""
    for entry in after.status_history[len(before.status_history) :]:
        yield EventKind.STATUS_CHANGED, entry.to_status, entry.reason
    path = after.path_selection
    if path and (before.path_selection is None or path.path is not before.path_selection.path):
        yield EventKind.PATH_SELECTED, path.path, path.rationale
    if after.investigation_strategy is not before.investigation_strategy:
        yield EventKind.STRATEGY_CHANGED, after.investigation_strategy, ""


def _milestones(before: Case, after: Case) -> _Found:
    for entry in after.progress.retracted[len(before.progress.retracted) :]:
        yield EventKind.MILESTONE_RETRACTED, entry.milestone, entry.reason
    for milestone in new_milestones(before, after):
        yield EventKind.MILESTONE_COMPLETED, milestone, ""
    for solution in after.solutions[len(before.solutions) :]:
        yield EventKind.SOLUTION_PROPOSED, solution.solution_id, solution.title


def _evidence(before: Case, after: Case) -> _Found:
    for item in after.evidence[len(before.evidence) :]:
        yield EventKind.EVIDENCE_ADDED, item.evidence_id, item.summary
    for need in after.evidence_needs[len(before.evidence_needs) :]:
        yield EventKind.EVIDENCE_REQUESTED, need.need_id, need.description


def _hypotheses(before: Case, after: Case) -> _Found:
    statuses = {item.hypothesis_id: item.status for item in before.hypotheses}
    for item in after.hypotheses:
        if item.hypothesis_id not in statuses:
            yield EventKind.HYPOTHESIS_ADDED, item.hypothesis_id, item.statement
        if item.status not in OPEN and item.status is not statuses.get(item.hypothesis_id):
            yield EventKind.HYPOTHESIS_CONCLUDED, item.hypothesis_id, item.status
    demand = after.forced_alternatives
    if demand and demand != before.forced_alternatives:
        yield EventKind.ALTERNATIVES_DEMANDED, demand.excluded_category, "; ".join(demand.reasons)


def _trouble(before: Case, after: Case) -> _Found:
    if before.degraded_mode and not after.degraded_episodes[len(before.degraded_episodes) - 1].is_active:
        ended = after.degraded_episodes[len(before.degraded_episodes) - 1]
        yield EventKind.DEGRADED_LEFT, ended.mode_type, ended.exit_reason or ""
    for episode in after.degraded_episodes[len(before.degraded_episodes) :]:
        yield EventKind.DEGRADED_ENTERED, episode.mode_type, episode.reason
    for escalation in after.escalations[len(before.escalations) :]:
        yield EventKind.ESCALATED, escalation.escalation_type, escalation.reason


def new_milestones(before: Case, after: Case) -> tuple[Milestone, ...]:
    """The milestones that stand in ``after`` and did not in ``before``, in the order of an investigation."""
    return tuple(item for item in Milestone if after.progress.has(item) and not before.progress.has(item))
