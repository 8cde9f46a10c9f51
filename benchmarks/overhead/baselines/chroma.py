"""The embedded Chroma, written by hand: in a child process, because its writes hold up the event loop of their own.

What is written replaces a record as a whole: Chroma merges metadata, so fields that have to go are set to None. The
child is the only one that writes, so it knows which ids there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ports.vectors import VectorHit, VectorRecord

INDEX = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
BATCH = 100

_collection: Any = None
_known: set[str] = set()


def open_collection(folder: Path) -> Any:
    """A collection with the index that the adapter has."""
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
    return client.get_or_create_collection("plain", configuration={"hnsw": INDEX}, embedding_function=None)


class Embedded:
    """A collection in a child process."""

    def __init__(self, folder: Path) -> None:
        self._executor = ProcessPoolExecutor(1, get_context("spawn"), _open, (folder,))

    def close(self) -> None:
        """End the child."""
        self._executor.shutdown()

    async def add(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Sequence[float]],
        metadatas: Sequence[Mapping[str, Any]],
        ids: Sequence[str],
    ) -> None:
        """Store or replace records."""
        matrix = np.asarray(embeddings, dtype=np.float32)
        if not np.isfinite(matrix).all():
            raise ValueError("a component is not finite")
        for start in range(0, len(ids), BATCH):
            rows = slice(start, start + BATCH)
            await self._run(_add, list(ids[rows]), list(documents[rows]), matrix[rows], list(metadatas[rows]))

    async def query(
        self, embedding: Sequence[float], wanted: int, where: dict[str, Any] | None
    ) -> tuple[VectorHit, ...]:
        """The nearest records."""
        rows = await self._run(_query, np.asarray(embedding, dtype=np.float32), wanted, where)
        return tuple(VectorHit(*row) for row in sorted(rows, key=lambda row: (row[3], row[0])))

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """Records in the order asked for."""
        found, documents, metadatas, matrix = await self._run(_get, list(ids))
        rows = {record_id: row for row, record_id in enumerate(found)}
        return tuple(
            VectorRecord(name, documents[rows[name]], tuple(matrix[rows[name]].tolist()), metadatas[rows[name]])
            for name in ids
            if name in rows
        )

    async def _run(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)


# What follows runs in the child.


def _open(folder: Path) -> None:
    global _collection  # noqa: PLW0603 - the child has one
    _collection = open_collection(folder)


def _add(ids: list[str], documents: list[str], matrix: NDArray[np.float32], metadatas: list[dict[str, Any]]) -> None:
    if known := [record_id for record_id in ids if record_id in _known]:
        stored = _collection.get(ids=known, include=["metadatas"])
        old = dict(zip(stored["ids"], stored["metadatas"], strict=True))
        metadatas = [
            {**dict.fromkeys(old.get(record_id) or ()), **metadata}
            for record_id, metadata in zip(ids, metadatas, strict=True)
        ]
    _collection.upsert(ids=ids, embeddings=matrix, documents=documents, metadatas=metadatas)
    _known.update(ids)


def _query(vector: NDArray[np.float32], wanted: int, where: dict[str, Any] | None) -> list[tuple[Any, ...]]:
    found = _collection.query(
        query_embeddings=vector[None],
        n_results=wanted,
        where=where,
        include=["documents", "metadatas", "distances"],
    )
    columns = (found[name][0] for name in ("ids", "documents", "metadatas", "distances"))
    return list(zip(*columns, strict=True))


def _get(ids: list[str]) -> tuple[Any, ...]:
    found = _collection.get(ids=ids, include=["documents", "metadatas", "embeddings"])
    return found["ids"], found["documents"], found["metadatas"], np.asarray(found["embeddings"], dtype=np.float32)
