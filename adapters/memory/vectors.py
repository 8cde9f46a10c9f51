"""Vectors in memory, searched exactly."""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from domain.filter import Filter, MetadataValue, check_metadata, matches
from domain.values import normalise_text
from ports.capabilities import Closeable
from ports.errors import InvalidInput, NotFound, StorageUnavailable
from ports.vectors import (
    MAX_RESULTS,
    EmbeddingSpace,
    Vector,
    VectorHit,
    VectorRecord,
    VectorStore,
    check_record_id,
    check_vector,
)

_INLINE_COMPONENTS = 500_000
"""Up to so many components a search takes a millisecond or two; a larger one runs in a thread."""


class InMemoryVectorStore(VectorStore, Closeable):
    """Keeps vectors until the process ends. Deleted rows of the matrix are filled by the last one."""

    def __init__(self, space: EmbeddingSpace) -> None:
        self._space = space
        self._records: dict[str, VectorRecord] = {}
        self._rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._sorted_ids: list[str] = []
        self._matrix: NDArray[np.float32] = np.empty((64, space.dimension), dtype=np.float32)
        self._closed = False

    @property
    def space(self) -> EmbeddingSpace:
        """See `VectorStore`."""
        return self._space

    async def add_documents(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> None:
        """See `VectorStore`."""
        self._check_open()
        if not len(documents) == len(embeddings) == len(metadatas) == len(ids):
            raise InvalidInput("documents, embeddings, metadatas and ids must have the same length")
        self._store([self._record(*parts) for parts in zip(ids, documents, embeddings, metadatas, strict=True)])

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        """See `VectorStore`."""
        self._check_open()
        check_vector(query_embedding, self._space.dimension)
        if not 1 <= n_results <= MAX_RESULTS:
            raise InvalidInput(f"n_results is {n_results}; accepted: 1 to {MAX_RESULTS}")
        candidates = [
            record_id for record_id in self._ids if where is None or matches(where, self._records[record_id].metadata)
        ]
        if not candidates:
            return ()
        rows = self._matrix[[self._rows[record_id] for record_id in candidates]]
        records = [self._records[record_id] for record_id in candidates]
        if rows.size <= _INLINE_COMPONENTS:
            return _nearest(query_embedding, rows, records, n_results)
        return await asyncio.to_thread(_nearest, query_embedding, rows, records, n_results)

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        self._check_open()
        return tuple(self._records[record_id] for record_id in ids if record_id in self._records)

    async def delete(self, ids: Sequence[str]) -> int:
        """See `VectorStore`."""
        self._check_open()
        known = [record_id for record_id in dict.fromkeys(ids) if record_id in self._records]
        for record_id in known:
            row = self._rows.pop(record_id)
            last = self._ids.pop()
            if last != record_id:
                self._ids[row] = last
                self._rows[last] = row
                self._matrix[row] = self._matrix[len(self._ids)]
            del self._records[record_id]
            del self._sorted_ids[bisect_right(self._sorted_ids, record_id) - 1]
        return len(known)

    async def update(
        self,
        ids: Sequence[str],
        *,
        documents: Sequence[str] | None = None,
        embeddings: Sequence[Vector] | None = None,
        metadatas: Sequence[Mapping[str, MetadataValue]] | None = None,
    ) -> None:
        """See `VectorStore`."""
        self._check_open()
        if any(part is not None and len(part) != len(ids) for part in (documents, embeddings, metadatas)):
            raise InvalidInput("every given sequence must have one value for each id")
        if unknown := [record_id for record_id in ids if record_id not in self._records]:
            raise NotFound("vector record", unknown[0])
        old = [self._records[record_id] for record_id in ids]
        await self.add_documents(
            documents if documents is not None else [record.document for record in old],
            embeddings if embeddings is not None else [record.embedding for record in old],
            metadatas if metadatas is not None else [record.metadata for record in old],
            ids,
        )

    async def count(self, where: Filter | None = None) -> int:
        """See `VectorStore`."""
        self._check_open()
        if where is None:
            return len(self._records)
        return sum(matches(where, record.metadata) for record in self._records.values())

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        self._check_open()
        start = 0 if after is None else bisect_right(self._sorted_ids, after)
        return tuple(self._records[record_id] for record_id in self._sorted_ids[start : start + limit])

    async def aclose(self) -> None:
        """See `Closeable`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the vector store is closed")

    def _record(
        self, record_id: str, document: str, embedding: Vector, metadata: Mapping[str, MetadataValue]
    ) -> VectorRecord:
        check_record_id(record_id)
        check_vector(embedding, self._space.dimension)
        components = tuple(np.asarray(embedding, dtype=np.float32).tolist())
        return VectorRecord(normalise_text(record_id), normalise_text(document), components, check_metadata(metadata))

    def _store(self, records: Sequence[VectorRecord]) -> None:
        if len({record.id for record in records}) != len(records):
            raise InvalidInput("an id occurs twice in one call")
        for record in records:
            row = self._rows.get(record.id)
            if row is None:
                row = self._rows[record.id] = len(self._ids)
                self._ids.append(record.id)
                insort(self._sorted_ids, record.id)
            if row == len(self._matrix):
                self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix)])
            vector = np.asarray(record.embedding, dtype=np.float64)
            self._matrix[row] = vector / np.linalg.norm(vector)
            self._records[record.id] = record


def _nearest(
    query: Vector, rows: NDArray[np.float32], records: Sequence[VectorRecord], n_results: int
) -> tuple[VectorHit, ...]:
    direction = np.asarray(query, dtype=np.float64)
    distances = np.clip(1.0 - rows @ (direction / np.linalg.norm(direction)).astype(np.float32), 0.0, 2.0)
    # Everything as near as the last one that is wanted takes part in the ordering, so that ties are settled by id.
    wanted = min(n_results, len(records))
    limit = np.partition(distances, wanted - 1)[wanted - 1]
    near = sorted((float(distances[row]), records[row].id, row) for row in map(int, np.flatnonzero(distances <= limit)))
    return tuple(
        VectorHit(record.id, record.document, record.metadata, distance)
        for distance, _, row in near[:n_results]
        for record in (records[row],)
    )
