"""Trouble begins and ends by rule."""

from typing import Any

import pytest

from domain.case import Case
from domain.degraded import confidence_cap, turns_in_episode, update_degraded_mode
from domain.episodes import DegradedChoice, DegradedEpisode, DegradedModeType
from domain.hypothesis import HypothesisStatus
from domain.turn_history import TurnOutcome
from tests.builders import a_hypothesis, a_turn, an_evidence, an_id, an_investigating_case, later

NO_DATA = TurnOutcome.DATA_NOT_PROVIDED
UNDECIDED = a_hypothesis(1, status=HypothesisStatus.INCONCLUSIVE, concluded_at=later(3))


def after_turns(*outcomes: TurnOutcome, idle: int = 0, last: dict[str, Any] | None = None, **values: Any) -> Case:
    turns = [
        a_turn(number, outcome=outcome, actions_taken=(f"action {number}",))
        for number, outcome in enumerate(outcomes, 1)
    ]
    turns[-1] = turns[-1].replace(**(last or {}))
    known = {"turn_history": tuple(turns), "current_turn": len(turns), "turns_without_progress": idle}
    return an_investigating_case(**{**known, **values})


def episode(choice: DegradedChoice | None = None) -> DegradedEpisode:
    return DegradedEpisode(mode_type=DegradedModeType.NO_PROGRESS, entered_at=later(2), reason="r", user_choice=choice)


@pytest.mark.parametrize(
    ("outcomes", "idle", "hypotheses", "mode"),
    [
        ([TurnOutcome.CONVERSATION] * 3, 3, (), "no_progress"),
        ([TurnOutcome.CONVERSATION] * 3, 2, (), None),
        ([NO_DATA] * 3, 3, (), "limited_data"),
        ([NO_DATA] * 3, 0, (), "limited_data"),
        ([NO_DATA] * 2, 2, (), None),
        ([NO_DATA, TurnOutcome.CONVERSATION, NO_DATA, NO_DATA], 3, (), "no_progress"),
        ([NO_DATA] * 3, 3, (UNDECIDED,), "hypothesis_deadlock"),
        ([TurnOutcome.CONVERSATION], 0, (UNDECIDED,), "hypothesis_deadlock"),
        ([TurnOutcome.CONVERSATION], 0, (UNDECIDED, a_hypothesis(2)), None),
    ],
)
def test_trouble_is_recognised(
    outcomes: list[TurnOutcome], idle: int, hypotheses: tuple[Any, ...], mode: str | None
) -> None:
    case = after_turns(*outcomes, idle=idle, hypotheses=hypotheses)
    entered = update_degraded_mode(case, later(20)).degraded_mode
    if mode is None:
        assert entered is None
    else:
        assert entered
        assert (entered.mode_type, entered.entered_at) == (mode, later(20))
        assert entered.reason
        assert entered.fallback_offered
        assert entered.attempted_actions == tuple(f"action {turn.turn_number}" for turn in case.turn_history[-3:])


def test_one_episode_lasts_until_there_is_progress() -> None:
    case = after_turns(*[TurnOutcome.CONVERSATION] * 4, idle=4, degraded_episodes=(episode(),))
    assert update_degraded_mode(case, later(20)) == case


@pytest.mark.parametrize(
    ("choice", "evidence", "reason"),
    [
        (None, (), "progress was made"),
        (None, (an_id("ev", 1),), "progress was made"),
        (DegradedChoice.PROVIDE_MORE_DATA, (), "progress was made"),
        (DegradedChoice.PROVIDE_MORE_DATA, (an_id("ev", 1),), "new evidence arrived"),
    ],
)
def test_the_first_progress_ends_it(choice: DegradedChoice | None, evidence: tuple[str, ...], reason: str) -> None:
    case = after_turns(
        TurnOutcome.DATA_PROVIDED,
        last={"progress_made": True, "evidence_added": evidence},
        evidence=(an_evidence(1),),
        degraded_episodes=(episode(choice),),
    )
    (ended,) = update_degraded_mode(case, later(20)).degraded_episodes
    assert (ended.exited_at, ended.exit_reason) == (later(20), reason)


def test_nothing_begins_in_the_turn_in_which_an_episode_ends_and_later_another_may() -> None:
    values = {"hypotheses": (UNDECIDED,), "degraded_episodes": (episode(),)}
    ended = update_degraded_mode(
        after_turns(TurnOutcome.DATA_PROVIDED, last={"progress_made": True}, **values), later(20)
    )
    assert ended.degraded_mode is None
    again = update_degraded_mode(ended, later(21))
    assert len(again.degraded_episodes) == 2
    assert again.degraded_mode
    assert again.degraded_mode.mode_type is DegradedModeType.HYPOTHESIS_DEADLOCK


def test_figures_of_an_episode() -> None:
    assert confidence_cap(None) == 1
    assert all(0 < confidence_cap(episode().replace(mode_type=mode)) < 1 for mode in DegradedModeType)
    case = after_turns(*[TurnOutcome.CONVERSATION] * 4, degraded_episodes=(episode(),))
    assert turns_in_episode(case) == 2
    assert turns_in_episode(case.replace(degraded_episodes=())) == 0
