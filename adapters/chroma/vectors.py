"""The port of the vectors on the embedded Chroma."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
from cachetools import LRUCache
from numpy.typing import NDArray

from adapters.chroma.process import ChromaProcess
from adapters.chroma.where import to_json
from domain.filter import Filter, MetadataValue
from domain.values import normalise_text
from ports.capabilities import Closeable, SupportsHealth
from ports.paging import check_page
from ports.transfer import SupportsCheckpoints, check_checkpoint
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
    to_floats,
)

BATCH = 100
"""Records that are written at once, so that a reader never waits long."""
INLINE = 25_000
"""Up to so many components are handled at once, in a few milliseconds; more of them in a thread."""

KEPT_HITS = 40_000
"""So many hits of the latest answers are kept, each record once: 40 MB if all are different and have 1 KB. With 60
hits for each of the two or three new questions of a turn they are those of the last 250 turns.
"""

_Row = tuple[str, str, dict[str, MetadataValue]]
"""Id, document and metadata of a record."""
_Answer = tuple[list[_Row], list[float]]
"""Records and their distances."""


class ChromaVectorStore(VectorStore, SupportsHealth, SupportsCheckpoints, Closeable):
    """Keeps vectors in a folder that belongs to one process at a time. A call of several batches that breaks off in the
    middle leaves the first ones; repeating it completes them.

    The latest answers are kept; whether one still holds, the child process tells, which makes all changes.
    """

    def __init__(self, process: ChromaProcess, space: EmbeddingSpace, location: str) -> None:
        """Made by `open`."""
        self._process = process
        self._space = space
        self._location = location
        self._writing = asyncio.Lock()
        # All of one mark, for no other one comes again. Not as hits: the garbage collector would look at thousands of
        # them again and again.
        self._mark = ""
        self._answers: LRUCache[tuple[bytes, bytes], _Answer] = LRUCache(KEPT_HITS, getsizeof=_size)
        self._rows: dict[str, _Row] = {}

    @classmethod
    async def open(cls, folder: Path, collection: str, space: EmbeddingSpace) -> ChromaVectorStore:
        """Open the folder, making it and the collection if need be.

        Raises:
            InvalidInput: the collection belongs to another embedding space.
            StorageUnavailable: another process uses the folder, or the engine does not start.
        """
        options = {"collection": collection, "model_id": space.model_id, "dimension": space.dimension}
        process = ChromaProcess(folder, options)
        await process.start()
        return cls(process, space, f"chromadb:{await asyncio.to_thread(folder.resolve)}#{collection}")

    @staticmethod
    async def stored_space(folder: Path, collection: str) -> EmbeddingSpace | None:
        """The space that the collection has been made for; None if there is none, or it does not say. It takes as long
        as `open`.

        Raises:
            StorageUnavailable: another process uses the folder, or the engine does not start.
        """
        if not await asyncio.to_thread(folder.is_dir):
            return None
        process = ChromaProcess(folder, {"collection": collection, "model_id": None, "dimension": None})
        try:
            await process.start()
            found = process.opened
        finally:
            await process.aclose()
        known = found["model_id"] is not None and found["dimension"] is not None
        return EmbeddingSpace(found["model_id"], found["dimension"]) if known else None

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
        rows = await self._checked(documents, embeddings, metadatas, ids)
        async with self._writing:
            await self._add(rows, embeddings)

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        """See `VectorStore`."""
        check_query(query_embedding, self._space.dimension, n_results)
        floats = to_floats(query_embedding)
        header = {"n_results": n_results, "where": to_json(where) if where else None}
        # Not the filter itself: in Python, 1 and True are the same key.
        asked = (floats, orjson.dumps(header))
        answer, mark = self._answers.get(asked), self._mark
        found, _ = await self._process.call("query", {**header, "known": mark if answer else None}, floats)
        if answer is None or found["mark"] != mark:
            answer = self._keep(asked, found)
        return tuple(
            VectorHit(record_id, document, MappingProxyType(metadata), distance)
            for (record_id, document, metadata), distance in zip(*answer, strict=True)
        )

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        names = [normalise_text(record_id) for record_id in ids]
        return await self._records(*await self._process.call("get", {"ids": names}))

    async def delete(self, ids: Sequence[str]) -> int:
        """See `VectorStore`."""
        names = [normalise_text(record_id) for record_id in ids]
        async with self._writing:
            answer, _ = await self._process.call("delete", {"ids": names}, writes=True)
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
        names = check_update(ids, documents, embeddings, metadatas)
        async with self._writing:
            texts, vectors, fields = fill_in(names, await self.get(names), documents, embeddings, metadatas)
            await self._add(await self._checked(texts, vectors, fields, names), vectors)

    async def count(self, where: Filter | None = None) -> int:
        """See `VectorStore`."""
        answer, _ = await self._process.call("count", {"where": to_json(where) if where else None})
        return int(answer["count"])

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        check_page(limit)
        header = {"after": None if after is None else normalise_text(after), "limit": limit}
        return await self._records(*await self._process.call("scan", header))

    @property
    def location(self) -> str:
        """The path of the folder, and the collection."""
        return self._location

    async def read_checkpoint(self, name: str) -> str | None:
        """See `SupportsCheckpoints`."""
        check_checkpoint(name)
        answer, _ = await self._process.call("read_checkpoint", {"name": name})
        text: str | None = answer["text"]
        return text

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        """See `SupportsCheckpoints`."""
        check_checkpoint(name, text)
        async with self._writing:
            await self._process.call("write_checkpoint", {"name": name, "text": text}, writes=True)

    async def check_health(self) -> None:
        """Ask the engine something."""
        await self._process.call("count", {"where": None})

    async def aclose(self) -> None:
        """See `Closeable`."""
        await self._process.aclose()

    async def _checked(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> list[_Row]:
        arguments = (self._space.dimension, documents, embeddings, metadatas, ids)
        if len(ids) * self._space.dimension <= INLINE:
            return check_records(*arguments)
        return await asyncio.to_thread(check_records, *arguments)

    async def _add(self, rows: Sequence[_Row], embeddings: Sequence[Vector]) -> None:
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            header = {
                "ids": [row[0] for row in batch],
                "documents": [row[1] for row in batch],
                "metadatas": [row[2] for row in batch],
            }
            floats = b"".join(map(to_floats, embeddings[start : start + BATCH]))
            await self._process.call("add", header, floats, writes=True)

    def _keep(self, asked: tuple[bytes, bytes], found: Mapping[str, Any]) -> _Answer:
        """The answer that the child has sent, of rows that the others hold, too. One without a mark is not kept."""
        rows = list(zip(found["ids"], found["documents"], found["metadatas"], strict=True))
        mark = found["mark"]
        if mark is None:
            return rows, found["distances"]
        if mark != self._mark or len(self._rows) > KEPT_HITS:
            self._mark = mark
            self._answers.clear()
            self._rows.clear()
        answer = self._answers[asked] = [self._rows.setdefault(row[0], row) for row in rows], found["distances"]
        return answer

    async def _records(self, header: Mapping[str, Any], floats: bytes) -> tuple[VectorRecord, ...]:
        matrix = np.frombuffer(floats, dtype=np.float32).reshape(-1, self._space.dimension)
        return (
            _to_records(header, matrix)
            if matrix.size <= INLINE
            else await asyncio.to_thread(_to_records, header, matrix)
        )


def _size(answer: _Answer) -> int:
    """That of an answer without a hit is not nothing."""
    return 1 + len(answer[0])


def _to_records(header: Mapping[str, Any], matrix: NDArray[np.float32]) -> tuple[VectorRecord, ...]:
    return tuple(
        VectorRecord(record_id, document, tuple(vector.tolist()), metadata)
        for record_id, document, vector, metadata in zip(
            header["ids"], header["documents"], matrix, header["metadatas"], strict=True
        )
    )
