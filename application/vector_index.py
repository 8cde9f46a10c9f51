"""The chunks of the knowledge as vectors: what is written there, what is asked there, and what of it counts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import struct
from array import array
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

from application.retrieval import NearChunk
from domain.filter import And, Comparison, Filter, Operator
from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Scope
from ports.embeddings import EmbeddingGenerator
from ports.errors import PortError, StorageUnavailable
from ports.knowledge import KnowledgeRepository
from ports.sessions import CacheStore
from ports.vectors import Vector, VectorStore

Item = TypeVar("Item")

BATCH = 64
"""How many chunks are embedded and written at once: enough to share the costs of a call, little enough to hold."""
QUESTIONS = 512
"""How many vectors of questions one process keeps."""
PATIENCE_SECONDS = 3.0
"""How long the answer to one question is waited for. To find the nearest, a store may send several requests to a server
that just comes back, each with a time limit of its own; who asks is better served by what the words find.
"""
REST_SECONDS = 10.0
"""How long a store that was waited for in vain is not asked: one turn asks several questions."""


class VectorIndex:
    """Chunks by their meaning. The repository is the truth: a vector whose text differs from its chunk does not count.

    So an index that is behind, be it that a write failed or that somebody changed the document in between, finds too
    little, never something wrong; `repair` brings it up to date.
    """

    def __init__(
        self,
        *,
        documents: KnowledgeRepository,
        vectors: VectorStore,
        embeddings: EmbeddingGenerator,
        cache: CacheStore | None = None,
        cache_ttl: timedelta = timedelta(hours=1),
        unrelated: float = 0.0,
    ) -> None:
        """Works on these ports.

        Args:
            documents: the truth.
            vectors: where the vectors are kept.
            embeddings: makes the vectors.
            cache: keeps the vectors of questions for all processes. Without it this one keeps the last `QUESTIONS`.
            cache_ttl: how long it keeps them.
            unrelated: the cosine that the model gives to texts which have nothing to do with each other; less than 1.
        """
        self._documents = documents
        self._vectors = vectors
        self._embeddings = embeddings
        self._cache = cache
        self._cache_ttl = cache_ttl
        self._unrelated = unrelated
        self._asked: dict[str, Vector] = {}
        self._rests_until = -math.inf

    async def add(self, contents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]]) -> None:
        """Write the chunks of these documents, many at a time.

        Raises:
            PortError: the model or the store failed; what was written before stays.
        """
        pairs = [(document, chunk) for document, chunks in contents for chunk in chunks]
        for batch in _slices(pairs):
            texts = [_text(chunk) for _, chunk in batch]
            await self._vectors.add_documents(
                texts,
                await self._embeddings.embed_documents(texts),
                [_metadata(document) for document, _ in batch],
                [chunk.chunk_id for _, chunk in batch],
            )

    async def remove(self, chunk_ids: Sequence[str]) -> None:
        """Delete vectors of chunks that are gone. If the store is away they stay: they count no more anyway."""
        try:
            for batch in _slices(chunk_ids):
                await self._vectors.delete(batch)
        except PortError as error:
            if not error.retryable:
                raise

    async def is_complete(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> bool:
        """True if every chunk of the document has its vector."""
        for batch in _slices(chunks):
            stored = await self._vectors.get([chunk.chunk_id for chunk in batch])
            expected = {chunk.chunk_id: _text(chunk) for chunk in batch}
            if {record.id: record.document for record in stored} != expected:
                return False
            if any(record.metadata != _metadata(document) for record in stored):
                return False
        return True

    async def repair(self) -> int:
        """Delete the vectors that have no chunk, write those that are missing or outdated; returns how many documents
        were written.

        Raises:
            PortError: the model or a store failed; a repeat goes on from there.
        """
        after = None
        while records := await self._vectors.scan(after=after):
            after = records[-1].id
            known = {chunk.chunk_id for chunk in await self._documents.get_chunks([record.id for record in records])}
            await self._vectors.delete([record.id for record in records if record.id not in known])
        repaired = 0
        after = None
        while documents := await self._documents.scan(after=after):
            after = documents[-1].document_id
            for document in documents:
                chunks = await self._documents.chunks_of(document.document_id)
                if not await self.is_complete(document, chunks):
                    await self.add([(document, chunks)])
                    repaired += 1
        return repaired

    async def nearest(
        self, question: str, scopes: Sequence[Scope], document_types: Sequence[KnowledgeType], limit: int
    ) -> list[NearChunk]:
        """The chunks nearest to the question, nearest first, with a similarity of 0 to 1.

        Raises:
            PortError: the model or the store failed, or the store took longer than `PATIENCE_SECONDS`, now or in the
                last `REST_SECONDS`.
        """
        if asyncio.get_running_loop().time() < self._rests_until:
            raise StorageUnavailable("the vectors did not answer a moment ago")
        vector = await self._question_vector(question)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                hits = await self._vectors.query(vector, limit, _filter(scopes, document_types))
        except TimeoutError as error:
            self._rests_until = asyncio.get_running_loop().time() + REST_SECONDS
            raise StorageUnavailable(f"the vectors did not answer within {PATIENCE_SECONDS:g} s") from error
        chunks = {item.chunk_id: item for item in await self._documents.get_chunks([hit.id for hit in hits])}
        return [
            NearChunk(chunk, min(1.0, max(0.0, (1.0 - hit.distance - self._unrelated) / (1.0 - self._unrelated))))
            for hit in hits
            if (chunk := chunks.get(hit.id)) and hit.document == _text(chunk)
        ]

    async def _question_vector(self, question: str) -> Vector:
        space = self._embeddings.space
        if self._cache is None:
            # The dictionary is in the order of use: what is asked again moves to its end.
            known = self._asked.pop(question, None)
            embedded = known or await self._embeddings.embed_query(question)
            self._asked[question] = array("f", embedded)
            if len(self._asked) > QUESTIONS:
                del self._asked[next(iter(self._asked))]
            return embedded
        key = f"question-vector:{space.model_id}:{hashlib.sha256(question.encode()).hexdigest()}"
        if vector := _unpack(await _forgiving_get(self._cache, key), space.dimension):
            return vector
        embedded = await self._embeddings.embed_query(question)
        try:
            await self._cache.set(key, _pack(embedded), self._cache_ttl)
        except PortError as error:
            if not error.retryable:
                raise
        return embedded


async def _forgiving_get(cache: CacheStore, key: str) -> str | None:
    try:
        return await cache.get(key)
    except PortError as error:
        if not error.retryable:
            raise
        return None


def _pack(vector: Vector) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _unpack(value: str | None, dimension: int) -> Vector | None:
    """The vector; None if there is none, or if the value is none of this dimension."""
    try:
        return struct.unpack(f"<{dimension}f", base64.b64decode(value or "", validate=True))
    except (ValueError, struct.error):
        return None


def _text(chunk: Chunk) -> str:
    return f"{chunk.heading}\n{chunk.text}"


def _metadata(document: KnowledgeDocument) -> dict[str, str]:
    return {
        "scope": document.scope.key,
        "document_id": document.document_id,
        "document_type": document.document_type.value,
    }


def _filter(scopes: Sequence[Scope], document_types: Sequence[KnowledgeType]) -> Filter:
    readable = Comparison("scope", Operator.IN, tuple(scope.key for scope in scopes))
    if not document_types:
        return readable
    return And((readable, Comparison("document_type", Operator.IN, tuple(item.value for item in document_types))))


def _slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
