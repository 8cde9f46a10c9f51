"""Requests for evidence are opened once, met, and withdrawn when they are settled otherwise."""

from typing import Any

import pytest

from domain.case import Case
from domain.errors import InvalidInput
from domain.evidence import EvidenceNeedStatus
from domain.hypothesis import HypothesisStatus
from domain.milestones import InvestigationProgress, Milestone
from domain.needs import MAX_NEEDS, is_open, meet_needs, open_need, withdraw_needs
from tests.builders import a_hypothesis, a_link, a_need, a_record, an_evidence, an_id, an_investigating_case, later

OPEN, MET, BLOCKED, WITHDRAWN = EvidenceNeedStatus
SCOPE = Milestone.SCOPE_ASSESSED


def case_with(*needs: Any, **values: Any) -> Case:
    known: dict[str, Any] = {
        "evidence": (an_evidence(1), an_evidence(2)),
        "hypotheses": (a_hypothesis(1), a_hypothesis(2, status=HypothesisStatus.REFUTED, concluded_at=later(3))),
    }
    return an_investigating_case(evidence_needs=needs, **{**known, **values})


def test_the_same_request_is_not_opened_twice() -> None:
    first = a_need(1, description="The access log")
    again = a_need(2, description=" the ACCESS  log ")
    with pytest.raises(InvalidInput, match="asks for the same"):
        open_need((first,), again)
    blocked = first.replace(status=BLOCKED)
    assert open_need((blocked,), again) == (blocked, again)


def test_there_is_an_upper_bound_of_requests() -> None:
    with pytest.raises(InvalidInput, match="at most"):
        open_need(tuple(map(a_need, range(MAX_NEEDS))), a_need(MAX_NEEDS))


def test_open_ones_are_waited_for() -> None:
    assert is_open((a_need(1, status=MET), a_need(2)))
    assert not is_open((a_need(1, status=MET), a_need(2, status=BLOCKED)))


def test_evidence_answers_the_request_that_it_names() -> None:
    case = case_with(a_need(1), a_need(2), evidence=(an_evidence(1, need_id=an_id("eneed", 2)),))
    met = meet_needs(case, (an_id("ev", 1),))
    assert [need.status for need in met] == [OPEN, MET]
    assert met[1].evidence_id == an_id("ev", 1)


def test_evidence_answers_the_oldest_request_for_its_hypothesis_and_only_one() -> None:
    mine = {"hypothesis_id": an_id("hyp", 1)}
    foreign = a_need(1, hypothesis_id=an_id("hyp", 2))
    judged = case_with(
        foreign, a_need(2, **mine), a_need(3, **mine), hypotheses=(a_hypothesis(1, links=(a_link(1),)), a_hypothesis(2))
    )
    assert [need.status for need in meet_needs(judged, (an_id("ev", 1),))] == [OPEN, MET, OPEN]
    again = judged.replace(evidence_needs=meet_needs(judged, (an_id("ev", 1),)))
    assert meet_needs(again, (an_id("ev", 1),)) == again.evidence_needs
    meant = case_with(foreign, a_need(2, **mine), evidence=(an_evidence(1, **mine),))
    assert [need.status for need in meet_needs(meant, (an_id("ev", 1),))] == [OPEN, MET]


def test_evidence_answers_a_request_for_the_milestone_that_it_earned() -> None:
    case = case_with(a_need(1, milestone=SCOPE), evidence=(an_evidence(1, advances=(SCOPE,)), an_evidence(2)))
    assert meet_needs(case, (an_id("ev", 2), an_id("ev", 9)))[0].status is OPEN
    assert meet_needs(case, (an_id("ev", 2), an_id("ev", 1)))[0].evidence_id == an_id("ev", 1)


def test_a_request_that_is_not_open_is_not_met() -> None:
    case = case_with(a_need(1, status=BLOCKED), evidence=(an_evidence(1, need_id=an_id("eneed", 1)),))
    assert meet_needs(case, (an_id("ev", 1),)) == case.evidence_needs


def test_what_is_settled_is_withdrawn() -> None:
    case = case_with(
        a_need(1, milestone=SCOPE),
        a_need(2, milestone=Milestone.CHANGES_IDENTIFIED),
        a_need(3, hypothesis_id=an_id("hyp", 1)),
        a_need(4, hypothesis_id=an_id("hyp", 2)),
        a_need(5, hypothesis_id=an_id("hyp", 2), status=BLOCKED),
        a_need(6),
        progress=InvestigationProgress(completed=(a_record(SCOPE),)),
    )
    assert [need.status for need in withdraw_needs(case)] == [WITHDRAWN, OPEN, OPEN, WITHDRAWN, BLOCKED, OPEN]
