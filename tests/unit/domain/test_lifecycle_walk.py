"""Random walks through the life of cases: whatever comes in, every rule holds after every turn."""

import os
from collections import Counter

import pytest

from domain.case import Case
from domain.errors import DomainError
from domain.hypothesis import HypothesisStatus
from domain.likelihood import likelihood
from domain.milestones import Milestone
from domain.turn import TurnResult, apply_turn
from domain.turn_events import EventKind
from domain.turn_history import TurnOutcome
from tests.builders import a_case
from tests.walks import Walker

TRANSITIONS = 1_000_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 20_000
LONGEST_WALK = 60


EXPECTED = (
    "refused",
    *(f"event {kind}" for kind in EventKind),
    *(f"outcome {outcome}" for outcome in TurnOutcome),
    *(f"status {status}" for status in ("investigating", "resolved", "closed")),
    *(f"hypothesis {status}" for status in ("validated", "refuted", "inconclusive", "retired")),
    *(
        f"error {error}"
        for error in (
            "BadClosureReason",
            "IllegalTransition",
            "InvalidInput",
            "MissingPrerequisite",
            "UnknownReference",
        )
    ),
)
"""What the walks have to come across, so that they prove something."""


def check(before: Case, result: TurnResult) -> None:
    """Every rule that a turn has to keep."""
    after = result.case
    assert Case.model_validate(dict(after)) == after
    assert after.current_turn == before.current_turn + 1
    assert after.turn_history[-1] == result.progress
    assert after.turn_history[:-1] == before.turn_history
    assert after.status_history[: len(before.status_history)] == before.status_history
    assert after.version == before.version
    assert after.updated_at >= before.updated_at
    assert {file.file_id for file in before.uploaded_files} <= {file.file_id for file in after.uploaded_files}
    assert [item.evidence_id for item in before.evidence] == [
        item.evidence_id for item in after.evidence[: len(before.evidence)]
    ]
    check_milestones(before, after)
    check_hypotheses(before, after)
    check_statement(before, after)
    assert after.progress.has(Milestone.ROOT_CAUSE_IDENTIFIED) == (after.root_cause_conclusion is not None)
    if after.status == "investigating":
        assert not after.progress.has(Milestone.SOLUTION_VERIFIED)
        assert after.working_conclusion is not None
        assert after.turn_history[-1].working_confidence == after.working_conclusion.confidence
        assert (after.turns_without_progress == 0) == result.progress.progress_made


def check_milestones(before: Case, after: Case) -> None:
    retracted = {entry.milestone for entry in after.progress.retracted[len(before.progress.retracted) :]}
    for milestone in Milestone:
        if before.progress.has(milestone) and milestone not in retracted:
            assert after.progress.record(milestone) == before.progress.record(milestone)
    fixes = [item for item in after.solutions if not item.is_mitigation]
    works = [item for item in fixes if item.applied_at and not item.has_failed]
    assert after.progress.has(Milestone.SOLUTION_APPLIED) == bool(works)
    assert after.progress.has(Milestone.SOLUTION_VERIFIED) == any(item.has_worked for item in fixes)
    mitigations = [item for item in after.solutions if item.is_mitigation]
    relief = any(item.applied_at and not item.has_failed for item in mitigations)
    assert after.progress.has(Milestone.MITIGATION_APPLIED) == relief


def check_hypotheses(before: Case, after: Case) -> None:
    assert [item.hypothesis_id for item in before.hypotheses] == [
        item.hypothesis_id for item in after.hypotheses[: len(before.hypotheses)]
    ]
    retracted = len(after.progress.retracted) > len(before.progress.retracted)
    for item in after.hypotheses:
        assert item.likelihood == likelihood(item.initial_likelihood, item.links, item.stale_turns)
        earlier = before.hypothesis(item.hypothesis_id)
        if earlier and earlier.status in (HypothesisStatus.REFUTED, HypothesisStatus.RETIRED):
            assert item == earlier
        if earlier and earlier.status is HypothesisStatus.VALIDATED and not retracted:
            assert item == earlier


def check_statement(before: Case, after: Case) -> None:
    if before.consulting.problem_statement_confirmed:
        assert after.consulting.proposed_problem_statement == before.consulting.proposed_problem_statement
        assert after.consulting.problem_statement_confirmed_at == before.consulting.problem_statement_confirmed_at
    if after.status == "consulting":
        untouched = a_case()
        for part in ("problem_verification", "path_selection", "progress", "evidence", "hypotheses", "solutions"):
            assert getattr(after, part) == getattr(untouched, part)
    if before.description:
        assert after.description == before.description


@pytest.mark.slow
@pytest.mark.timeout(3600 if TRANSITIONS > 20_000 else 300)
def test_every_rule_holds_after_every_turn() -> None:
    seen: Counter[str] = Counter()
    seed = transitions = 0
    while transitions < TRANSITIONS:
        seed += 1
        walker, case = Walker(seed), a_case(seed)
        for step in range(LONGEST_WALK):
            turn = walker.turn(case)
            transitions += 1
            try:
                result = apply_turn(case, turn)
            except DomainError as error:
                seen[f"error {type(error).__name__}"] += 1
                continue
            except Exception as error:
                raise AssertionError(f"seed {seed}, step {step}") from error
            try:
                check(case, result)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, step {step}: {error}") from error
            seen.update(f"event {event.kind}" for event in result.events)
            seen.update(f"status {event.subject}" for event in result.events if event.kind == "status_changed")
            seen.update(f"hypothesis {event.detail}" for event in result.events if event.kind == "hypothesis_concluded")
            seen[f"outcome {result.progress.outcome}"] += 1
            seen["refused"] += len(result.refused)
            case = result.case
            if case.status.is_terminal:
                break
    assert transitions >= TRANSITIONS
    missing = {*EXPECTED} - {*seen}
    assert not missing, f"the walks never came to: {sorted(missing)}"
