"""What the child process knows by heart: all records, in order, and which of them have which text in a field."""

from __future__ import annotations

import secrets
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from adapters.chroma.exact import distances, nearest
from domain.filter import And, Comparison, Filter, Metadata, Operator, Or, matches

MARGIN = 32
"""How many more candidates are compared exactly than wanted: the first comparison is made with 32-bit floats."""
NOISE = 5e-5
"""More than the errors of two 32-bit distances."""

Found: TypeAlias = tuple[str, str, Metadata, float]
"""Id, document, metadata and distance."""


class Catalogue:
    """All records, for use by several threads. A removed row is filled by the last one."""

    def __init__(self, dimension: int) -> None:
        self._ids: list[str] = []
        self._documents: list[str] = []
        self._metadatas: list[Metadata] = []
        self._sorted: list[str] = []
        self._rows: dict[str, int] = {}
        self._having: dict[tuple[str, str], set[str]] = {}
        self._vectors: NDArray[np.float32] = np.empty((64, dimension), dtype=np.float32)
        self._lengths: NDArray[np.float32] = np.empty(64, dtype=np.float32)
        self._lock = threading.Lock()
        self._name = secrets.token_hex(8)
        self._changes = 0

    @property
    def mark(self) -> str:
        """Another one after each change; none comes again, in no process. What is read after it is no older than it."""
        return f"{self._name}:{self._changes}"

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def put(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        documents: Sequence[str],
        metadatas: Sequence[Metadata],
    ) -> None:
        """Add these records, or replace those of the same id."""
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        with self._lock:
            self._changes += 1
            for given, record_id in enumerate(ids):
                row = self._rows.get(record_id)
                if row is None:
                    row = self._append(record_id)
                else:
                    self._forget_fields(record_id, self._metadatas[row])
                self._vectors[row], self._lengths[row] = vectors[given], lengths[given]
                self._documents[row], self._metadatas[row] = documents[given], metadatas[given]
                for key in _texts(metadatas[given]):
                    self._having.setdefault(key, set()).add(record_id)

    def remove(self, ids: Sequence[str]) -> None:
        """Take out these records, all of which are known."""
        with self._lock:
            self._changes += 1
            for record_id in ids:
                row = self._rows.pop(record_id)
                self._forget_fields(record_id, self._metadatas[row])
                last, document, metadata = self._ids.pop(), self._documents.pop(), self._metadatas.pop()
                if last != record_id:
                    self._rows[last] = row
                    self._ids[row], self._documents[row], self._metadatas[row] = last, document, metadata
                    for column in (self._vectors, self._lengths):
                        column[row] = column[len(self._ids)]
                del self._sorted[bisect_left(self._sorted, record_id)]

    def metadata(self, record_id: str) -> Metadata:
        """The metadata of a record, which is known."""
        with self._lock:
            return self._metadatas[self._rows[record_id]]

    def page(self, after: str | None, limit: int) -> list[str]:
        """The next ids after the given one."""
        with self._lock:
            start = 0 if after is None else bisect_right(self._sorted, after)
            return self._sorted[start : start + limit]

    def passing(self, condition: Filter) -> Collection[str]:
        """The ids of the records that pass the filter."""
        with self._lock:
            return self._passing(condition)

    def nearest(self, vector: NDArray[np.float32], wanted: int, among: Collection[str] | None) -> list[Found]:
        """The records nearest to the vector by their true distances, nearest first, all or ``among`` some."""
        direction = (vector / np.linalg.norm(vector.astype(np.float64))).astype(np.float32)
        with self._lock:
            if among is None:
                rows = np.arange(len(self._ids))
                cosine = self._vectors[: len(rows)] @ direction / self._lengths[: len(rows)]
            else:
                known = self._rows
                rows = np.array([known[record_id] for record_id in among if record_id in known], dtype=np.intp)
                cosine = self._vectors[rows] @ direction / self._lengths[rows]
            candidates = wanted + MARGIN
            if len(rows) > candidates:
                # What is as near as the last one, but for the error of 32-bit floats, may be nearer.
                last = np.partition(cosine, len(rows) - candidates)[len(rows) - candidates] - NOISE
                rows = rows[cosine >= last]
            exact = distances(self._vectors[rows], vector)
            ids = [self._ids[row] for row in rows]
            return [
                (ids[place], self._documents[rows[place]], self._metadatas[rows[place]], exact[place])
                for place in nearest(exact, ids, wanted)
            ]

    def _append(self, record_id: str) -> int:
        row = self._rows[record_id] = len(self._ids)
        self._ids.append(record_id)
        self._documents.append("")
        self._metadatas.append({})
        insort(self._sorted, record_id)
        if row == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
            self._lengths = np.concatenate([self._lengths, np.empty_like(self._lengths)])
        return row

    def _forget_fields(self, record_id: str, metadata: Metadata) -> None:
        for key in _texts(metadata):
            having = self._having[key]
            having.discard(record_id)
            if not having:
                del self._having[key]

    def _passing(self, condition: Filter) -> Collection[str]:
        match condition:
            case Comparison(field, Operator.EQ | Operator.IN, values):
                texts = [value for value in values if isinstance(value, str)]
                if len(texts) == len(values):
                    return set[str]().union(*(self._having.get((field, text), ()) for text in texts))
            case And(parts):
                return set(self._passing(parts[0])).intersection(*map(self._passing, parts[1:]))
            case Or(parts):
                return set[str]().union(*map(self._passing, parts))
        return [record_id for record_id, row in self._rows.items() if matches(condition, self._metadatas[row])]


def _texts(metadata: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(field, value) for field, value in metadata.items() if isinstance(value, str)]
