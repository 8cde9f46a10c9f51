"""What the child process knows by heart: which records there are, in order, and their directions."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Catalogue:
    """Ids and unit vectors of all records, for use by several threads. A removed row is filled by the last one."""

    def __init__(self, dimension: int) -> None:
        self._ids: list[str] = []
        self._sorted: list[str] = []
        self._rows: dict[str, int] = {}
        self._matrix: NDArray[np.float32] = np.empty((64, dimension), dtype=np.float32)
        self._lock = threading.Lock()

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add these records, or turn them into their new directions."""
        wide = vectors.astype(np.float64)
        unit = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
        with self._lock:
            for record_id, vector in zip(ids, unit, strict=True):
                row = self._rows.get(record_id)
                if row is None:
                    row = self._rows[record_id] = len(self._ids)
                    self._ids.append(record_id)
                    insort(self._sorted, record_id)
                    if row == len(self._matrix):
                        self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix)])
                self._matrix[row] = vector

    def remove(self, ids: Sequence[str]) -> None:
        """Take out these records, all of which are known."""
        with self._lock:
            for record_id in ids:
                row, last = self._rows.pop(record_id), self._ids.pop()
                if last != record_id:
                    self._ids[row] = last
                    self._rows[last] = row
                    self._matrix[row] = self._matrix[len(self._ids)]
                del self._sorted[bisect_left(self._sorted, record_id)]

    def page(self, after: str | None, limit: int) -> list[str]:
        """The next ids after the given one."""
        with self._lock:
            start = 0 if after is None else bisect_right(self._sorted, after)
            return self._sorted[start : start + limit]

    def nearest(self, vector: NDArray[np.float32], wanted: int, among: Sequence[str] | None) -> list[str]:
        """The ids nearest to the vector, all or ``among`` some, in any order; more than ``wanted`` if several are as
        near as the last one.
        """
        direction = (vector / np.linalg.norm(vector.astype(np.float64))).astype(np.float32)
        with self._lock:
            rows = None if among is None else [self._rows[record_id] for record_id in among if record_id in self._rows]
            ids = self._ids.copy() if rows is None else [self._ids[row] for row in rows]
            cosine = (self._matrix[: len(ids)] if rows is None else self._matrix[rows]) @ direction
        if len(ids) <= wanted:
            return ids
        # The margin is for the error of 32-bit floats.
        last = np.partition(cosine, len(ids) - wanted)[len(ids) - wanted] - 1e-5
        return [ids[row] for row in np.flatnonzero(cosine >= last)]
