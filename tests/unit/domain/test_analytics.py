"""Figures and warnings of a case."""

from datetime import timedelta

from hypothesis import given

from domain.analytics import analyse, warnings_of
from domain.case import Case
from domain.episodes import DegradedModeType
from domain.evidence import EvidenceCategory
from domain.hypothesis import HypothesisStatus
from tests import strategies
from tests.builders import (
    a_case,
    a_closed_case,
    a_file,
    a_full_case,
    a_turn,
    an_investigating_case,
    later,
)


def test_an_empty_case_counts_nothing() -> None:
    figures = analyse(a_case())
    assert (figures.evidence_count, figures.hypothesis_count, figures.solution_count, figures.file_count) == (
        0,
        0,
        0,
        0,
    )
    assert figures.evidence_by_category == figures.hypotheses_by_status == {}
    assert (figures.completion, figures.time_to_resolution, figures.stage) == (0, None, None)
    flags = (figures.has_root_cause, figures.has_working_conclusion, figures.is_degraded, figures.is_escalated)
    assert not any(flags)


def test_a_full_case_is_counted() -> None:
    figures = analyse(a_full_case())
    assert figures.evidence_count == 12
    assert figures.evidence_by_category == dict.fromkeys(EvidenceCategory, 3)
    assert figures.hypothesis_count == 6
    assert figures.hypotheses_by_status == dict.fromkeys(HypothesisStatus, 1)
    assert (figures.solution_count, figures.applied_solutions) == (2, 1)
    assert (figures.file_count, figures.total_file_size) == (6, 2048 * 21)
    assert figures.time_to_resolution == timedelta(minutes=40)
    assert (figures.completion, figures.message_count, figures.current_turn) == (1.0, 16, 8)
    assert figures.has_root_cause
    assert figures.has_working_conclusion
    # The only episode is over, and so is the escalation.
    assert not figures.is_degraded
    assert not figures.is_escalated


@given(strategies.cases())
def test_parts_sum_up(case: Case) -> None:
    figures = analyse(case)
    assert sum(figures.evidence_by_category.values()) == figures.evidence_count == len(case.evidence)
    assert sum(figures.hypotheses_by_status.values()) == figures.hypothesis_count
    assert figures.applied_solutions <= figures.solution_count
    assert type(figures).model_validate_json(figures.model_dump_json()) == figures


def test_sizes_are_summed_once_whatever_else_the_case_holds() -> None:
    assert analyse(a_case(uploaded_files=(a_file(1), a_file(2)))).total_file_size == 2048 * 3


def test_warnings_come_in_their_order() -> None:
    full = a_full_case()
    case = an_investigating_case(
        turn_history=tuple(map(a_turn, range(1, 4))),
        current_turn=3,
        turns_without_progress=3,
        degraded_episodes=(full.degraded_episodes[0].replace(exited_at=None),),
        escalations=(full.escalations[0].replace(resolved_at=None),),
    )
    warnings = warnings_of(case)
    assert [(warning.kind, warning.severity) for warning in warnings] == [
        ("stuck", "warning"),
        ("degraded_mode", "error"),
        ("escalation", "info"),
    ]
    assert warnings[1].degraded_mode is DegradedModeType.NO_PROGRESS
    assert warnings[1].fallback == full.degraded_episodes[0].fallback_offered
    stuck_at_its_end = case.replace(degraded_episodes=(), escalations=()).close("abandoned", later(9), "system")
    assert [warning.kind for warning in warnings_of(stuck_at_its_end)] == ["no_documentation"]


def test_a_finished_case_should_be_documented() -> None:
    assert [warning.kind for warning in warnings_of(a_closed_case())] == ["no_documentation"]
    assert warnings_of(a_full_case()) == ()
    assert warnings_of(a_case()) == ()
