"""The knowledge that a turn is answered with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from application.knowledge import KnowledgeService
from application.questions import questions
from application.retrieval import KnowledgeHit
from domain.access import Actor
from domain.case import Case
from domain.evidence import Evidence
from domain.hypothesis import HypothesisStatus
from domain.knowledge import KnowledgeType
from ports.errors import NotFound
from ports.language_model import Passage

PER_SEARCH = 5
MAX_PASSAGES = 8
SIMILAR_CASES = 2
UNASKED = 0.5
"""Relevance of a document behind a hypothesis where no question found anything to compare it with."""

_TYPES = tuple(item for item in KnowledgeType if item is not KnowledgeType.EVIDENCE)
_DOCUMENT_ID = re.compile(r"kb_[0-9a-f]{16}")
_LEFT = (HypothesisStatus.REFUTED, HypothesisStatus.RETIRED)


async def retrieve(
    knowledge: KnowledgeService, actor: Actor, case: Case, message: str, new_evidence: Sequence[Evidence]
) -> tuple[tuple[Passage, ...], bool]:
    """Passages for the turn, the most relevant first, one a document; and whether the search was complete.

    Whatever is found, the documents that the hypotheses of the case name are among them.

    Raises:
        PortError: the knowledge cannot be searched.
    """
    best: dict[str, KnowledgeHit] = {}
    # All at once: a store that does not answer is waited for once, not once a question.
    searches = [
        asyncio.create_task(knowledge.search(actor, question, case=case, document_types=_TYPES, limit=PER_SEARCH))
        for question in questions(case, message, new_evidence)
    ]
    similar = asyncio.create_task(_similar(knowledge, actor, case))
    try:
        found = await asyncio.gather(*searches)
        for result in found:
            _keep_better(best, result.hits)
        _keep_better(best, await similar)
    finally:
        for task in (*searches, similar):
            task.cancel()
        await asyncio.gather(*searches, similar, return_exceptions=True)
    complete = not any(result.degraded for result in found)
    ranked = sorted(best.values(), key=lambda hit: (-hit.relevance, hit.document.document_id))
    passages = [_passage(hit) for hit in ranked if hit.document.source_key != case.case_id][:MAX_PASSAGES]
    return (*passages, *await _named(knowledge, actor, case, passages)), complete


async def _similar(knowledge: KnowledgeService, actor: Actor, case: Case) -> tuple[KnowledgeHit, ...]:
    return await knowledge.similar_cases(actor, case, limit=SIMILAR_CASES) if case.description else ()


def _keep_better(best: dict[str, KnowledgeHit], hits: Sequence[KnowledgeHit]) -> None:
    for hit in hits:
        known = best.get(hit.document.document_id)
        if known is None or hit.relevance > known.relevance:
            best[hit.document.document_id] = hit


async def _named(knowledge: KnowledgeService, actor: Actor, case: Case, found: Sequence[Passage]) -> list[Passage]:
    """The documents behind the hypotheses, validated or still open, that no question found this time."""
    named = dict.fromkeys(
        document_id
        for hypothesis in case.hypotheses
        if hypothesis.status not in _LEFT
        for document_id in _DOCUMENT_ID.findall(hypothesis.rationale)
    )
    present = {passage.document.document_id for passage in found}
    relevance = found[0].relevance if found else UNASKED
    passages = []
    for document_id in named:
        if document_id in present:
            continue
        try:
            document = await knowledge.get_document(actor, document_id)
        except NotFound:
            # Deleted since: the hypothesis stands on its own words.
            continue
        why = "a hypothesis of this case comes from it"
        passages.append(Passage(document, f"{document_id}:0", document.title, document.content[:500], relevance, why))
    return passages


def _passage(hit: KnowledgeHit) -> Passage:
    return Passage(
        document=hit.document,
        chunk_id=hit.chunk.chunk_id,
        heading=hit.chunk.heading,
        text=hit.chunk.text,
        relevance=hit.relevance,
        why=hit.why,
    )
