"""Documents, chunks and the score by the book."""

from collections.abc import Sequence
from hashlib import sha256
from math import log
from typing import Any

from domain.knowledge import GLOBAL, Chunk, KnowledgeDocument, KnowledgeType, Origin, Scope
from domain.terms import terms
from ports.knowledge import TextHit
from tests.builders import AT, OWNER, an_id

MINE = Scope.for_user(OWNER)
CASE = Scope.for_case(an_id("case", 1))


def a_document(number: int = 1, **overrides: Any) -> KnowledgeDocument:
    """The ``number``-th document, global."""
    content = overrides.get("content", f"Runbook {number}: restart the gateway.")
    values = {
        "document_id": an_id("kb", number, 16),
        "scope": GLOBAL,
        "title": f"Runbook {number}",
        "content": content,
        "content_sha256": sha256(content.encode()).hexdigest(),
        "document_type": KnowledgeType.PLAYBOOK,
        "origin": Origin.UPLOAD,
        "created_by": OWNER,
        "created_at": AT,
        "updated_at": AT,
    }
    return KnowledgeDocument.model_validate({**values, **overrides})


def chunks(document: KnowledgeDocument | int, *texts: str, heading: str = "") -> list[Chunk]:
    """The chunks of a document, one for each text."""
    document_id = an_id("kb", document, 16) if isinstance(document, int) else document.document_id
    return [
        Chunk(
            chunk_id=f"{document_id}:{position}",
            document_id=document_id,
            position=position,
            heading=heading,
            text=text,
        )
        for position, text in enumerate(texts)
    ]


def ids(documents: Sequence[KnowledgeDocument]) -> list[str]:
    """The ids of the documents, in order."""
    return [document.document_id for document in documents]


def places(hits: Sequence[TextHit]) -> list[tuple[int, int]]:
    """Number of the document and position of the chunk of each hit, in order."""
    return [(int(hit.chunk.document_id.removeprefix("kb_"), 16), hit.chunk.position) for hit in hits]


def bm25(query: Sequence[str], chunk: Chunk, store: Sequence[Chunk]) -> float:
    """The score by the book, computed from the texts alone."""
    bags = [terms(f"{each.heading}\n{each.text}") for each in store]
    bag = terms(f"{chunk.heading}\n{chunk.text}")
    mean = sum(map(len, bags)) / len(bags)
    score = 0.0
    for term in set(query):
        having = sum(term in each for each in bags)
        idf = max(log((len(bags) - having + 0.5) / (having + 0.5)), 1e-6)
        count = bag.count(term)
        score += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(bag) / mean))
    return score
