"""Requests for evidence: opened, met by evidence that arrives, withdrawn when nothing needs it any more."""

from __future__ import annotations

from domain.case import Case
from domain.errors import InvalidInput
from domain.evidence import Evidence, EvidenceNeed, EvidenceNeedStatus
from domain.hypotheses import FINAL
from domain.values import search_text

MAX_NEEDS = 100

Needs = tuple[EvidenceNeed, ...]


def open_need(needs: Needs, new: EvidenceNeed) -> Needs:
    """``needs`` with a new request.

    Raises:
        InvalidInput: there are too many already, or the same request is open.
    """
    if len(needs) >= MAX_NEEDS:
        raise InvalidInput(f"a case holds at most {MAX_NEEDS} requests for evidence")
    description = search_text(new.description)
    for need in needs:
        if need.status is EvidenceNeedStatus.OPEN and search_text(need.description) == description:
            raise InvalidInput(f"the request {need.need_id} asks for the same")
    return (*needs, new)


def is_open(needs: Needs) -> bool:
    """True if some evidence is still waited for."""
    return any(need.status is EvidenceNeedStatus.OPEN for need in needs)


def meet_needs(case: Case, new_evidence: tuple[str, ...]) -> Needs:
    """The requests of ``case`` with those met that the new evidence answers, each piece at most one, the oldest first.

    Evidence answers a request that it names, one to test a hypothesis against which it was judged, or one for a
    milestone that it earned.
    """
    needs = case.evidence_needs
    for evidence_id in new_evidence:
        item = case.evidence_item(evidence_id)
        if item is None or any(need.evidence_id == evidence_id for need in needs):
            continue
        open_ones = [need for need in needs if need.status is EvidenceNeedStatus.OPEN]
        named = [need for need in open_ones if need.need_id == item.need_id]
        answered = next(iter(named or [need for need in open_ones if _answers(case, item, need)]), None)
        if answered:
            met = answered.replace(status=EvidenceNeedStatus.MET, evidence_id=evidence_id)
            needs = tuple(met if need is answered else need for need in needs)
    return needs


def withdraw_needs(case: Case) -> Needs:
    """The requests of ``case`` without those open whose milestone stands or whose hypothesis is decided."""
    return tuple(
        need.replace(status=EvidenceNeedStatus.WITHDRAWN)
        if need.status is EvidenceNeedStatus.OPEN and _is_settled(case, need)
        else need
        for need in case.evidence_needs
    )


def _answers(case: Case, item: Evidence, need: EvidenceNeed) -> bool:
    hypothesis = case.hypothesis(need.hypothesis_id) if need.hypothesis_id else None
    if hypothesis and (hypothesis.link(item.evidence_id) or item.hypothesis_id == hypothesis.hypothesis_id):
        return True
    return need.milestone in item.advances


def _is_settled(case: Case, need: EvidenceNeed) -> bool:
    hypothesis = case.hypothesis(need.hypothesis_id) if need.hypothesis_id else None
    if hypothesis and hypothesis.status in FINAL:
        return True
    return need.milestone is not None and case.progress.has(need.milestone)
