"""Knowledge documents, their chunks and the full-text index over the chunks.

Promise: a document and its chunks are written together, and found by their words as soon as the write has returned.
The index works on the terms that the domain makes of a text (`domain.terms.terms`), the same in every adapter.
Vectors are kept elsewhere (`ports.vectors`); this is the truth against which each vector hit is checked.

Every operation raises `InvalidInput` for a text argument that cannot be stored (`domain.values.check_storable`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Scope
from ports.paging import Page


@dataclass(frozen=True, slots=True)
class TextHit:
    """A chunk found by its words. ``score`` is its BM25 score (k1 = 1.2, b = 0.75); larger is better.

    The score of a chunk is the sum over the terms of
    idf * count * (k1 + 1) / (count + k1 * (1 - b + b * length / mean length)), where idf is
    ln((N - n + 0.5) / (n + 0.5)), at least 1e-6, for the n of all N chunks that have the term. The statistics span all
    chunks of the store, whatever their scope; lengths are counted in terms of heading and text together.
    """

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

        Nothing has changed after an error. The version is checked first.
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
        """Documents of any of the scopes, ordered by (``created_at`` descending, ``document_id``); none without scopes.

        Raises:
            InvalidInput: see `ports.paging.check_page`.
        """
        ...

    async def delete(self, document_id: str) -> bool:
        """Remove the document and its chunks. True if it existed. Its source key is free again."""
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

        Terms are those of `domain.terms.terms`, and a repeated one counts once; a heading counts like the text. No
        character of a term has a special meaning. No terms or no scopes: no hit. With ``document_types`` only documents
        of these types.

        Raises:
            InvalidInput: ``limit`` is outside the limits of a page.
        """
        ...

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[KnowledgeDocument, ...]:
        """The next documents by ``document_id`` after the given one (which need not exist); an empty tuple at the end.
        A document that is there all the time is met exactly once, whatever is written meanwhile.

        Raises:
            InvalidInput: ``limit`` is outside the limits of a page.
        """
        ...
