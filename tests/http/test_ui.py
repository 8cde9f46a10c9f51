"""The header of a case, and the words of the clients."""

from typing import Any

import pytest

from adapters.http.wire import vocabulary
from adapters.http.wire.cases import CaseRow
from adapters.http.wire.files import FileDetails, FileRow, display_size
from adapters.http.wire.header import header, transparency
from adapters.http.wire.turns import Action
from domain.case import Case
from domain.errors import InvalidInput
from domain.milestones import Milestone
from domain.path import InvestigationPath
from domain.problem import ConsultingData, ProblemConfirmation, ProblemType, Severity
from domain.status import CaseStatus, ClosureReason
from ports.language_model import ActionType, SuggestedAction
from tests.builders import (
    a_case,
    a_closed_case,
    a_full_case,
    a_need,
    a_resolved_case,
    an_investigating_case,
    later,
)

REASONS_OF_THE_CLIENTS = {
    "inquiry_only",
    "solution_deferred",
    "closed_rca_infeasible",
    "mitigation_sufficient",
    "closed_insufficient_evidence",
}


def test_an_inquiry_shows_what_is_agreed() -> None:
    guess = ProblemConfirmation(
        problem_type=ProblemType.ERROR, severity_guess=Severity.HIGH, preliminary_guidance="", created_at=later(0)
    )
    case = a_case(consulting=ConsultingData(proposed_problem_statement="db-1 is slow", problem_confirmation=guess))
    shown = header(case).model_dump(mode="json")
    assert shown["state"] == "inquiry"
    assert shown["inquiry"] == {
        "proposed_problem_statement": "db-1 is slow",
        "problem_statement_confirmed": False,
        "decided_to_investigate": False,
        "inquiry_turns": 0,
        "problem_confirmation": {"severity_guess": "high"},
    }
    assert shown["valid_next_states"] == ["investigating", "closed"]
    assert shown["disposition_eligibility"] == {"resolved": "not_eligible", "closed": "ready"}


def test_an_investigation_always_has_progress() -> None:
    shown = header(an_investigating_case()).model_dump(mode="json")
    assert shown["progress"] == {
        "current_stage": "diagnosis",
        "completed_indicators": [],
        "completed_stage_gates": [],
        "total_evidence": 0,
        "active_hypotheses": 0,
        "turns_without_progress": 0,
    }
    assert shown["problem_statement"]
    assert shown["agent_status"]
    assert shown["valid_next_states"] == ["resolved", "closed"]
    assert shown["disposition_eligibility"] == {"resolved": "needs_info", "closed": "ready"}
    assert shown["active_hypotheses"] == []
    assert shown["latest_evidence"] == []


def a_full_investigation(**overrides: Any) -> Case:
    """The full case of the builders before it was resolved."""
    full = a_full_case()
    open_again = {
        "status": CaseStatus.INVESTIGATING,
        "status_history": full.status_history[:1],
        "closure_reason": None,
        "resolved_at": None,
        "closed_at": None,
    }
    return full.replace(**{**open_again, **overrides})


def test_a_full_investigation_shows_everything_by_the_names_of_the_clients() -> None:
    case = a_full_investigation()
    shown = header(case).model_dump(mode="json")
    assert (shown["state"], shown["uploaded_files_count"]) == ("investigating", 6)
    assert shown["disposition_eligibility"] == {"resolved": "ready", "closed": "ready"}
    assert [row["evidence_id"] for row in shown["latest_evidence"]] == [
        item.evidence_id for item in reversed(case.evidence[-10:])
    ]
    assert shown["latest_evidence"][0]["category"] in {"symptom", "causal", "resolution", "other"}
    likelihoods = [row["likelihood"] for row in shown["active_hypotheses"]]
    assert len(likelihoods) > 1
    assert likelihoods == sorted(likelihoods, reverse=True)
    assert shown["working_conclusion"]["summary"] == "The connection pool is exhausted (1)"
    assert set(shown["progress"]["completed_indicators"]) == {
        record.milestone.value for record in case.progress.completed
    }
    assert shown["progress"]["total_evidence"] == 12
    assert shown["problem_verification"]["urgency_level"] == case.problem_verification.urgency_level
    wanted = [need.need_id for need in case.evidence_needs if need.status == "open"]
    assert [item["evidence_need_id"] for item in shown["next_actions"]] == wanted


def test_a_file_leads_to_its_evidence_and_to_the_hypotheses_that_rest_on_it() -> None:
    case = a_full_case()
    shown = [FileDetails.of(file, case) for file in case.uploaded_files]
    assert sum(item.evidence_count for item in shown) == sum(item.file_id is not None for item in case.evidence)
    derived = [row for item in shown for row in item.derived_evidence]
    assert any(row.related_hypothesis_ids for row in derived)
    rows = [FileRow.of(file, case).evidence_count for file in case.uploaded_files]
    assert rows == [item.evidence_count for item in shown]


def test_the_end_of_a_case_names_cause_solution_and_figures() -> None:
    case = a_resolved_case()
    shown = header(case).model_dump(mode="json")
    assert shown["state"] == "resolved"
    assert shown["closure_reason"] is None
    assert shown["resolved_at"]
    assert shown["resolution_summary"]["milestones_completed"] == len(case.progress.completed_milestones)
    assert shown["reports_available"][0]["report_type"] == "resolution_summary"
    assert shown["valid_next_states"] == []
    assert shown["disposition_eligibility"] == {"resolved": "not_eligible", "closed": "not_eligible"}
    closed = header(a_closed_case()).model_dump(mode="json")
    assert closed["state"] == "closed"
    assert closed["reports_available"][0]["report_type"] == "closure_summary"
    assert closed["progress"] is None


def test_cause_and_solution_of_a_full_case_that_has_ended() -> None:
    shown = header(a_full_case()).model_dump(mode="json")
    assert shown["root_cause"] == {
        "root_cause_id": "hyp_000000000001",
        "description": "The pool was set to 5 connections by the deployment at noon",
        "category": a_full_case().hypotheses[0].category,
        "severity": a_full_case().problem_verification.severity,
        "cause_assurance": "verified",
        "cause_overclaim": False,
    }
    assert shown["solution_applied"]["applied_by"] == a_full_case().user_id
    assert shown["verification_status"] == {
        "verified": True,
        "verification_method": "evidence",
        "details": "error rate over ten minutes",
    }
    assert shown["resolution_summary"]["total_duration_minutes"] == 40
    assert shown["resolution_summary"]["key_insights"] == ["Alert on waiting time, not on errors"]
    assert shown["reports_available"] == [{"report_type": "resolution_summary", "status": "available", "reason": None}]


@pytest.mark.parametrize("status", list(CaseStatus))
def test_states_go_out_and_come_back(status: CaseStatus) -> None:
    assert vocabulary.required_status(vocabulary.state(status)) is status
    assert "resolved" not in vocabulary.next_states(CaseStatus.CONSULTING)


def test_words_that_nobody_knows_are_refused() -> None:
    assert vocabulary.status_of("consulting") is None
    assert vocabulary.status_of(5) is None
    with pytest.raises(InvalidInput):
        vocabulary.required_status("consulting")
    with pytest.raises(InvalidInput):
        vocabulary.closure_reason_of("resolved")
    with pytest.raises(InvalidInput):
        vocabulary.closure_reason_of(None)


@pytest.mark.parametrize("word", sorted(REASONS_OF_THE_CLIENTS))
def test_every_closure_reason_of_the_clients_is_understood(word: str) -> None:
    assert vocabulary.closure_reason_of(word) is not ClosureReason.RESOLVED


@pytest.mark.parametrize("reason", [reason for reason in ClosureReason if reason is not ClosureReason.RESOLVED])
def test_every_closure_reason_goes_out_and_comes_back(reason: ClosureReason) -> None:
    closable = ClosureReason.CONSULTING_ONLY if reason is ClosureReason.ESCALATED else reason
    case = a_case().close(closable, later(5), "user_000000000001")
    word = vocabulary.closure_reason(case)
    assert word is not None
    assert vocabulary.closure_reason_of(word) is closable
    assert vocabulary.closure_reason(a_case()) is None


def _with(case: Case, *milestones: Milestone, path: InvestigationPath) -> Case:
    kept = tuple(record for record in case.progress.completed if record.milestone in milestones)
    assert len(kept) == len(milestones)
    return case.replace(
        progress=case.progress.replace(completed=kept), path_selection=case.path_selection.replace(path=path)
    )


@pytest.mark.parametrize(
    ("path", "milestones", "word"),
    [
        (InvestigationPath.MITIGATION_FIRST, (), "diagnosis"),
        (InvestigationPath.MITIGATION_FIRST, (Milestone.SYMPTOM_VERIFIED,), "mitigation"),
        (InvestigationPath.ROOT_CAUSE, (Milestone.SYMPTOM_VERIFIED, Milestone.ROOT_CAUSE_IDENTIFIED), "treatment"),
    ],
)
def test_the_solution_stage_is_relief_first_where_that_was_chosen(
    path: InvestigationPath, milestones: tuple[Milestone, ...], word: str
) -> None:
    case = _with(a_full_investigation(), *milestones, path=path)
    assert vocabulary.stage(case) == word
    assert CaseRow.of(case).stage == word


def test_a_stuck_investigation_says_what_it_waits_for() -> None:
    assert transparency(an_investigating_case()) is None
    assert transparency(a_case()) is None
    stuck = _with(a_full_investigation(), Milestone.SYMPTOM_VERIFIED, path=InvestigationPath.ROOT_CAUSE)
    found = transparency(stuck.replace(turns_without_progress=3))
    assert found
    assert (found.active, found.pending_milestone, found.repair_type) == (True, "scope_assessed", None)
    assert found.milestone_description == "Find out who and what is affected"
    episode = stuck.degraded_episodes[0].replace(exited_at=None, exit_reason=None)
    degraded = transparency(stuck.replace(degraded_episodes=(episode,)))
    assert degraded
    assert degraded.repair_type == "no_progress"
    done = transparency(a_full_investigation(turns_without_progress=3))
    assert done
    assert (done.pending_milestone, done.milestone_description) == (None, "Close the case")


def test_an_evidence_wish_names_the_request_it_belongs_to() -> None:
    case = an_investigating_case(evidence_needs=(a_need(),))
    need = case.evidence_needs[0]
    action = SuggestedAction(type=ActionType.EVIDENCE, label=need.description)
    assert Action.of(action, case).evidence_need_id == need.need_id
    assert (
        Action.of(SuggestedAction(type=ActionType.RUN, label="df -h", payload="df -h"), case).evidence_need_id is None
    )
    assert Action.of(SuggestedAction(type=ActionType.DECIDE, label="Yes"), case).payload == "Yes"


def test_sizes_are_shown_for_people() -> None:
    assert [display_size(size) for size in (0, 1023, 1024, 1536, 10 * 1024 * 1024)] == [
        "0 B",
        "1023 B",
        "1.0 KB",
        "1.5 KB",
        "10.0 MB",
    ]
