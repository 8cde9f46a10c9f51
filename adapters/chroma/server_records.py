"""How a record is written to a Chroma server, and read back.

Chroma merges the metadata of a record into the old one, and several processes write at once, so nobody knows what is
left over from before. Therefore the whole metadata is one JSON text in a field of its own, which a write replaces
together with the record. Beside it stand its texts as fields, for Chroma's own filters to find; what they find is
checked against the JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from adapters.chroma.where import stored_field
from domain.filter import MetadataValue
from ports.errors import StorageCorrupt
from ports.vectors import Vector, VectorRecord, to_floats

METADATA = "\\metadata"
"""The field of the JSON text. No name that `stored_field` makes begins like this."""

Metadata = Mapping[str, MetadataValue]


@dataclass(frozen=True, slots=True)
class Found:
    """Some records as they came, without those of their parts that were not asked for."""

    ids: list[str]
    documents: list[str | None] | None
    metadatas: list[Mapping[str, Any] | None] | None
    matrix: NDArray[np.float32]
    distances: Sequence[float] = ()
    """To the vector that was asked about, the smallest first."""

    def metadata(self, row: int) -> dict[str, MetadataValue]:
        """The metadata of a record.

        Raises:
            StorageCorrupt: it was not written by `to_body`.
        """
        fields = (self.metadatas[row] if self.metadatas else None) or {}
        try:
            decoded = orjson.loads(fields[METADATA])
        except (KeyError, ValueError) as error:
            raise StorageCorrupt(
                f"the record {self.ids[row]!r} in Chroma was not written by this program, or was changed since"
            ) from error
        return dict(decoded)

    def document(self, row: int) -> str:
        """The text of a record."""
        return (self.documents[row] if self.documents else None) or ""

    def record(self, row: int) -> VectorRecord:
        """A whole record."""
        vector = tuple(self.matrix[row].tolist())
        return VectorRecord(self.ids[row], self.document(row), vector, self.metadata(row))


def from_body(body: bytes) -> Found:
    """The records of an answer."""
    found = orjson.loads(body)
    matrix = np.asarray(found["embeddings"] or [], dtype=np.float32)
    return Found(found["ids"], found["documents"], found["metadatas"], matrix)


def from_answer(body: bytes) -> Found:
    """The records of an answer to one question, without their vectors."""
    found = orjson.loads(body)
    distances = [min(2.0, max(0.0, distance)) for distance in found["distances"][0]]
    (ids,), (documents,), (metadatas,) = found["ids"], found["documents"], found["metadatas"]
    return Found(ids, documents, metadatas, np.empty((len(ids), 0), dtype=np.float32), distances)


def to_body(
    ids: Sequence[str],
    documents: Sequence[str] | None = None,
    embeddings: Sequence[Vector] | None = None,
    metadatas: Sequence[Metadata] | None = None,
) -> bytes:
    """The request that writes these records, or the given parts of them."""
    body: dict[str, Any] = {"ids": ids}
    if documents is not None:
        body["documents"] = documents
    if embeddings is not None:
        body["embeddings"] = [base64.b64encode(to_floats(embedding)).decode() for embedding in embeddings]
    if metadatas is not None:
        body["metadatas"] = [_fields(metadata) for metadata in metadatas]
    return orjson.dumps(body)


def _fields(metadata: Metadata) -> dict[str, Any]:
    texts = {stored_field(field): value for field, value in metadata.items() if isinstance(value, str)}
    return {**texts, METADATA: orjson.dumps(metadata).decode()}
