"""Vectors and records for the contract of the vector stores."""

from collections.abc import Mapping, Sequence
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from domain.filter import MetadataValue
from ports.vectors import EmbeddingSpace, Vector, VectorHit, VectorRecord, VectorStore

DIMENSION = 24
SPACE = EmbeddingSpace("contract-model", DIMENSION)

Matrix = NDArray[np.float64]


def a_vector(*components: float) -> list[float]:
    """A vector with these components first and zeros behind."""
    return [*components, *[0.0] * (DIMENSION - len(components))]


MALFORMED_VECTORS: dict[str, list[float]] = {
    "short": [1.0] * (DIMENSION - 1),
    "long": [1.0] * (DIMENSION + 1),
    "empty": [],
    "nan": a_vector(1.0, nan),
    "inf": a_vector(1.0, inf),
    "minus-inf": a_vector(1.0, -inf),
    "zero": a_vector(),
    "beyond-float32": a_vector(1e39),
    "vanishing": a_vector(1e-39),
}


class Stored(tuple[float, ...]):
    """A vector as a store may give it back: an index that scales vectors can change the last bit of a component."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """True for a vector whose components are the same 32-bit floats, but for their last bit."""
        return isinstance(other, tuple) and len(other) == len(self) and np.allclose(self, other, rtol=3e-7, atol=0)

    __hash__ = tuple.__hash__


def stored(vector: Vector) -> Stored:
    """The vector as every store keeps it: in 32-bit floats."""
    return Stored(np.asarray(vector, dtype=np.float32).tolist())


def a_record(number: int, **fields: MetadataValue) -> VectorRecord:
    """A record whose vector turns with its number; the first is the farthest from the second axis."""
    angle = number / 50
    vector = stored(a_vector(float(np.cos(angle)), float(np.sin(angle))))
    return VectorRecord(f"rec_{number:05}", f"Document {number}", vector, fields or {"number": number})


async def put(store: VectorStore, *records: VectorRecord) -> None:
    """Add these records in one call."""
    await store.add_documents(
        [record.document for record in records],
        [record.embedding for record in records],
        [record.metadata for record in records],
        [record.id for record in records],
    )


async def put_matrix(
    store: VectorStore, matrix: Matrix, metadatas: Sequence[Mapping[str, MetadataValue]] | None = None
) -> list[str]:
    """Add each row as a record in one call; the ids are in the order of the rows."""
    ids = [f"row_{row:05}" for row in range(len(matrix))]
    documents = [f"Text of {record_id}" for record_id in ids]
    await store.add_documents(documents, matrix.tolist(), metadatas or [{"row": row} for row in range(len(ids))], ids)
    return ids


def clusters(seed: int, groups: int, size: int) -> Matrix:
    """Rows that lie in groups around random directions, as the chunks of documents do."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(groups, DIMENSION))
    rows: Matrix = np.repeat(centres, size, axis=0) + random.normal(scale=0.3, size=(groups * size, DIMENSION))
    random.shuffle(rows)
    return rows


def distances(matrix: Matrix, query: Vector) -> Matrix:
    """The cosine distance of each row to the query, computed without any index."""
    rows = np.asarray(matrix, dtype=np.float32).astype(np.float64)
    direction = np.asarray(query, dtype=np.float32).astype(np.float64)
    result: Matrix = 1.0 - rows @ direction / (np.linalg.norm(rows, axis=1) * np.linalg.norm(direction))
    return result


def ids(found: Sequence[VectorHit] | Sequence[VectorRecord]) -> list[str]:
    """The ids, in order."""
    return [item.id for item in found]


async def everything(store: VectorStore) -> list[VectorRecord]:
    """All records, by id."""
    records: list[VectorRecord] = []
    while page := await store.scan(after=records[-1].id if records else None, limit=200):
        assert page[0] not in records
        records += page
    return records
