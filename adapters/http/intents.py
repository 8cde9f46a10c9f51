"""What a button of a client means.

Decisions travel inside the ``intent`` object of a suggested action, which clients send back unchanged. The menu and
the plain yes/no buttons of the clients know no decisions, so what they mean follows from the state of the case.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from adapters.http.wire.vocabulary import closure_reason_of, status_of
from domain.case import Case
from domain.errors import InvalidInput
from domain.proposals import DecisionKind, UserDecision
from domain.status import CaseStatus, ClosureReason

KINDS = ("conversation", "status_transition", "confirmation", "hypothesis_action")
_REFUSING = (DecisionKind.REJECT_STATEMENT, DecisionKind.SOLUTION_FAILED)


def encode(decision: UserDecision) -> dict[str, Any]:
    """The ``intent`` of a suggested action that means ``decision``."""
    return {
        "type": "confirmation",
        "confirmation_value": decision.kind not in _REFUSING,
        "decision": decision.model_dump(mode="json", exclude_none=True),
    }


def decode(intent_type: str | None, intent_data: str | None, case: Case) -> tuple[UserDecision, ...]:
    """The decisions that the two fields of a turn mean for this case.

    Raises:
        InvalidInput: the fields are malformed.
    """
    data = _parse(intent_data)
    kind = intent_type or data.get("type") or "conversation"
    if (decision := data.get("decision")) is not None:
        return (_decision(decision),)
    match kind:
        case "conversation" | "hypothesis_action":
            return ()
        case "status_transition":
            return _transition(data, case)
        case "confirmation":
            return _confirmation(data, case)
    accepted = ", ".join(KINDS)
    raise InvalidInput(f"intent_type: {str(kind)[:50]!r} is not known; accepted: {accepted}")


def _parse(intent_data: str | None) -> dict[str, Any]:
    if intent_data is None:
        return {}
    try:
        data = json.loads(intent_data)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise InvalidInput("intent_data: a JSON object was expected")
    return data


def _decision(data: object) -> UserDecision:
    try:
        return UserDecision.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise InvalidInput(f"intent_data.decision: {error.errors()[0]['msg']}") from error


def _transition(data: dict[str, Any], case: Case) -> tuple[UserDecision, ...]:
    target = status_of(data.get("to_state"))
    match target:
        case CaseStatus.INVESTIGATING:
            return (*_confirm(case), UserDecision(kind=DecisionKind.START_INVESTIGATION))
        case CaseStatus.RESOLVED:
            return (UserDecision(kind=DecisionKind.RESOLVE),)
        case CaseStatus.CLOSED:
            reason = data.get("closure_reason")
            usual = ClosureReason.CONSULTING_ONLY if case.status is CaseStatus.CONSULTING else ClosureReason.ABANDONED
            return (
                UserDecision(
                    kind=DecisionKind.CLOSE, closure_reason=usual if reason is None else closure_reason_of(reason)
                ),
            )
    raise InvalidInput("intent_data.to_state: accepted are investigating, resolved and closed")


def _confirm(case: Case) -> tuple[UserDecision, ...]:
    consulting = case.consulting
    if case.status is not CaseStatus.CONSULTING or consulting.problem_statement_confirmed:
        return ()
    if consulting.proposed_problem_statement:
        return (UserDecision(kind=DecisionKind.CONFIRM_STATEMENT),)
    # The menu offers this move before anything was said; then the description is all there is to confirm.
    return (UserDecision(kind=DecisionKind.CONFIRM_STATEMENT, statement=case.description[:1000] or None),)


def _confirmation(data: dict[str, Any], case: Case) -> tuple[UserDecision, ...]:
    yes = data.get("confirmation_value")
    if not isinstance(yes, bool):
        raise InvalidInput("intent_data.confirmation_value: true or false was expected")
    if case.status is CaseStatus.CONSULTING and case.consulting.proposed_problem_statement:
        if not yes:
            confirmed = case.consulting.problem_statement_confirmed
            return () if confirmed else (UserDecision(kind=DecisionKind.REJECT_STATEMENT),)
        return (*_confirm(case), UserDecision(kind=DecisionKind.START_INVESTIGATION))
    if case.status is CaseStatus.INVESTIGATING:
        waiting = [item for item in case.solutions if item.applied_at and item.verified_at is None]
        if waiting:
            kind = DecisionKind.VERIFY_SOLUTION if yes else DecisionKind.SOLUTION_FAILED
            return (UserDecision(kind=kind, solution_id=waiting[-1].solution_id),)
    return ()
