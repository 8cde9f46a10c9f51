"""Hybrid retrieval: the same question asked of the full-text index and of the vectors, answered as one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.knowledge import Chunk, KnowledgeDocument
from domain.terms import terms
from ports.knowledge import TextHit
from ports.vectors import VectorHit


@dataclass(frozen=True, slots=True)
class KnowledgeHit:
    """A document that fits, by its best chunk. ``relevance`` is 0 to 1; ``why`` says in words what they share."""

    document: KnowledgeDocument
    chunk: Chunk
    relevance: float
    why: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What fits, best first. ``degraded`` tells that the vectors could not be asked."""

    hits: tuple[KnowledgeHit, ...]
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """A chunk with its relevance."""

    chunk_id: str
    relevance: float
    similarity: float


def fuse(text_hits: Sequence[TextHit], vector_hits: Sequence[VectorHit]) -> list[ScoredChunk]:
    """Both lists as one, best first, without what does not fit."""
    best_text = max((hit.score for hit in text_hits), default=0.0)
    lexical = {hit.chunk.chunk_id: hit.score / (hit.score + 6.0) for hit in text_hits}
    semantic = {hit.id: max(0.0, 1.0 - hit.distance) for hit in vector_hits}
    scored = [
        ScoredChunk(
            chunk_id,
            relevance=min(1.0, 0.65 * semantic.get(chunk_id, 0.0) + 0.35 * lexical.get(chunk_id, 0.0)),
            similarity=semantic.get(chunk_id, 0.0),
        )
        for chunk_id in {*lexical, *semantic}
    ]
    threshold = 0.3 if best_text else 0.35
    kept = [item for item in scored if item.relevance >= threshold]
    return sorted(kept, key=lambda item: (-item.relevance, item.chunk_id))


def explain(query: str, chunk: Chunk, title: str, similarity: float) -> str:
    """Why a chunk fits the query, in words."""
    present = set(terms(f"{title}\n{chunk.heading}\n{chunk.text}"))
    shared = list(dict.fromkeys(term for term in terms(query) if term in present))
    parts = []
    if shared:
        parts.append("shares the words " + ", ".join(shared[:6]))
    if similarity > 0:
        parts.append(f"similar in meaning ({similarity:.2f})")
    return "; ".join(parts) or "related"


def best_per_document(
    scored: Sequence[ScoredChunk], chunks: Mapping[str, Chunk], documents: Mapping[str, KnowledgeDocument], query: str
) -> tuple[KnowledgeHit, ...]:
    """One hit for each document, by its best chunk, in the order of ``scored``; what is unknown is left out."""
    hits: dict[str, KnowledgeHit] = {}
    for item in scored:
        chunk = chunks.get(item.chunk_id)
        document = documents.get(chunk.document_id) if chunk else None
        if chunk and document and document.document_id not in hits:
            why = explain(query, chunk, document.title, item.similarity)
            hits[document.document_id] = KnowledgeHit(document, chunk, item.relevance, why)
    return tuple(hits.values())
