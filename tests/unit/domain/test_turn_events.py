"""What happened is read off the case before and after."""

from hypothesis import given

from domain.case import Case
from domain.hypothesis import ForcedAlternatives, HypothesisCategory, HypothesisStatus
from domain.milestones import InvestigationProgress, Milestone
from domain.path import InvestigationPath, InvestigationStrategy
from domain.turn_events import EventKind, events_between
from domain.verification import choose_path
from tests import strategies
from tests.builders import (
    OWNER,
    STATEMENT,
    a_case,
    a_confirmed_consultation,
    a_full_case,
    a_hypothesis,
    a_need,
    a_record,
    a_solution,
    an_evidence,
    an_id,
    an_investigating_case,
    later,
)


def told(before: Case, after: Case) -> list[tuple[str, str]]:
    return [(event.kind, event.subject) for event in events_between(before, after)]


@given(strategies.cases())
def test_nothing_happens_between_a_case_and_itself(case: Case) -> None:
    assert events_between(case, case) == ()


def test_a_statement_is_confirmed_and_an_investigation_starts() -> None:
    events = events_between(
        a_case(), a_case(consulting=a_confirmed_consultation()).start_investigation(later(2), OWNER)
    )
    assert [(event.kind, event.subject) for event in events] == [
        ("statement_confirmed", an_id("case", 1)),
        ("status_changed", "investigating"),
    ]
    assert events[0].detail == STATEMENT


def test_a_path_is_told_when_it_changes() -> None:
    case = an_investigating_case()
    mitigate = case.replace(path_selection=choose_path(None, InvestigationPath.MITIGATION_FIRST, later(2), OWNER))
    again = case.replace(path_selection=choose_path(None, InvestigationPath.MITIGATION_FIRST, later(9), OWNER))
    cause = case.replace(path_selection=choose_path(None, InvestigationPath.ROOT_CAUSE, later(3), OWNER))
    assert told(case, mitigate) == [("path_selected", "mitigation_first")]
    assert told(mitigate, again) == []
    assert told(mitigate, cause) == [("path_selected", "root_cause")]


def test_a_strategy_is_told_when_it_changes() -> None:
    case = an_investigating_case()
    urgent = case.replace(investigation_strategy=InvestigationStrategy.ACTIVE_INCIDENT)
    assert told(case, urgent) == [("strategy_changed", "active_incident")]


def test_milestones_evidence_requests_and_solutions_are_told() -> None:
    before = an_investigating_case(
        progress=InvestigationProgress(completed=(a_record(Milestone.SCOPE_ASSESSED),)), solutions=(a_solution(1),)
    )
    after = before.replace(
        progress=InvestigationProgress(
            completed=(a_record(Milestone.TIMELINE_ESTABLISHED), a_record(Milestone.SYMPTOM_VERIFIED)),
            retracted=a_full_case().progress.retracted,
        ),
        evidence=(an_evidence(1),),
        evidence_needs=(a_need(1),),
        solutions=(a_solution(1), a_solution(2)),
    )
    assert told(before, after) == [
        ("milestone_retracted", "scope_assessed"),
        ("milestone_completed", "symptom_verified"),
        ("milestone_completed", "timeline_established"),
        ("solution_proposed", an_id("sol", 2)),
        ("evidence_added", an_id("ev", 1)),
        ("evidence_requested", an_id("eneed", 1)),
    ]


def test_hypotheses_are_told_when_they_come_and_when_they_are_concluded() -> None:
    refuted = {"status": HypothesisStatus.REFUTED, "concluded_at": later(5)}
    before = an_investigating_case(hypotheses=(a_hypothesis(1), a_hypothesis(2), a_hypothesis(3, **refuted)))
    demand = ForcedAlternatives(
        excluded_category=HypothesisCategory.CODE, minimum=2, demanded_at_turn=1, reasons=("a", "b")
    )
    after = before.replace(
        hypotheses=(a_hypothesis(1), a_hypothesis(2, **refuted), a_hypothesis(3, **refuted), a_hypothesis(4)),
        forced_alternatives=demand,
    )
    events = events_between(before, after)
    assert [(event.kind, event.subject, event.detail) for event in events] == [
        ("hypothesis_concluded", an_id("hyp", 2), "refuted"),
        ("hypothesis_added", an_id("hyp", 4), a_hypothesis(4).statement),
        ("alternatives_demanded", "code", "a; b"),
    ]
    assert told(after, after.replace(forced_alternatives=None)) == []


def test_trouble_is_told_when_it_comes_and_goes() -> None:
    calm = an_investigating_case()
    over = a_full_case().degraded_episodes[0]
    trouble = calm.replace(degraded_episodes=(over.replace(exited_at=None),), escalations=a_full_case().escalations)
    assert told(calm, trouble) == [("degraded_entered", "no_progress"), ("escalated", "expertise_required")]
    assert told(trouble, trouble.replace(degraded_episodes=(over,))) == [("degraded_left", "no_progress")]
    assert {kind.value for kind in EventKind} >= {"degraded_left", "escalated"}
