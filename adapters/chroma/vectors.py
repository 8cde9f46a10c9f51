"""The port of the vectors on the embedded Chroma."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from adapters.chroma.process import ChromaProcess
from adapters.chroma.where import to_json
from domain.filter import Filter, MetadataValue, check_metadata
from domain.values import normalise_text
from ports.capabilities import Closeable, SupportsHealth
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

BATCH = 100
"""Records that are written at once, so that a reader never waits long."""


_Row = tuple[str, str, dict[str, MetadataValue]]


class ChromaVectorStore(VectorStore, SupportsHealth, Closeable):
    """Keeps vectors in a folder that belongs to one process at a time. A call of several batches that breaks off in the
    middle leaves the first ones; repeating it completes them.
    """

    def __init__(self, process: ChromaProcess, space: EmbeddingSpace, lock: FileLock) -> None:
        """Made by `open`."""
        self._process = process
        self._space = space
        self._lock = lock
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, folder: Path, collection: str, space: EmbeddingSpace) -> ChromaVectorStore:
        """Open the folder, making it and the collection if need be.

        Raises:
            InvalidInput: the collection belongs to another embedding space.
            StorageUnavailable: another process uses the folder, or the engine does not start.
        """
        lock = _hold(folder)
        options = {"collection": collection, "model_id": space.model_id, "dimension": space.dimension}
        process = ChromaProcess(folder, options)
        try:
            await process.start()
        except BaseException:
            lock.release()
            raise
        return cls(process, space, lock)

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
        rows = self._checked(documents, embeddings, metadatas, ids)
        async with self._writing:
            await self._add(rows, embeddings)

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        """See `VectorStore`."""
        check_vector(query_embedding, self._space.dimension)
        if not 1 <= n_results <= MAX_RESULTS:
            raise InvalidInput(f"n_results is {n_results}; accepted: 1 to {MAX_RESULTS}")
        header = {"n_results": n_results, "where": to_json(where) if where else None}
        found, _ = await self._process.call("query", header, np.asarray(query_embedding, dtype=np.float32).tobytes())
        columns = (found["ids"], found["documents"], found["metadatas"], found["distances"])
        return tuple(VectorHit(*row) for row in zip(*columns, strict=True))

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        return self._records(*await self._process.call("get", {"ids": list(ids)}))

    async def delete(self, ids: Sequence[str]) -> int:
        """See `VectorStore`."""
        if not ids:
            return 0
        async with self._writing:
            answer, _ = await self._process.call("delete", {"ids": list(ids)}, writes=True)
        return int(answer["count"])

    async def update(
        self,
        ids: Sequence[str],
        *,
        documents: Sequence[str] | None = None,
        embeddings: Sequence[Vector] | None = None,
        metadatas: Sequence[Mapping[str, MetadataValue]] | None = None,
    ) -> None:
        """See `VectorStore`."""
        if any(part is not None and len(part) != len(ids) for part in (documents, embeddings, metadatas)):
            raise InvalidInput("every given sequence must have one value for each id")
        async with self._writing:
            old = await self.get(ids)
            if len(old) < len(ids):
                known = {record.id for record in old}
                raise NotFound("vector record", next(record_id for record_id in ids if record_id not in known))
            vectors = [record.embedding for record in old] if embeddings is None else embeddings
            rows = self._checked(
                [record.document for record in old] if documents is None else documents,
                vectors,
                [record.metadata for record in old] if metadatas is None else metadatas,
                ids,
            )
            await self._add(rows, vectors)

    async def count(self, where: Filter | None = None) -> int:
        """See `VectorStore`."""
        answer, _ = await self._process.call("count", {"where": to_json(where) if where else None})
        return int(answer["count"])

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        return self._records(*await self._process.call("scan", {"after": after, "limit": limit}))

    async def check_health(self) -> None:
        """Ask the engine something."""
        await self._process.call("count", {"where": None})

    async def aclose(self) -> None:
        """See `Closeable`."""
        await self._process.aclose()
        self._lock.release()

    def _checked(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> list[_Row]:
        if not len(documents) == len(embeddings) == len(metadatas) == len(ids):
            raise InvalidInput("documents, embeddings, metadatas and ids must have the same length")
        if len(set(ids)) != len(ids):
            raise InvalidInput("an id occurs twice in one call")
        for record_id, embedding in zip(ids, embeddings, strict=True):
            check_record_id(record_id)
            check_vector(embedding, self._space.dimension)
        return [
            (normalise_text(record_id), normalise_text(document), check_metadata(metadata))
            for record_id, document, metadata in zip(ids, documents, metadatas, strict=True)
        ]

    async def _add(self, rows: Sequence[_Row], embeddings: Sequence[Vector]) -> None:
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            header = {
                "ids": [row[0] for row in batch],
                "documents": [row[1] for row in batch],
                "metadatas": [row[2] for row in batch],
            }
            floats = np.asarray(embeddings[start : start + BATCH], dtype=np.float32).tobytes()
            await self._process.call("add", header, floats, writes=True)

    def _records(self, header: Mapping[str, Any], floats: bytes) -> tuple[VectorRecord, ...]:
        vectors = np.frombuffer(floats, dtype=np.float32).reshape(-1, self._space.dimension).tolist()
        columns = (header["ids"], header["documents"], vectors, header["metadatas"])
        return tuple(
            VectorRecord(record_id, document, tuple(vector), metadata)
            for record_id, document, vector, metadata in zip(*columns, strict=True)
        )


def _hold(folder: Path) -> FileLock:
    lock = FileLock(folder / "lock", timeout=0, mode=0o600)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise StorageUnavailable(f"the vector folder {folder} is in use by another process") from None
    except OSError as error:
        raise StorageUnavailable(f"the vector folder {folder} cannot be used: {error.strerror}") from error
    return lock
