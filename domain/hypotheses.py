"""The life of the hypotheses of a case: added, promoted, judged against evidence, aged, concluded.

    captured -> active -> validated | refuted | inconclusive | retired

New evidence takes an inconclusive hypothesis up again; the other three ends are final for every rule in here.
What changes the hypotheses of a case takes them as a tuple and returns another tuple in the same order.
"""

from __future__ import annotations

from datetime import datetime

from domain.errors import InvalidInput, UnknownReference
from domain.evidence import EvidenceNeed, EvidenceNeedStatus
from domain.hypothesis import EvidenceLink, GenerationMode, Hypothesis, HypothesisStatus
from domain.likelihood import MOVEMENT, TESTABLE_ABOVE, evidence_likelihood, likelihood, verdict
from domain.path import InvestigationStrategy
from domain.values import search_text

Hypotheses = tuple[Hypothesis, ...]

MAX_HYPOTHESES = 50
MAX_TESTABLE = 3

FINAL = (HypothesisStatus.VALIDATED, HypothesisStatus.REFUTED, HypothesisStatus.RETIRED)
OPEN = (HypothesisStatus.CAPTURED, HypothesisStatus.ACTIVE)

_REASONS = {
    HypothesisStatus.VALIDATED: "the evidence supports it",
    HypothesisStatus.REFUTED: "the evidence contradicts it",
    HypothesisStatus.INCONCLUSIVE: "the evidence that was asked for does not decide it",
    HypothesisStatus.RETIRED: "nothing has supported it for too long",
}


def find(hypotheses: Hypotheses, hypothesis_id: str) -> Hypothesis:
    """The hypothesis with this id.

    Raises:
        UnknownReference: there is none.
    """
    for item in hypotheses:
        if item.hypothesis_id == hypothesis_id:
            return item
    raise UnknownReference("hypothesis", hypothesis_id)


def add(hypotheses: Hypotheses, new: Hypothesis) -> Hypotheses:
    """``hypotheses`` with a new one at the end.

    Raises:
        InvalidInput: there are too many already, or one that says the same.
    """
    if len(hypotheses) >= MAX_HYPOTHESES:
        raise InvalidInput(f"a case holds at most {MAX_HYPOTHESES} hypotheses")
    statement = search_text(new.statement)
    for item in hypotheses:
        if search_text(item.statement) == statement:
            raise InvalidInput(f"the hypothesis {item.hypothesis_id} ({item.status}) says the same")
    return (*hypotheses, new)


def initial_status(mode: GenerationMode) -> HypothesisStatus:
    """A chance find waits for its turn; one that was sought is tested at once."""
    return HypothesisStatus.CAPTURED if mode is GenerationMode.OPPORTUNISTIC else HypothesisStatus.ACTIVE


def promote(hypothesis: Hypothesis, at: datetime) -> Hypothesis:
    """The hypothesis under test, if it was waiting or undecided; otherwise as it is."""
    if hypothesis.status not in (HypothesisStatus.CAPTURED, HypothesisStatus.INCONCLUSIVE):
        return hypothesis
    return _settled(
        hypothesis,
        status=HypothesisStatus.ACTIVE,
        tested_at=hypothesis.tested_at or at,
        stale_turns=0,
        concluded_at=None,
        conclusion_reason=None,
    )


def promote_next(hypotheses: Hypotheses, at: datetime) -> Hypotheses:
    """If nothing is under test any more, the most likely waiting hypotheses come to their turn, at most three."""
    if any(item.status is HypothesisStatus.ACTIVE for item in hypotheses):
        return hypotheses
    waiting = [item for item in hypotheses if item.status is HypothesisStatus.CAPTURED]
    chosen = {item.hypothesis_id for item in _by_likelihood(waiting)[:MAX_TESTABLE]}
    return tuple(promote(item, at) if item.hypothesis_id in chosen else item for item in hypotheses)


def link_evidence(hypotheses: Hypotheses, hypothesis_id: str, link: EvidenceLink, at: datetime) -> Hypotheses:
    """``hypotheses`` with the judgement of one piece of evidence; an earlier judgement of the same piece is replaced.

    Raises:
        UnknownReference: there is no such hypothesis.
        InvalidInput: the hypothesis is validated, refuted or retired.
    """
    target = _unfinished(hypotheses, hypothesis_id)
    others = tuple(item for item in target.links if item.evidence_id != link.evidence_id)
    return _exchange(hypotheses, _settled(promote(target, at), links=(*others, link)))


def unlink_evidence(hypotheses: Hypotheses, hypothesis_id: str, evidence_id: str) -> Hypotheses:
    """``hypotheses`` without the judgement of this evidence, which turned out to be irrelevant.

    Raises:
        UnknownReference, InvalidInput: see `link_evidence`.
    """
    target = _unfinished(hypotheses, hypothesis_id)
    return _exchange(
        hypotheses, _settled(target, links=tuple(item for item in target.links if item.evidence_id != evidence_id))
    )


def conclude(
    hypotheses: Hypotheses, hypothesis_id: str, status: HypothesisStatus, at: datetime, reason: str
) -> Hypotheses:
    """``hypotheses`` with one of them concluded as ``status``.

    Raises:
        UnknownReference: there is no such hypothesis.
    """
    target = find(hypotheses, hypothesis_id)
    return _exchange(hypotheses, target.replace(status=status, concluded_at=at, conclusion_reason=reason))


def retire(hypotheses: Hypotheses, hypothesis_id: str, at: datetime, reason: str) -> Hypotheses:
    """``hypotheses`` with one of them given up.

    Raises:
        UnknownReference, InvalidInput: see `link_evidence`.
    """
    _unfinished(hypotheses, hypothesis_id)
    return conclude(hypotheses, hypothesis_id, HypothesisStatus.RETIRED, at, reason)


def age(before: Hypotheses, hypotheses: Hypotheses) -> Hypotheses:
    """``hypotheses`` at the end of a turn at whose start they were ``before``.

    Decay follows from the count of turns in which the evidence did not move an active hypothesis, so movement is
    measured on the evidence alone.
    """
    earlier = {item.hypothesis_id: item for item in before if item.status is HypothesisStatus.ACTIVE}
    return tuple(_aged(earlier.get(item.hypothesis_id), item) for item in hypotheses)


def judge(
    hypotheses: Hypotheses,
    needs: tuple[EvidenceNeed, ...],
    strategy: InvestigationStrategy | None,
    at: datetime,
) -> Hypotheses:
    """``hypotheses`` with each active one concluded if the evidence decides it."""
    judged = hypotheses
    for item in hypotheses:
        status = verdict(item, strategy, all_evidence_in=all_evidence_in(item, needs))
        if status is not item.status:
            judged = conclude(judged, item.hypothesis_id, status, at, _REASONS[status])
    return judged


def all_evidence_in(hypothesis: Hypothesis, needs: tuple[EvidenceNeed, ...]) -> bool:
    """True if something was asked for to test the hypothesis, and all of it has been judged or cannot be had."""
    own = [need for need in needs if need.hypothesis_id == hypothesis.hypothesis_id]
    return bool(own) and all(
        need.status is EvidenceNeedStatus.BLOCKED
        or (need.evidence_id is not None and hypothesis.link(need.evidence_id) is not None)
        for need in own
    )


def next_to_test(hypotheses: Hypotheses) -> Hypotheses:
    """The at most three hypotheses to test next, the most likely first; ties stay in the order of creation."""
    return _by_likelihood(
        [item for item in hypotheses if item.status is HypothesisStatus.ACTIVE and item.likelihood > TESTABLE_ABOVE]
    )[:MAX_TESTABLE]


def is_deadlocked(hypotheses: Hypotheses) -> bool:
    """True if a hypothesis is inconclusive and no other is waiting, under test or validated."""
    alive = [item for item in hypotheses if item.status not in (HypothesisStatus.REFUTED, HypothesisStatus.RETIRED)]
    return bool(alive) and all(item.status is HypothesisStatus.INCONCLUSIVE for item in alive)


def is_exhausted(hypotheses: Hypotheses) -> bool:
    """True if there were hypotheses and all of them are refuted or retired."""
    given_up = (HypothesisStatus.REFUTED, HypothesisStatus.RETIRED)
    return bool(hypotheses) and all(item.status in given_up for item in hypotheses)


def _unfinished(hypotheses: Hypotheses, hypothesis_id: str) -> Hypothesis:
    target = find(hypotheses, hypothesis_id)
    if target.status in FINAL:
        raise InvalidInput(f"the hypothesis {hypothesis_id} is already {target.status}")
    return target


def _aged(before: Hypothesis | None, now: Hypothesis) -> Hypothesis:
    if now.status is not HypothesisStatus.ACTIVE or before is None:
        return now
    moved = evidence_likelihood(now.initial_likelihood, now.links) - evidence_likelihood(
        before.initial_likelihood, before.links
    )
    return _settled(now, stale_turns=0 if abs(moved) >= MOVEMENT else before.stale_turns + 1)


def _settled(hypothesis: Hypothesis, **changes: object) -> Hypothesis:
    changed = hypothesis.replace(**changes)
    return changed.replace(likelihood=likelihood(changed.initial_likelihood, changed.links, changed.stale_turns))


def _exchange(hypotheses: Hypotheses, changed: Hypothesis) -> Hypotheses:
    return tuple(changed if item.hypothesis_id == changed.hypothesis_id else item for item in hypotheses)


def _by_likelihood(hypotheses: list[Hypothesis]) -> Hypotheses:
    # sorted() is stable, also in reverse: ties keep the order of creation.
    return tuple(sorted(hypotheses, key=lambda item: item.likelihood, reverse=True))
