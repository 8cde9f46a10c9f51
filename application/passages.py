"""The knowledge that a turn is answered with."""

from __future__ import annotations

from collections.abc import Sequence

from application.knowledge import KnowledgeService
from application.retrieval import KnowledgeHit
from domain.access import Actor
from domain.case import Case
from domain.evidence import Evidence
from domain.knowledge import KnowledgeType
from ports.language_model import Passage

PER_SEARCH = 5
SIMILAR_CASES = 2

_TYPES = tuple(item for item in KnowledgeType if item not in (KnowledgeType.EVIDENCE, KnowledgeType.SOLUTION_PATTERN))
_SUMMARIES = 3


async def retrieve(
    knowledge: KnowledgeService, actor: Actor, case: Case, message: str, new_evidence: Sequence[Evidence]
) -> tuple[tuple[Passage, ...], bool]:
    """Passages for the turn, the most relevant first, one a document; and whether the search was complete.

    The problem is searched for in every turn, so that the documents behind its hypotheses stay at hand whatever the
    latest message is about; then the message with the new evidence; then solved cases that resemble this one.

    Raises:
        PortError: the knowledge cannot be searched.
    """
    stated = case.description or case.consulting.proposed_problem_statement or ""
    shown = [item.summary for item in (case.evidence or ())[:_SUMMARIES]]
    problem = "\n".join(filter(None, (stated, *shown)))
    latest = "\n".join(filter(None, (message, *(item.summary for item in new_evidence[:_SUMMARIES]), *_files(case))))
    hits: list[KnowledgeHit] = []
    complete = True
    for question in dict.fromkeys((problem, latest)):
        if question.strip():
            found = await knowledge.search(actor, question, case=case, document_types=_TYPES, limit=PER_SEARCH)
            hits += found.hits
            complete = complete and not found.degraded
    if case.description:
        hits += await knowledge.similar_cases(actor, case, limit=SIMILAR_CASES)
    elif latest.strip():
        patterns = (KnowledgeType.SOLUTION_PATTERN,)
        found = await knowledge.search(actor, latest, case=case, document_types=patterns, limit=SIMILAR_CASES)
        hits += found.hits
    best: dict[str, KnowledgeHit] = {}
    for hit in hits:
        known = best.get(hit.document.document_id)
        if known is None or hit.relevance > known.relevance:
            best[hit.document.document_id] = hit
    ranked = sorted(best.values(), key=lambda hit: (-hit.relevance, hit.document.document_id))
    return tuple(_passage(hit) for hit in ranked), complete


def _files(case: Case) -> list[str]:
    """While nothing is evidence yet, the files speak by their summaries."""
    if case.evidence:
        return []
    return [file.preprocessing_summary or "" for file in case.uploaded_files[-_SUMMARIES:]]


def _passage(hit: KnowledgeHit) -> Passage:
    return Passage(
        document=hit.document,
        chunk_id=hit.chunk.chunk_id,
        heading=hit.chunk.heading,
        text=hit.chunk.text,
        relevance=hit.relevance,
        why=hit.why,
    )
