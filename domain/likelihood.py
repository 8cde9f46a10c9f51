"""The arithmetic of hypotheses: how evidence moves a likelihood, and when a hypothesis is decided.

A likelihood is a pure function of the initial value, the judged evidence and the number of turns without movement. So
it does not depend on the order of the evidence, and judging the same evidence again replaces the first judgement.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from domain.hypothesis import EvidenceLink, EvidenceStance, Hypothesis, HypothesisStatus
from domain.path import InvestigationStrategy

DECAY = 0.85
"""What is left of a likelihood after each further turn without movement; the first such turn is free."""

MOVEMENT = 0.05
"""A smaller change than this is no movement."""

RETIRE_BELOW = 0.30
INCONCLUSIVE_BELOW = 0.70
TESTABLE_ABOVE = 0.20

_SHIFT = {
    EvidenceStance.STRONGLY_SUPPORTS: 0.30,
    EvidenceStance.SUPPORTS: 0.15,
    EvidenceStance.NEUTRAL: 0.0,
    EvidenceStance.CONTRADICTS: -0.20,
    EvidenceStance.STRONGLY_CONTRADICTS: -0.40,
}
_WEIGHT = {EvidenceStance.STRONGLY_SUPPORTS: 2, EvidenceStance.SUPPORTS: 1}


@dataclass(frozen=True, slots=True)
class Threshold:
    """What validates a hypothesis: a likelihood, and support. Strong support counts as two."""

    likelihood: float
    support: int


_THRESHOLDS = {
    None: Threshold(0.70, 2),
    InvestigationStrategy.ACTIVE_INCIDENT: Threshold(0.60, 1),
    InvestigationStrategy.POST_MORTEM: Threshold(0.85, 2),
}


def threshold(strategy: InvestigationStrategy | None) -> Threshold:
    """What validates a hypothesis under ``strategy``; None while no strategy has been decided."""
    return _THRESHOLDS[strategy]


def evidence_likelihood(initial: float, links: Iterable[EvidenceLink]) -> float:
    """The likelihood, 0 to 1, that follows from the evidence alone."""
    # fsum rounds once, so the order of the links cannot show in the last digit.
    total = math.fsum((initial, *(_SHIFT[link.stance] * link.completeness for link in links)))
    return min(1.0, max(0.0, total))


def likelihood(initial: float, links: Iterable[EvidenceLink], stale_turns: int) -> float:
    """The likelihood, 0 to 1, after ``stale_turns`` turns in a row in which the evidence did not move it."""
    return evidence_likelihood(initial, links) * DECAY ** max(0, stale_turns - 1)


def support(hypothesis: Hypothesis) -> int:
    """The weight of the evidence that speaks for it: 1 for each piece, 2 for a strong one."""
    return sum(_WEIGHT.get(link.stance, 0) for link in hypothesis.links)


def verdict(
    hypothesis: Hypothesis, strategy: InvestigationStrategy | None, *, all_evidence_in: bool
) -> HypothesisStatus:
    """The status that the evidence gives the hypothesis; the present one if nothing is decided yet.

    Only an active hypothesis is moved. An unlikely one is refuted if any evidence speaks against it. Without such
    evidence it is merely retired, and not before a turn has passed in which nothing moved it.

    Args:
        strategy: sets the bar for validation; None while none has been decided.
        all_evidence_in: every piece of evidence that was asked for to test it has been judged or cannot be had.
    """
    if hypothesis.status is not HypothesisStatus.ACTIVE:
        return hypothesis.status
    bar = threshold(strategy)
    if hypothesis.likelihood >= bar.likelihood and support(hypothesis) >= bar.support:
        return HypothesisStatus.VALIDATED
    if hypothesis.likelihood < RETIRE_BELOW:
        if hypothesis.refuting_evidence:
            return HypothesisStatus.REFUTED
        return HypothesisStatus.RETIRED if hypothesis.stale_turns else HypothesisStatus.ACTIVE
    if all_evidence_in and hypothesis.likelihood < INCONCLUSIVE_BELOW:
        return HypothesisStatus.INCONCLUSIVE
    return HypothesisStatus.ACTIVE
