"""Knowledge documents, their chunks and the full-text index in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from heapq import nsmallest

from adapters.memory.checkpoints import InMemoryCheckpoints
from adapters.memory.full_text import FullTextIndex, term_counts
from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Scope
from domain.values import check_storable
from ports.errors import AlreadyExists, Conflict, StorageUnavailable
from ports.knowledge import KnowledgeRepository, TextHit
from ports.paging import Page, check_page
from ports.transfer import SupportsDocumentTransfer, check_put

_LATEST = datetime.max.replace(tzinfo=UTC)


class InMemoryKnowledgeRepository(InMemoryCheckpoints, SupportsDocumentTransfer, KnowledgeRepository):
    """Keeps documents, chunks and index in step: each write is one step that no other task can see half of."""

    def __init__(self) -> None:
        super().__init__()
        self._documents: dict[str, KnowledgeDocument] = {}
        self._by_source: dict[tuple[str, str], str] = {}
        self._chunks: dict[str, Chunk] = {}
        self._chunks_of: dict[str, tuple[Chunk, ...]] = {}
        self._index = FullTextIndex()
        self._closed = False

    async def save(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> KnowledgeDocument:
        """See `KnowledgeRepository`."""
        key = document.document_id
        stored = self._open_documents().get(key)
        actual = stored.version if stored else None
        if document.version != (actual or 0):
            raise Conflict("document", key, document.version, actual)
        if (source := _source(document)) and self._by_source.get(source, key) != key:
            raise AlreadyExists("document", "source_key")
        saved = document.model_copy(update={"version": document.version + 1})
        self._put(saved, [(chunk, term_counts(chunk)) for chunk in chunks])
        return saved

    async def put_many(self, documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]]) -> None:
        """See `ports.transfer.SupportsDocumentTransfer`."""
        check_put("document", ((document.document_id, document.version) for document, _ in documents))
        # Cutting long texts into terms takes a while, during which others can go on.
        counted = await asyncio.to_thread(_with_counts, documents)
        stored = self._open_documents()
        newer = [
            (document, chunks)
            for document, chunks in counted
            if document.document_id not in stored or stored[document.document_id].version < document.version
        ]
        self._check_free([document for document, _ in newer])
        # All before the first is put: documents may have exchanged their source keys.
        for document, _ in newer:
            self._remove(document.document_id)
        for document, chunks in newer:
            self._put(document, chunks)

    async def get(self, document_id: str) -> KnowledgeDocument | None:
        """See `KnowledgeRepository`."""
        check_storable(document_id)
        return self._open_documents().get(document_id)

    async def get_by_source(self, scope: Scope, source_key: str) -> KnowledgeDocument | None:
        """See `KnowledgeRepository`."""
        check_storable(source_key)
        return self._open_documents().get(self._by_source.get((scope.key, source_key), ""))

    async def get_chunks(self, chunk_ids: Sequence[str]) -> tuple[Chunk, ...]:
        """See `KnowledgeRepository`."""
        check_storable(*chunk_ids)
        self._open_documents()
        return tuple(self._chunks[chunk_id] for chunk_id in chunk_ids if chunk_id in self._chunks)

    async def chunks_of(self, document_id: str) -> tuple[Chunk, ...]:
        """See `KnowledgeRepository`."""
        check_storable(document_id)
        self._open_documents()
        return self._chunks_of.get(document_id, ())

    async def list(
        self, scopes: Sequence[Scope], *, document_type: KnowledgeType | None = None, limit: int = 50, offset: int = 0
    ) -> Page[KnowledgeDocument]:
        """See `KnowledgeRepository`."""
        check_page(limit, offset)
        keys = {scope.key for scope in scopes}
        found = [
            document
            for document in self._open_documents().values()
            if document.scope.key in keys and (document_type is None or document.document_type is document_type)
        ]
        return Page(tuple(nsmallest(offset + limit, found, key=_newest_first)[offset:]), len(found))

    async def delete(self, document_id: str) -> bool:
        """See `KnowledgeRepository`."""
        check_storable(document_id)
        self._open_documents()
        return self._remove(document_id)

    async def search(
        self,
        terms: Sequence[str],
        scopes: Sequence[Scope],
        *,
        document_types: Sequence[KnowledgeType] = (),
        limit: int = 20,
    ) -> tuple[TextHit, ...]:
        """See `KnowledgeRepository`."""
        check_page(limit)
        check_storable(*terms)
        documents = self._open_documents()
        keys = {scope.key for scope in scopes}
        hits = []
        for chunk_id, score in self._index.scores(terms).items():
            document = documents[self._chunks[chunk_id].document_id]
            if document.scope.key in keys and (not document_types or document.document_type in document_types):
                hits.append((-score, chunk_id))
        return tuple(TextHit(self._chunks[chunk_id], -score) for score, chunk_id in nsmallest(limit, hits))

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[KnowledgeDocument, ...]:
        """See `KnowledgeRepository`."""
        check_page(limit)
        check_storable(after or "")
        documents = self._open_documents()
        ids = nsmallest(limit, (key for key in documents if after is None or key > after))
        return tuple(documents[key] for key in ids)

    async def check_health(self) -> None:
        """See `ports.capabilities.SupportsHealth`."""
        self._open_documents()

    async def aclose(self) -> None:
        """See `ports.capabilities.Closeable`."""
        self._closed = True

    def _check_open(self) -> None:
        self._open_documents()

    def _open_documents(self) -> dict[str, KnowledgeDocument]:
        if self._closed:
            raise StorageUnavailable("the in-memory knowledge store has been closed")
        return self._documents

    def _check_free(self, documents: Sequence[KnowledgeDocument]) -> None:
        """See that nothing beside these documents has their source keys, and no two of them the same."""
        ids = {document.document_id for document in documents}
        taken: set[tuple[str, str]] = set()
        for document in documents:
            if source := _source(document):
                if source in taken or self._by_source.get(source, document.document_id) not in ids:
                    raise AlreadyExists("document", "source_key")
                taken.add(source)

    def _put(self, document: KnowledgeDocument, chunks: Sequence[tuple[Chunk, Counter[str]]]) -> None:
        key = document.document_id
        self._remove(key)
        self._documents[key] = document
        if source := _source(document):
            self._by_source[source] = key
        self._chunks_of[key] = tuple(sorted((chunk for chunk, _ in chunks), key=lambda chunk: chunk.position))
        for chunk, counts in chunks:
            self._chunks[chunk.chunk_id] = chunk
            self._index.add(chunk, counts)

    def _remove(self, document_id: str) -> bool:
        document = self._documents.pop(document_id, None)
        if document is None:
            return False
        if source := _source(document):
            del self._by_source[source]
        for chunk in self._chunks_of.pop(document_id):
            del self._chunks[chunk.chunk_id]
            self._index.remove(chunk)
        return True


def _with_counts(
    documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]],
) -> list[tuple[KnowledgeDocument, list[tuple[Chunk, Counter[str]]]]]:
    return [(document, [(chunk, term_counts(chunk)) for chunk in chunks]) for document, chunks in documents]


def _source(document: KnowledgeDocument) -> tuple[str, str] | None:
    return None if document.source_key is None else (document.scope.key, document.source_key)


def _newest_first(document: KnowledgeDocument) -> tuple[timedelta, str]:
    return _LATEST - document.created_at, document.document_id
