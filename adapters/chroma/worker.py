"""The child process: owns the Chroma engine of one folder and answers requests from its standard input.

It ends when its input ends, so it never outlives its parent. It is the only one that writes to the folder, so it may
keep the ids in memory: sorted, for scans, and to know what exists.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from adapters.chroma.frames import pack, read
from adapters.chroma.where import to_chroma
from domain.filter import Filter, matches, parse_filter

EXACT_BELOW = 500
"""A filter that leaves at most so many records is answered by comparing all of them, which no index can get wrong."""
MARGIN = 32
"""How many more records the index is asked for, so that records at equal distance are ordered by id."""
READERS = 4

Answer = tuple[dict[str, Any], bytes]


class Refusal(Exception):
    """Something that the parent has to report under the given kind."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Engine:
    """One collection. Reads run side by side, writes one at a time."""

    def __init__(self, folder: Path, collection: str, model_id: str, dimension: int) -> None:
        import chromadb
        from chromadb.config import Settings
        from chromadb.errors import NotFoundError

        self._dimension = dimension
        self._writing = threading.Lock()
        # The types of its results are unions over everything that can be included; what comes back here is known.
        self._collection: Any
        client = chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
        try:
            self._collection = client.get_collection(collection, embedding_function=None)
        except NotFoundError:
            self._collection = client.create_collection(
                collection,
                metadata={"model_id": model_id, "dimension": dimension},
                configuration={
                    "hnsw": {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
                },
                embedding_function=None,
            )
        found = self._collection.metadata or {}
        if (found.get("model_id"), found.get("dimension")) != (model_id, dimension):
            raise Refusal(
                "space",
                f"the collection {collection!r} holds vectors of {found.get('model_id')} with {found.get('dimension')} "
                f"dimensions, but the chosen embedder is {model_id} with {dimension}. Choose the one that filled it, "
                "or name another collection (CHROMADB_COLLECTION) and run `faultmaven knowledge reindex`.",
            )
        self._ids: list[str] = sorted(self._collection.get(include=[])["ids"])

    def add(self, header: Mapping[str, Any], floats: bytes) -> Answer:
        """Store records; one that exists is replaced as a whole."""
        ids: list[str] = header["ids"]
        with self._writing:
            known = [record_id for record_id in ids if self._exists(record_id)]
            # Chroma merges metadata; a field that has to go is set to None.
            old: dict[str, Mapping[str, Any]] = {}
            if known:
                stored = self._collection.get(ids=known, include=["metadatas"])
                old = {key: value or {} for key, value in zip(stored["ids"], stored["metadatas"], strict=True)}
            metadatas = [
                {**dict.fromkeys(old.get(record_id, ())), **metadata} or None
                for record_id, metadata in zip(ids, header["metadatas"], strict=True)
            ]
            self._collection.upsert(
                ids=ids, embeddings=self._matrix(floats), documents=header["documents"], metadatas=metadatas
            )
            for record_id in ids:
                if not self._exists(record_id):
                    insort(self._ids, record_id)
        return {}, b""

    def delete(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """Remove records; tells how many there were."""
        with self._writing:
            known = [record_id for record_id in dict.fromkeys(header["ids"]) if self._exists(record_id)]
            if known:
                self._collection.delete(ids=known)
            for record_id in known:
                del self._ids[bisect_left(self._ids, record_id)]
        return {"count": len(known)}, b""

    def get(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """Records in the order asked for."""
        return self._records([record_id for record_id in header["ids"] if self._exists(record_id)])

    def scan(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """The next records by id."""
        start = 0 if header["after"] is None else bisect_right(self._ids, header["after"])
        return self._records(self._ids[start : start + header["limit"]])

    def count(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """How many records pass the filter."""
        where = header["where"]
        return {"count": len(self._ids) if where is None else len(self._passing(parse_filter(where)))}, b""

    def query(self, header: Mapping[str, Any], floats: bytes) -> Answer:
        """The nearest records that pass the filter."""
        wanted: int = header["n_results"]
        where = header["where"]
        vector = self._matrix(floats)
        if where is None:
            native, allowed = None, None if len(self._ids) > EXACT_BELOW else list(self._ids)
        else:
            condition = parse_filter(where)
            native, allowed = to_chroma(condition), self._passing(condition)
            if native is not None and len(allowed) > EXACT_BELOW:
                allowed = None
        if allowed is not None:
            if not allowed:
                return {"ids": [], "documents": [], "metadatas": [], "distances": []}, b""
            found = self._collection.get(ids=allowed, include=["documents", "metadatas", "embeddings"])
            return _nearest(vector[0], found["ids"], found, wanted)
        index = self._collection.query(
            query_embeddings=vector,
            n_results=min(len(self._ids), wanted + MARGIN),
            where=native,
            include=["documents", "metadatas", "embeddings"],
        )
        part = {name: index[name][0] for name in ("documents", "metadatas", "embeddings")}
        return _nearest(vector[0], index["ids"][0], part, wanted)

    def _passing(self, condition: Filter) -> list[str]:
        """Ids of the records that pass: Chroma narrows them down as far as it agrees, the definition decides."""
        native = to_chroma(condition)
        if native is not None:
            ids: list[str] = self._collection.get(where=native, include=[])["ids"]
            return ids
        found = self._collection.get(include=["metadatas"])
        return [
            record_id
            for record_id, metadata in zip(found["ids"], found["metadatas"], strict=True)
            if matches(condition, metadata or {})
        ]

    def _records(self, ids: Sequence[str]) -> Answer:
        if not ids:
            return {"ids": [], "documents": [], "metadatas": []}, b""
        found = self._collection.get(ids=list(ids), include=["documents", "metadatas", "embeddings"])
        rows = {record_id: row for row, record_id in enumerate(found["ids"])}
        order = [rows[record_id] for record_id in ids if record_id in rows]
        header = {
            "ids": [found["ids"][row] for row in order],
            "documents": [found["documents"][row] or "" for row in order],
            "metadatas": [found["metadatas"][row] or {} for row in order],
        }
        vectors = np.asarray(found["embeddings"], dtype=np.float32)[order]
        return header, vectors.tobytes()

    def _exists(self, record_id: str) -> bool:
        position = bisect_left(self._ids, record_id)
        return position < len(self._ids) and self._ids[position] == record_id

    def _matrix(self, floats: bytes) -> NDArray[np.float32]:
        return np.frombuffer(floats, dtype=np.float32).reshape(-1, self._dimension)


def _nearest(vector: NDArray[np.float32], ids: Sequence[str], found: Mapping[str, Any], wanted: int) -> Answer:
    """The nearest of some records, by distances that are computed here: those of an index are approximate."""
    rows = np.asarray(found["embeddings"], dtype=np.float64)
    direction = vector.astype(np.float64)
    cosine = rows @ direction / (np.linalg.norm(rows, axis=1) * np.linalg.norm(direction))
    distances = np.clip(1.0 - cosine, 0.0, 2.0)
    # Distances that differ only by rounding count as equal, so that equal vectors are ordered by id.
    order = sorted(range(len(ids)), key=lambda row: (round(float(distances[row]), 9), ids[row]))[:wanted]
    return {
        "ids": [ids[row] for row in order],
        "documents": [found["documents"][row] or "" for row in order],
        "metadatas": [found["metadatas"][row] or {} for row in order],
        "distances": [float(distances[row]) for row in order],
    }, b""


def main() -> None:
    """Open the engine as the first request says, then answer requests until the input ends."""
    # The engine must not write into the stream of answers: what it prints goes to standard error.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: BinaryIO = sys.stdin.buffer
    sending = threading.Lock()

    def send(header: dict[str, Any], floats: bytes = b"") -> None:
        with sending:
            answers.write(pack(header, floats))
            answers.flush()

    opening = read(requests)
    if opening is None:
        return
    number, options = opening[0]["number"], opening[0]
    try:
        engine = Engine(Path(options["folder"]), options["collection"], options["model_id"], options["dimension"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to be told
        send({"number": number, **_describe(error)})
        return
    send({"number": number})
    operations: dict[str, Callable[[Mapping[str, Any], bytes], Answer]] = {
        name: getattr(engine, name) for name in ("add", "delete", "get", "scan", "count", "query")
    }

    def answer(header: dict[str, Any], floats: bytes) -> None:
        try:
            result, out = operations[header["operation"]](header, floats)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to be told
            send({"number": header["number"], **_describe(error)})
        else:
            send({"number": header["number"], **result}, out)

    with ThreadPoolExecutor(READERS) as pool:
        while (request := read(requests)) is not None:
            pool.submit(answer, *request)


def _describe(error: Exception) -> dict[str, str]:
    if isinstance(error, Refusal):
        return {"error": error.kind, "message": str(error)}
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return {"error": "full" if full else "failed", "message": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
