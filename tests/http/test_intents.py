"""What the buttons of the clients mean."""

import json
from typing import Any

import pytest

from adapters.http import intents
from domain.case import Case
from domain.errors import InvalidInput
from domain.path import InvestigationPath
from domain.problem import ConsultingData
from domain.proposals import DecisionKind, UserDecision
from domain.status import ClosureReason
from tests.builders import a_case, a_confirmed_consultation, a_solution, an_investigating_case, later

PROPOSED = ConsultingData(proposed_problem_statement="db-1 is slow")
YES, NO = {"confirmation_value": True}, {"confirmation_value": False}
K = DecisionKind


def decoded(case: Case, kind: str | None, data: Any) -> list[DecisionKind]:
    return [item.kind for item in intents.decode(kind, None if data is None else json.dumps(data), case)]


def test_the_menu_confirms_what_has_to_be_confirmed_and_starts() -> None:
    go = {"type": "status_transition", "from_state": "inquiry", "to_state": "investigating", "user_confirmed": True}
    assert decoded(a_case(consulting=PROPOSED), "status_transition", go) == [K.CONFIRM_STATEMENT, K.START_INVESTIGATION]
    confirmed = a_case(consulting=a_confirmed_consultation())
    assert decoded(confirmed, "status_transition", go) == [K.START_INVESTIGATION]
    described = a_case(description="db-1 is slow", consulting=ConsultingData())
    first, _ = intents.decode("status_transition", json.dumps(go), described)
    assert first.statement == "db-1 is slow"
    assert decoded(an_investigating_case(), "status_transition", go) == [K.START_INVESTIGATION]


def test_the_menu_resolves_and_closes_with_a_reason_that_fits() -> None:
    assert decoded(an_investigating_case(), "status_transition", {"to_state": "resolved"}) == [K.RESOLVE]
    for case, data, reason in [
        (a_case(), {"to_state": "closed"}, ClosureReason.CONSULTING_ONLY),
        (an_investigating_case(), {"to_state": "closed"}, ClosureReason.ABANDONED),
        (an_investigating_case(), {"to_state": "closed", "closure_reason": "duplicate"}, ClosureReason.DUPLICATE),
        (a_case(), {"to_state": "closed", "closure_reason": None}, ClosureReason.CONSULTING_ONLY),
    ]:
        (decision,) = intents.decode("status_transition", json.dumps(data), case)
        assert (decision.kind, decision.closure_reason) == (K.CLOSE, reason)


@pytest.mark.parametrize(
    ("case", "data", "kinds"),
    [
        (a_case(consulting=PROPOSED), YES, [K.CONFIRM_STATEMENT, K.START_INVESTIGATION]),
        (a_case(consulting=PROPOSED), NO, [K.REJECT_STATEMENT]),
        (a_case(consulting=a_confirmed_consultation()), YES, [K.START_INVESTIGATION]),
        (a_case(consulting=a_confirmed_consultation()), NO, []),
        (a_case(consulting=ConsultingData()), YES, []),
        (an_investigating_case(), YES, []),
        (an_investigating_case(solutions=(a_solution(),)), YES, []),
    ],
)
def test_yes_and_no_answer_what_the_case_waits_for(
    case: Case, data: dict[str, bool], kinds: list[DecisionKind]
) -> None:
    assert decoded(case, "confirmation", data) == kinds
    assert decoded(case, None, {"type": "confirmation", **data}) == kinds


def test_yes_and_no_judge_the_solution_that_was_applied_last() -> None:
    applied = [a_solution(number, applied_at=later(20), applied_by="user_000000000001") for number in (1, 2)]
    case = an_investigating_case(solutions=tuple(applied))
    for data, kind in ((YES, K.VERIFY_SOLUTION), (NO, K.SOLUTION_FAILED)):
        (decision,) = intents.decode("confirmation", json.dumps(data), case)
        assert (decision.kind, decision.solution_id) == (kind, applied[1].solution_id)


@pytest.mark.parametrize(
    "decision",
    [
        UserDecision(kind=K.CONFIRM_STATEMENT),
        UserDecision(kind=K.REJECT_STATEMENT),
        UserDecision(kind=K.CHOOSE_PATH, path=InvestigationPath.ROOT_CAUSE),
        UserDecision(kind=K.VERIFY_SOLUTION, solution_id="sol_000000000001", effectiveness=0.75),
        UserDecision(kind=K.CLOSE, closure_reason=ClosureReason.DUPLICATE, reason="see the other one"),
    ],
)
def test_a_decision_comes_back_as_it_went_out(decision: UserDecision) -> None:
    intent = json.loads(json.dumps(intents.encode(decision)))
    assert intent["type"] in intents.KINDS
    assert intents.decode(intent["type"], json.dumps(intent), a_case()) == (decision,)
    assert intent["confirmation_value"] is (decision.kind is not K.REJECT_STATEMENT)


def test_nothing_means_conversation() -> None:
    assert decoded(a_case(), None, None) == []
    assert decoded(a_case(), "conversation", {}) == []


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("dance", "{}"),
        (None, '{"type": ["confirmation"]}'),
        ("confirmation", '{"confirmation_value": "yes"}'),
        ("confirmation", "null"),
        ("confirmation", "NaN"),
        ("status_transition", "{}"),
        ("status_transition", '{"to_state": "inquiry"}'),
        (None, '{"decision": {"kind": "choose_path"}}'),
        (None, '{"decision": {"kind": "close", "unknown": 1}}'),
        (None, '{"decision": {"kind": "verify_solution", "solution_id": "sol_000000000001", "effectiveness": NaN}}'),
        (None, '{"decision": []}'),
    ],
)
def test_anything_else_is_refused(kind: str | None, data: str) -> None:
    with pytest.raises(InvalidInput):
        intents.decode(kind, data, a_case())
