"""What the evidence of a case says about its problem: the reading of it, and the milestones that it earns."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.playbook.judgement import symptom_line
from adapters.playbook.observation import Fact, Observation, changes, first_error, places, spoken_times
from adapters.playbook.plan import Finding
from adapters.playbook.signals import read_signals
from adapters.playbook.sources import Source
from domain.case import Case
from domain.milestones import Milestone
from domain.problem import UrgencyLevel
from domain.proposals import ProblemReading
from domain.terms import terms
from ports.language_model import TurnContext


def read_problem(context: TurnContext, observations: Sequence[Observation]) -> ProblemReading | None:
    """Where, since when and how urgent, as far as the case does not know it yet."""
    known = context.case.problem_verification
    if known is None:
        return None
    described = read_signals(f"{context.case.description}\n{context.message}")
    errors = [item.line.quote()[:500] for item in _error_facts(observations)]
    started = first_error(observations)
    at = started[1] if started else None
    legal = at if at and not (known.noticed_at and at > known.noticed_at) else None
    services = [fact.text[:200] for fact in places(observations)]
    return ProblemReading(
        urgency_level=described.urgency if known.urgency_level is UrgencyLevel.UNKNOWN else None,
        temporal_state=None if known.temporal_state else described.temporal_state,
        symptom_indicators=tuple(item for item in errors[:3] if item not in known.symptom_indicators),
        affected_services=tuple(item for item in services[:8] if item not in known.affected_services),
        started_at=None if known.started_at else legal,
    )


def find_milestones(case: Case, observations: Sequence[Observation], fitting: Sequence[Source]) -> list[Finding]:
    """The pending milestones of the verification that the evidence earns."""
    started = first_error(observations)
    found = {
        Milestone.SYMPTOM_VERIFIED: _symptoms(case, observations, fitting),
        Milestone.SCOPE_ASSESSED: places(observations)[:8],
        Milestone.TIMELINE_ESTABLISHED: [started[0]] if started else spoken_times(observations)[:2],
        Milestone.CHANGES_IDENTIFIED: changes(observations)[:3],
    }
    return [
        Finding(milestone, facts) for milestone, facts in found.items() if facts and not case.progress.has(milestone)
    ]


def _symptoms(case: Case, observations: Sequence[Observation], fitting: Sequence[Source]) -> list[Fact]:
    """Error lines that belong to the stated problem: by its words, or as the symptom of a document found for it."""
    stated = {word for word in terms(case.description) if len(word) > 2}
    needed = 1 if len(stated) < 4 else 2
    facts = []
    for observation in observations:
        if observation.is_report:
            continue
        known = (symptom_line(source.runbook, observation) for source in fitting)
        line = next(filter(None, known), None) or next(
            (line for line in observation.errors if len(stated & line.words) >= needed), None
        )
        if line:
            facts.append(Fact(line.text, observation.evidence.evidence_id, line))
    return facts


def _error_facts(observations: Sequence[Observation]) -> list[Fact]:
    return [
        Fact(observation.errors[0].text, observation.evidence.evidence_id, observation.errors[0])
        for observation in observations
        if observation.errors
    ]
