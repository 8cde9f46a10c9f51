"""Vectors in memory, searched exactly."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from adapters.memory.checkpoints import InMemoryCheckpoints
from domain.filter import Filter, MetadataValue, matches
from domain.values import normalise_text
from ports.capabilities import Closeable
from ports.errors import StorageUnavailable
from ports.paging import check_page
from ports.vectors import (
    EmbeddingSpace,
    Vector,
    VectorHit,
    VectorRecord,
    VectorStore,
    check_query,
    check_records,
    check_update,
    fill_in,
)

_NOISE = 5e-5
"""More than the errors of two 32-bit distances."""
_INLINE = 25_000
"""Up to so many components are handled at once, in a few milliseconds; more of them in a thread."""


class InMemoryVectorStore(InMemoryCheckpoints, VectorStore, Closeable):
    """Keeps vectors until the process ends. Deleted rows of the matrix are filled by the last one."""

    def __init__(self, space: EmbeddingSpace) -> None:
        super().__init__()
        self._space = space
        self._records: list[VectorRecord] = []
        self._matrix: NDArray[np.float32] = np.empty((64, space.dimension), dtype=np.float32)
        self._rows: dict[str, int] = {}
        self._sorted_ids: list[str] = []
        self._searches = 0
        self._writing = asyncio.Lock()
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
        async with self._writing:
            await self._add(documents, embeddings, metadatas, ids)

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        """See `VectorStore`."""
        self._check_open()
        check_query(query_embedding, self._space.dimension, n_results)
        # A search in a thread sees one state of the store: see `_own_rows`.
        records, matrix = self._records.copy(), self._matrix[: len(self._records)]
        if matrix.size <= _INLINE:
            return _nearest(query_embedding, n_results, where, records, matrix)
        self._searches += 1
        try:
            return await asyncio.to_thread(_nearest, query_embedding, n_results, where, records, matrix)
        finally:
            self._searches -= 1

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        self._check_open()
        return tuple(self._records[row] for row in map(self._rows.get, map(normalise_text, ids)) if row is not None)

    async def delete(self, ids: Sequence[str]) -> int:
        """See `VectorStore`."""
        self._check_open()
        async with self._writing:
            known = [key for key in dict.fromkeys(map(normalise_text, ids)) if key in self._rows]
            if known:
                self._own_rows()
            for record_id in known:
                row, last = self._rows.pop(record_id), self._records.pop()
                if last.id != record_id:
                    self._records[row] = last
                    self._rows[last.id] = row
                    self._matrix[row] = self._matrix[len(self._records)]
                del self._sorted_ids[bisect_left(self._sorted_ids, record_id)]
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
        names = check_update(ids, documents, embeddings, metadatas)
        async with self._writing:
            old = [self._records[row] for row in map(self._rows.get, names) if row is not None]
            await self._add(*fill_in(names, old, documents, embeddings, metadatas), names)

    async def count(self, where: Filter | None = None) -> int:
        """See `VectorStore`."""
        self._check_open()
        if where is None:
            return len(self._records)
        records = self._records.copy()
        if len(records) * self._space.dimension <= _INLINE:
            return _count(where, records)
        return await asyncio.to_thread(_count, where, records)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        self._check_open()
        check_page(limit)
        start = 0 if after is None else bisect_right(self._sorted_ids, normalise_text(after))
        return tuple(self._records[self._rows[key]] for key in self._sorted_ids[start : start + limit])

    async def aclose(self) -> None:
        """See `Closeable`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the vector store is closed")

    def _own_rows(self) -> None:
        """Leave the present matrix to the searches that read it in threads, before rows of it change. Appended rows are
        beyond what a search has been given, so they need no copy.
        """
        if self._searches:
            self._matrix = self._matrix.copy()

    async def _add(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> None:
        arguments = (self._space.dimension, documents, embeddings, metadatas, ids)
        if len(ids) * self._space.dimension <= _INLINE:
            records, rows = _prepare(*arguments)
        else:
            records, rows = await asyncio.to_thread(_prepare, *arguments)
        if any(record.id in self._rows for record in records):
            self._own_rows()
        for record, vector in zip(records, rows, strict=True):
            row = self._rows.get(record.id)
            if row is None:
                row = self._rows[record.id] = len(self._records)
                self._records.append(record)
                insort(self._sorted_ids, record.id)
                if row == len(self._matrix):
                    self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix)])
            self._records[row] = record
            self._matrix[row] = vector


def _prepare(
    dimension: int,
    documents: Sequence[str],
    embeddings: Sequence[Vector],
    metadatas: Sequence[Mapping[str, MetadataValue]],
    ids: Sequence[str],
) -> tuple[list[VectorRecord], list[NDArray[np.float32]]]:
    """The records and their unit vectors."""
    records, rows = [], []
    checked = check_records(dimension, documents, embeddings, metadatas, ids)
    for (record_id, document, metadata), embedding in zip(checked, embeddings, strict=True):
        vector = np.asarray(embedding, dtype=np.float32)
        wide = vector.astype(np.float64)
        records.append(VectorRecord(record_id, document, tuple(vector.tolist()), MappingProxyType(metadata)))
        rows.append((wide / np.linalg.norm(wide)).astype(np.float32))
    return records, rows


def _count(where: Filter, records: Sequence[VectorRecord]) -> int:
    return sum(matches(where, record.metadata) for record in records)


def _nearest(
    query: Vector, wanted: int, where: Filter | None, records: Sequence[VectorRecord], matrix: NDArray[np.float32]
) -> tuple[VectorHit, ...]:
    if where is not None:
        passing = [row for row, record in enumerate(records) if matches(where, record.metadata)]
        records, matrix = [records[row] for row in passing], matrix[passing]
    if not records:
        return ()
    direction = np.asarray(query, dtype=np.float64)
    direction /= np.linalg.norm(direction)
    rough = 1.0 - matrix @ direction.astype(np.float32)
    last = min(wanted, len(records)) - 1
    # 32-bit distances select, with a margin for their error; exact ones decide the order, equal ones by id.
    candidates = np.flatnonzero(rough <= np.partition(rough, last)[last] + _NOISE).tolist()
    rows = np.asarray([records[row].embedding for row in candidates], dtype=np.float64)
    exact = np.clip(1.0 - rows @ direction / np.linalg.norm(rows, axis=1), 0.0, 2.0).round(9).tolist()
    near = sorted((distance, records[row].id, row) for distance, row in zip(exact, candidates, strict=True))
    return tuple(
        VectorHit(records[row].id, records[row].document, records[row].metadata, distance)
        for distance, _, row in near[:wanted]
    )
