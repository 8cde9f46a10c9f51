"""Distances that are computed from the stored vectors: those of an index are approximate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def distances(rows: NDArray[np.float32], vector: NDArray[np.float32]) -> list[float]:
    """The cosine distance of each row to the vector.

    Distances that differ only by the error of the arithmetic come out equal.
    """
    wide, direction = rows.astype(np.float64), vector.astype(np.float64)
    cosine = wide @ direction / (np.linalg.norm(wide, axis=1) * np.linalg.norm(direction))
    result: list[float] = np.clip(1.0 - cosine, 0.0, 2.0).round(9).tolist()
    return result


def nearest(found: Sequence[float], ids: Sequence[str], wanted: int) -> list[int]:
    """The positions of the nearest, equal distances by id."""
    return sorted(range(len(ids)), key=lambda row: (found[row], ids[row]))[:wanted]
