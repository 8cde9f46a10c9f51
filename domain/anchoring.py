"""Anchoring: an investigation that clings to one kind of cause, and the demand for alternatives that frees it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from domain.hypotheses import Hypotheses, retire
from domain.hypothesis import ForcedAlternatives, GenerationMode, HypothesisCategory, HypothesisStatus
from domain.likelihood import threshold

FAILED_IN_ONE_CATEGORY = 4
STALE_AFTER_TURNS = 3
GIVEN_UP_AFTER_TURNS = 2
ALTERNATIVES = 2

_FAILED = (HypothesisStatus.REFUTED, HypothesisStatus.INCONCLUSIVE)
_OUT = (HypothesisStatus.REFUTED, HypothesisStatus.RETIRED)


def detect_anchoring(hypotheses: Hypotheses, turn: int) -> ForcedAlternatives | None:
    """What has to be looked for instead, if the investigation is anchored at the end of ``turn``; else None.

    It is anchored when four hypotheses of one category failed and none was validated, when two under test have not
    moved for three turns, or when the most likely one has not moved for three turns and is too unlikely to be
    validated. Hypotheses older than the last forced alternatives do not count as failed again.
    """
    reasons = []
    excluded = _failed_category(hypotheses)
    if excluded:
        reasons.append(f"{FAILED_IN_ONE_CATEGORY} hypotheses of the category {excluded} failed")
    active = [item for item in hypotheses if item.status is HypothesisStatus.ACTIVE]
    stale = [item for item in active if item.stale_turns >= STALE_AFTER_TURNS]
    if len(stale) >= 2:
        reasons.append(f"{len(stale)} hypotheses have not moved for {STALE_AFTER_TURNS} turns")
    top = max(active, key=lambda item: item.likelihood, default=None)
    if top and top in stale and top.likelihood < threshold(None).likelihood:
        reasons.append(f"the most likely hypothesis has not moved for {STALE_AFTER_TURNS} turns")
    if not reasons:
        return None
    return ForcedAlternatives(
        excluded_category=excluded or _dominant_category(hypotheses),
        minimum=ALTERNATIVES,
        demanded_at_turn=turn,
        reasons=tuple(reasons),
    )


def give_up_stale(hypotheses: Hypotheses, demand: ForcedAlternatives, at: datetime) -> Hypotheses:
    """``hypotheses`` without those under test that are of the excluded category and have not moved for two turns."""
    for item in hypotheses:
        if (
            item.status is HypothesisStatus.ACTIVE
            and item.category is demand.excluded_category
            and item.stale_turns >= GIVEN_UP_AFTER_TURNS
        ):
            hypotheses = retire(hypotheses, item.hypothesis_id, at, "given up in favour of alternatives of other kinds")
    return hypotheses


def is_satisfied(demand: ForcedAlternatives, hypotheses: Hypotheses) -> bool:
    """True once enough hypotheses of other categories were made after the demand."""
    newer = [
        item
        for item in hypotheses
        if item.generated_at_turn > demand.demanded_at_turn and item.category is not demand.excluded_category
    ]
    return len(newer) >= demand.minimum


def _failed_category(hypotheses: Hypotheses) -> HypothesisCategory | None:
    forced = [item for item in hypotheses if item.generation_mode is GenerationMode.FORCED_ALTERNATIVE]
    since = max((item.generated_at_turn for item in forced), default=-1)
    validated = {item.category for item in hypotheses if item.status is HypothesisStatus.VALIDATED}
    failed = Counter(item.category for item in hypotheses if item.status in _FAILED and item.generated_at_turn > since)
    return next(
        (
            category
            for category, count in failed.items()
            if count >= FAILED_IN_ONE_CATEGORY and category not in validated
        ),
        None,
    )


def _dominant_category(hypotheses: Hypotheses) -> HypothesisCategory:
    return Counter(item.category for item in hypotheses if item.status not in _OUT).most_common(1)[0][0]
