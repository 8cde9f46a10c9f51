"""The buttons: one for each decision that the case waits for, and each of them legal."""

import pytest

from application.next_steps import open_decisions
from domain.case import Case
from domain.decisions import close, closes, decide
from domain.episodes import DegradedEpisode, DegradedModeType
from domain.milestones import InvestigationProgress, Milestone
from domain.path import InvestigationPath, PathSelection
from domain.problem import ConsultingData
from domain.proposals import DecisionKind
from ports.language_model import ActionType
from tests.builders import (
    OWNER,
    a_case,
    a_closed_case,
    a_confirmed_consultation,
    a_record,
    a_resolved_case,
    a_solution,
    an_investigating_case,
    later,
)

DEGRADED = DegradedEpisode(mode_type=DegradedModeType.NO_PROGRESS, entered_at=later(2), reason="no progress")
CHOICE = PathSelection(
    path=InvestigationPath.USER_CHOICE, auto_selected=False, rationale="x", selected_at=later(2), selected_by="system"
)
APPLIED = a_solution(1, applied_at=later(5), applied_by=OWNER)
VERIFIED = InvestigationProgress(
    completed=tuple(
        map(a_record, (Milestone.SOLUTION_PROPOSED, Milestone.SOLUTION_APPLIED, Milestone.SOLUTION_VERIFIED))
    )
)

CASES = {
    "nothing said": (a_case(), []),
    "a statement is proposed": (
        a_case(consulting=ConsultingData(proposed_problem_statement="Checkout fails")),
        [DecisionKind.CONFIRM_STATEMENT, DecisionKind.REJECT_STATEMENT],
    ),
    "the statement is confirmed": (
        a_case(consulting=a_confirmed_consultation(decided_to_investigate_at=None)),
        [DecisionKind.START_INVESTIGATION],
    ),
    "both paths are sensible": (an_investigating_case(path_selection=CHOICE), [DecisionKind.CHOOSE_PATH] * 2),
    "a solution is proposed": (an_investigating_case(solutions=(a_solution(1),)), [DecisionKind.APPLY_SOLUTION]),
    "many are proposed": (
        an_investigating_case(solutions=tuple(a_solution(number) for number in range(1, 6))),
        [DecisionKind.APPLY_SOLUTION] * 3,
    ),
    "a solution is applied": (
        an_investigating_case(solutions=(APPLIED,), progress=VERIFIED.replace(completed=VERIFIED.completed[:2])),
        [DecisionKind.VERIFY_SOLUTION, DecisionKind.SOLUTION_FAILED],
    ),
    "no progress": (an_investigating_case(degraded_episodes=(DEGRADED,)), [DecisionKind.DEGRADED_CHOICE] * 3),
    "verified": (an_investigating_case(progress=VERIFIED), [DecisionKind.RESOLVE]),
    "resolved": (a_resolved_case(), []),
    "closed": (a_closed_case(), []),
}


@pytest.mark.parametrize(("case", "kinds"), CASES.values(), ids=CASES)
def test_each_state_has_its_buttons_and_each_button_works(case: Case, kinds: list[DecisionKind]) -> None:
    actions = open_decisions(case)

    assert [action.decision.kind for action in actions if action.decision] == kinds
    for action in actions:
        assert action.type is ActionType.DECIDE
        assert action.label
        assert action.payload
        assert action.decision
        if closes(action.decision):
            close(case, action.decision, later(30), OWNER)
        else:
            decide(case, action.decision, later(30), OWNER)
