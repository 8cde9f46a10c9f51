"""Knowledge documents, their chunks and the full-text index over the chunks.

Promise: a document and its chunks are written together, and found by their words as soon as the write has returned.
The index works on the terms that the domain makes of a text (`domain.terms.terms`), the same in every adapter.
Vectors are kept elsewhere (`ports.vectors`); this is the truth against which each vector hit is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Scope
from ports.paging import Page


@dataclass(frozen=True, slots=True)
class TextHit:
    """A chunk found by its words. ``score`` is its BM25 score (k1 = 1.2, b = 0.75); larger is better."""

    chunk: Chunk
    score: float


class KnowledgeRepository(Protocol):
    """Keeps knowledge documents."""

    async def save(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> KnowledgeDocument:
        """Insert the document (``version`` 0) or update it, replacing all of its chunks, all or nothing.

        Returns the document as stored, with ``version`` + 1.

        Raises:
            Conflict: see `ports.cases.CaseRepository.save`.
            AlreadyExists: another document of the scope has the same ``source_key``.
        """
        ...

    async def get(self, document_id: str) -> KnowledgeDocument | None:
        """The document, or None."""
        ...

    async def get_by_source(self, scope: Scope, source_key: str) -> KnowledgeDocument | None:
        """The document of the scope with this source key, or None."""
        ...

    async def get_chunks(self, chunk_ids: Sequence[str]) -> tuple[Chunk, ...]:
        """The chunks in the order asked for; unknown ids are left out."""
        ...

    async def chunks_of(self, document_id: str) -> tuple[Chunk, ...]:
        """All chunks of the document by position; empty for an unknown document."""
        ...

    async def list(
        self, scopes: Sequence[Scope], *, document_type: KnowledgeType | None = None, limit: int = 50, offset: int = 0
    ) -> Page[KnowledgeDocument]:
        """Documents of any of the scopes, ordered by (``created_at`` descending, ``document_id``); none without scopes."""
        ...

    async def delete(self, document_id: str) -> bool:
        """Remove the document and its chunks. True if it existed."""
        ...

    async def search(
        self,
        terms: Sequence[str],
        scopes: Sequence[Scope],
        *,
        document_types: Sequence[KnowledgeType] = (),
        limit: int = 20,
    ) -> tuple[TextHit, ...]:
        """Chunks of any of the scopes with at least one of the terms, ordered by (``score`` descending, ``chunk_id``).

        Terms are those of `domain.terms.terms`; a heading counts like the text. No terms or no scopes: no hit.
        With ``document_types`` only documents of these types.
        """
        ...

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[KnowledgeDocument, ...]:
        """The next documents by ``document_id`` after the given one; an empty tuple at the end."""
        ...
