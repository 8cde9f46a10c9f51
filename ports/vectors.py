"""Vectors with a text and flat metadata, found by nearness.

Promise: a query returns the nearest records that pass the filter, by cosine distance (0 same direction, 2 opposite),
nearest first, equal distances by id. Components are kept as 32-bit floats, in an index that scales vectors to within
their last bit. Approximate indexes may miss a record (recall at least 0.95 on clustered data), but never return a wrong
distance or one that fails the filter.

A store belongs to one embedding space. Vectors of another dimension are refused, and so is opening a store that was
filled from another model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot
from struct import pack
from typing import Protocol

from domain.errors import InvalidInput
from domain.filter import Filter, MetadataValue, check_metadata
from domain.values import normalise_text
from ports.errors import NotFound

MAX_RESULTS = 1000
MAX_ID_LENGTH = 512

Vector = Sequence[float]


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Where vectors can be compared: made by the same model, with the same number of components."""

    model_id: str
    dimension: int
    metric: str = "cosine"


@dataclass(frozen=True, slots=True)
class VectorRecord:
    """A stored vector with its text and metadata."""

    id: str
    document: str
    embedding: tuple[float, ...]
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VectorHit:
    """A record found by a query; ``distance`` is the cosine distance, 0 to 2, as exact as 32-bit arithmetic is."""

    id: str
    document: str
    metadata: Mapping[str, MetadataValue]
    distance: float


def check_vector(vector: Vector, dimension: int) -> None:
    """Refuse a vector that no cosine index can hold.

    Raises:
        InvalidInput: another dimension, a component that is not finite as a 32-bit float, or length 0.
    """
    if len(vector) != dimension:
        raise InvalidInput(f"a vector has {len(vector)} components; this store holds vectors of {dimension}")
    # A component that is not finite makes the length so.
    if not 1e-15 < hypot(*vector) < 1e15:
        raise InvalidInput("a vector must have finite components and a length between 1e-15 and 1e15")


def to_floats(vector: Vector) -> bytes:
    """The components of a vector that has been checked, as 32-bit floats, little-endian."""
    return pack(f"<{len(vector)}f", *vector)


def check_record_id(record_id: str) -> None:
    """Refuse an id that is empty or longer than 512 characters."""
    if not 1 <= len(record_id) <= MAX_ID_LENGTH:
        raise InvalidInput(f"a record id has {len(record_id)} characters; accepted: 1 to {MAX_ID_LENGTH}")


def check_records(
    dimension: int,
    documents: Sequence[str],
    embeddings: Sequence[Vector],
    metadatas: Sequence[Mapping[str, MetadataValue]],
    ids: Sequence[str],
) -> list[tuple[str, str, dict[str, MetadataValue]]]:
    """Id, document and metadata of each record, normalised. Takes about 0.1 ms a record.

    Raises:
        InvalidInput: see `VectorStore.add_documents`.
    """
    if not len(documents) == len(embeddings) == len(metadatas) == len(ids):
        raise InvalidInput("documents, embeddings, metadatas and ids must have the same length")
    rows = []
    for record_id, document, embedding, metadata in zip(ids, documents, embeddings, metadatas, strict=True):
        check_vector(embedding, dimension)
        check_record_id(record_id)
        rows.append((normalise_text(record_id), normalise_text(document), check_metadata(metadata)))
    check_unique([row[0] for row in rows])
    return rows


def check_unique(ids: Sequence[str]) -> None:
    """Refuse ids, already normalised, one of which stands twice in a call that writes."""
    if len(set(ids)) != len(ids):
        raise InvalidInput("an id occurs twice in one call")


def check_update(
    ids: Sequence[str],
    documents: Sequence[str] | None,
    embeddings: Sequence[Vector] | None,
    metadatas: Sequence[Mapping[str, MetadataValue]] | None,
) -> list[str]:
    """The ids of an update, normalised.

    Raises:
        InvalidInput: an id twice, or a given sequence of another length.
    """
    names = [normalise_text(record_id) for record_id in ids]
    check_unique(names)
    if any(part is not None and len(part) != len(names) for part in (documents, embeddings, metadatas)):
        raise InvalidInput("every given sequence must have one value for each id")
    return names


def fill_in(
    names: Sequence[str],
    old: Sequence[VectorRecord],
    documents: Sequence[str] | None,
    embeddings: Sequence[Vector] | None,
    metadatas: Sequence[Mapping[str, MetadataValue]] | None,
) -> tuple[Sequence[str], Sequence[Vector], Sequence[Mapping[str, MetadataValue]]]:
    """Documents, embeddings and metadatas of the records ``names`` after an update: those that are given, else the old.

    ``old`` are the stored records in the order of ``names``.

    Raises:
        NotFound: one of them is missing.
    """
    known = {record.id for record in old}
    if unknown := [name for name in names if name not in known]:
        raise NotFound("vector record", unknown[0])
    return (
        [record.document for record in old] if documents is None else documents,
        [record.embedding for record in old] if embeddings is None else embeddings,
        [record.metadata for record in old] if metadatas is None else metadatas,
    )


def check_query(query_embedding: Vector, dimension: int, n_results: int) -> None:
    """Refuse a query that no adapter answers.

    Raises:
        InvalidInput: a malformed vector, or ``n_results`` outside of 1 to 1000.
    """
    check_vector(query_embedding, dimension)
    if not 1 <= n_results <= MAX_RESULTS:
        raise InvalidInput(f"n_results is {n_results}; accepted: 1 to {MAX_RESULTS}")


class VectorStore(Protocol):
    """Keeps vectors of one embedding space. Ids are normalised text (NFC) wherever they are given."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space that this store belongs to."""
        ...

    async def add_documents(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> None:
        """Store one record for each position; a record with the same id is replaced as a whole.

        Raises:
            InvalidInput: sequences of different length, an id twice, a malformed vector, id or metadata.
                Nothing is stored.
        """
        ...

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        """The nearest records that pass ``where``, at most ``n_results`` (1 to 1000); fewer only if there are no more.

        Raises:
            InvalidInput: a malformed vector or number.
        """
        ...

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """The records in the order asked for; unknown ids are left out."""
        ...

    async def delete(self, ids: Sequence[str]) -> int:
        """Remove the records; returns how many there were."""
        ...

    async def update(
        self,
        ids: Sequence[str],
        *,
        documents: Sequence[str] | None = None,
        embeddings: Sequence[Vector] | None = None,
        metadatas: Sequence[Mapping[str, MetadataValue]] | None = None,
    ) -> None:
        """Replace the given parts of existing records; a given metadata replaces the old one as a whole.

        Raises:
            NotFound: a record does not exist. Nothing has changed.
            InvalidInput: as `add_documents`. Nothing has changed.
        """
        ...

    async def count(self, where: Filter | None = None) -> int:
        """Number of records that pass ``where``."""
        ...

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        """The next records by id (in the order of code points) after the given one; an empty tuple at the end.

        Raises:
            InvalidInput: a limit out of bounds (see `ports.paging.check_page`).
        """
        ...
