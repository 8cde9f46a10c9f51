"""Knowledge documents and what a search finds."""

from __future__ import annotations

from datetime import datetime

from adapters.http.wire.base import Answer
from application.retrieval import KnowledgeHit
from domain.knowledge import KnowledgeDocument
from domain.values import Scalar
from ports.paging import Page

EXCERPT = 300


class DocumentAnswer(Answer):
    """A document. In lists ``content`` is an excerpt."""

    document_id: str
    user_id: str
    title: str
    content: str
    document_type: str
    category: str
    tags: list[str]
    description: str | None
    source_url: str | None
    scope: str
    status: str = "processed"
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, Scalar | None]

    @classmethod
    def of(cls, document: KnowledgeDocument, *, whole: bool = True) -> DocumentAnswer:
        """``document`` for a client; without ``whole`` only the beginning of its text."""
        return cls(
            document_id=document.document_id,
            user_id=document.created_by,
            title=document.title,
            content=document.content if whole else document.content[:EXCERPT],
            document_type=document.document_type,
            category=str(document.metadata.get("category") or document.document_type),
            tags=list(document.tags),
            description=document.description,
            source_url=document.source_url,
            scope=document.scope.kind,
            created_at=document.created_at,
            updated_at=document.updated_at,
            metadata=dict(document.metadata),
        )


class DocumentList(Answer):
    """A page of documents, newest first."""

    documents: list[DocumentAnswer]
    total_count: int
    limit: int
    offset: int

    @classmethod
    def of(cls, page: Page[KnowledgeDocument], limit: int, offset: int) -> DocumentList:
        """The page for a client."""
        rows = [DocumentAnswer.of(document, whole=False) for document in page]
        return cls(documents=rows, total_count=page.total, limit=limit, offset=offset)


class Hit(Answer):
    """A document that fits a question, by its best passage. ``relevance`` is 0 to 1."""

    document_id: str
    title: str
    document_type: str
    scope: str
    heading: str
    passage: str
    relevance: float
    why: str
    case_id: str | None

    @classmethod
    def of(cls, hit: KnowledgeHit) -> Hit:
        """``hit`` for a client."""
        case_id = hit.document.metadata.get("case_id")
        return cls(
            document_id=hit.document.document_id,
            title=hit.document.title,
            document_type=hit.document.document_type,
            scope=hit.document.scope.kind,
            heading=hit.chunk.heading,
            passage=hit.chunk.text,
            relevance=round(hit.relevance, 4),
            why=hit.why,
            case_id=case_id if isinstance(case_id, str) else None,
        )


class SearchAnswer(Answer):
    """What was found, best first. ``degraded`` means that the search by meaning did not work."""

    query: str
    results: list[Hit]
    total_count: int
    degraded: bool
