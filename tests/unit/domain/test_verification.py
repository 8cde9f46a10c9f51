"""Readings of the problem, paths and strategies."""

from datetime import timedelta
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.path import InvestigationPath, InvestigationStrategy, select_path
from domain.problem import ProblemVerification, Severity, TemporalState, UrgencyLevel
from domain.proposals import ProblemReading
from domain.verification import (
    MAX_LISTED,
    choose_path,
    confirm_reading,
    select_strategy,
    update_path,
    verify_reading,
)
from tests.builders import AT, OWNER, later

ONGOING, HISTORICAL = TemporalState
MITIGATION_FIRST, ROOT_CAUSE, USER_CHOICE = InvestigationPath


def problem(**values: Any) -> ProblemVerification:
    return ProblemVerification.model_validate({"symptom_statement": "502", "noticed_at": AT, **values})


class TestPathMatrix:
    @pytest.mark.parametrize(
        ("state", "urgency", "path"),
        [
            (ONGOING, "critical", MITIGATION_FIRST),
            (ONGOING, "high", MITIGATION_FIRST),
            (ONGOING, "medium", USER_CHOICE),
            (ONGOING, "low", ROOT_CAUSE),
            (HISTORICAL, "critical", USER_CHOICE),
            (HISTORICAL, "high", USER_CHOICE),
            (HISTORICAL, "medium", ROOT_CAUSE),
            (HISTORICAL, "low", ROOT_CAUSE),
        ],
    )
    def test_urgency_and_time_select_it(self, state: TemporalState, urgency: str, path: InvestigationPath) -> None:
        selection = select_path(state, UrgencyLevel(urgency), AT)
        assert selection
        assert selection.path is path
        assert selection.auto_selected == (path is not USER_CHOICE)
        others = {MITIGATION_FIRST: ROOT_CAUSE, ROOT_CAUSE: MITIGATION_FIRST, USER_CHOICE: None}
        assert selection.alternate_path is others[path]
        assert (selection.temporal_state, selection.urgency_level) == (state, urgency)
        assert (selection.selected_at, selection.selected_by) == (AT, "system")

    @pytest.mark.parametrize("state", [None, *TemporalState])
    def test_what_is_unknown_selects_nothing(self, state: TemporalState | None) -> None:
        assert select_path(state, UrgencyLevel.UNKNOWN, AT) is None
        assert select_path(None, UrgencyLevel.HIGH, AT) is None


class TestPathUpdates:
    def test_a_path_follows_the_reading_until_the_user_chooses(self) -> None:
        first = update_path(None, problem(temporal_state=ONGOING, urgency_level="medium"), AT)
        assert first
        assert first.path is USER_CHOICE
        urgent = problem(temporal_state=ONGOING, urgency_level="high")
        second = update_path(first, urgent, later(1))
        assert second
        assert second.path is MITIGATION_FIRST
        chosen = choose_path(urgent, ROOT_CAUSE, later(2), OWNER)
        assert update_path(chosen, problem(temporal_state=HISTORICAL, urgency_level="high"), later(3)) == chosen

    def test_the_same_reading_keeps_the_selection_and_its_time(self) -> None:
        known = problem(temporal_state=ONGOING, urgency_level="low")
        selection = update_path(None, known, AT)
        assert update_path(selection, known, later(5)) == selection
        assert update_path(selection, problem(), later(5)) == selection
        assert update_path(None, problem(), later(5)) is None

    def test_a_choice_of_the_user_is_recorded(self) -> None:
        chosen = choose_path(problem(temporal_state=ONGOING, urgency_level="low"), MITIGATION_FIRST, AT, OWNER)
        assert (chosen.path, chosen.alternate_path, chosen.auto_selected) == (MITIGATION_FIRST, ROOT_CAUSE, False)
        assert (chosen.selected_by, chosen.temporal_state, chosen.urgency_level) == (OWNER, ONGOING, "low")
        assert choose_path(None, ROOT_CAUSE, AT, OWNER).urgency_level is None
        with pytest.raises(InvalidInput, match="mitigation_first, root_cause"):
            choose_path(problem(), USER_CHOICE, AT, OWNER)


class TestStrategy:
    @pytest.mark.parametrize(
        ("values", "strategy"),
        [
            ({}, None),
            ({"urgency_level": "critical"}, "active_incident"),
            ({"urgency_level": "high", "temporal_state": HISTORICAL}, "active_incident"),
            ({"severity": "high"}, "active_incident"),
            ({"severity": "critical", "temporal_state": HISTORICAL}, "active_incident"),
            ({"temporal_state": HISTORICAL, "urgency_level": "medium"}, "post_mortem"),
            ({"started_at": AT - timedelta(hours=25)}, "post_mortem"),
            ({"started_at": AT - timedelta(hours=24)}, None),
            ({"started_at": AT - timedelta(hours=24), "temporal_state": ONGOING}, "active_incident"),
            ({"severity": "low"}, "active_incident"),
            ({"urgency_level": "low"}, "active_incident"),
        ],
    )
    def test_urgency_goes_first_then_age(self, values: dict[str, Any], strategy: str | None) -> None:
        assert select_strategy(problem(**values)) == strategy

    def test_nothing_known_decides_nothing(self) -> None:
        assert select_strategy(None) is None
        assert {strategy.value for strategy in InvestigationStrategy} == {"active_incident", "post_mortem"}


class TestReadings:
    def test_a_first_reading_has_defaults(self) -> None:
        first = confirm_reading(None, ProblemReading(), AT)
        assert (first.problem_type, first.severity_guess, first.preliminary_guidance) == ("other", "unknown", "")
        assert first.created_at == AT

    def test_a_later_reading_adds_and_does_not_forget(self) -> None:
        first = confirm_reading(None, ProblemReading(problem_type="slowness", severity="high", guidance="wait"), AT)
        second = confirm_reading(first, ProblemReading(severity=Severity.UNKNOWN), later(5))
        assert second == first
        third = confirm_reading(first, ProblemReading(severity=Severity.LOW, guidance="look"), later(5))
        assert (third.severity_guess, third.preliminary_guidance, third.created_at) == ("low", "look", AT)

    def test_what_is_known_stays_and_lists_grow(self) -> None:
        known = problem(severity="high", urgency_level="low", affected_services=("a", "b"), user_impact="orders")
        reading = ProblemReading(
            severity=Severity.UNKNOWN,
            urgency_level=UrgencyLevel.MEDIUM,
            temporal_state=ONGOING,
            affected_services=("b", "c", " "),
            symptom_indicators=("502", "502"),
            affected_users="all",
            started_at=later(-5),
        )
        read = verify_reading(known, reading)
        assert (read.severity, read.urgency_level, read.temporal_state) == ("high", "medium", ONGOING)
        assert read.affected_services == ("a", "b", "c")
        assert read.symptom_indicators == ("502",)
        assert (read.affected_users, read.user_impact, read.started_at) == ("all", "orders", later(-5))
        assert verify_reading(read, ProblemReading()) == read

    @pytest.mark.parametrize("ends", [{"noticed_at": AT}, {"noticed_at": None, "resolved_naturally_at": AT}])
    def test_nothing_starts_after_it_was_noticed(self, ends: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput, match="noticed"):
            verify_reading(problem(**ends), ProblemReading(started_at=later(1)))

    def test_without_other_times_it_may_start_at_any_time(self) -> None:
        assert verify_reading(problem(noticed_at=None), ProblemReading(started_at=later(1))).started_at == later(1)

    def test_lists_have_an_upper_bound(self) -> None:
        full = tuple(f"service {number}" for number in range(MAX_LISTED))
        known = problem(affected_services=full)
        assert verify_reading(known, ProblemReading(affected_services=("service 3",))).affected_services == full
        with pytest.raises(InvalidInput, match="at most 50 affected services"):
            verify_reading(known, ProblemReading(affected_services=("one more",)))
