"""A vector store beside a dictionary: whatever is done to both, they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from domain.filter import Filter, MetadataValue, matches, parse_filter
from domain.values import normalise_text
from ports.errors import NotFound
from ports.paging import check_page
from ports.vectors import Vector, VectorHit, VectorRecord, VectorStore, check_query, check_records
from tests.contract.vectors.data import DIMENSION, SPACE, a_vector, stored
from tests.contract.vectors.filtering import filters, metadata
from tests.stateful.machine import Ask, Call, StoreMachine, call

Metadata = Mapping[str, MetadataValue]

IDS = [f"id{number}" for number in range(8)] + ["\u00e9", "\U0001f525"]
UNKNOWN = "unknown"

ids = st.sampled_from(IDS)
texts = st.sampled_from(["", "Disk full", "it's 100% down", "x" * 3000])
vectors = st.one_of(
    # Few directions make many ties.
    st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=3, max_size=3).filter(any).map(lambda head: a_vector(*head)),
    st.integers(0, 10**6).map(lambda seed: np.random.default_rng(seed).normal(size=DIMENSION).tolist()),
)
malformed = st.sampled_from([a_vector(), [1.0], a_vector(float("nan"))])


class VectorStoreModel:
    """What a store says, as long as nothing is approximate."""

    def __init__(self) -> None:
        self.records: dict[str, VectorRecord] = {}

    def add_documents(
        self, documents: Sequence[str], embeddings: Sequence[Vector], metadatas: Sequence[Metadata], ids: Sequence[str]
    ) -> None:
        rows = check_records(DIMENSION, documents, embeddings, metadatas, ids)
        for (record_id, document, item), embedding in zip(rows, embeddings, strict=True):
            self.records[record_id] = VectorRecord(record_id, document, stored(embedding), item)

    def update(
        self,
        ids: Sequence[str],
        *,
        documents: Sequence[str] | None = None,
        embeddings: Sequence[Vector] | None = None,
        metadatas: Sequence[Metadata] | None = None,
    ) -> None:
        ids = [normalise_text(record_id) for record_id in ids]
        for record_id in ids:
            if record_id not in self.records:
                raise NotFound("vector record", record_id)
        old = [self.records[record_id] for record_id in ids]
        self.add_documents(
            [record.document for record in old] if documents is None else documents,
            [record.embedding for record in old] if embeddings is None else embeddings,
            [record.metadata for record in old] if metadatas is None else metadatas,
            ids,
        )

    def delete(self, ids: Sequence[str]) -> int:
        names = [normalise_text(record_id) for record_id in ids]
        return sum(self.records.pop(name, None) is not None for name in names)

    def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        names = [normalise_text(record_id) for record_id in ids]
        return tuple(self.records[name] for name in names if name in self.records)

    def count(self, where: Filter | None = None) -> int:
        return len(self.passing(where))

    def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        check_page(limit)
        start = None if after is None else normalise_text(after)
        return tuple(self.records[key] for key in sorted(self.records) if start is None or key > start)[:limit]

    def query(self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None) -> tuple[VectorHit, ...]:
        check_query(query_embedding, DIMENSION, n_results)
        hits = [
            VectorHit(record.id, record.document, record.metadata, distance(record.embedding, query_embedding))
            for record in self.passing(where)
        ]
        # Which of two is nearer cannot be told from 32-bit components if their distances differ by less than this.
        ranked = sorted(hits, key=lambda hit: hit.distance)
        assume(not any(1e-9 < far.distance - near.distance < 2e-6 for near, far in pairwise(ranked)))
        return tuple(sorted(hits, key=lambda hit: (round(hit.distance, 6), hit.id))[:n_results])

    def passing(self, where: Filter | None) -> list[VectorRecord]:
        return [record for record in self.records.values() if where is None or matches(where, record.metadata)]


def distance(one: Vector, other: Vector) -> float:
    """The cosine distance."""
    left, right = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float32).astype(np.float64)
    return float(1.0 - left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


@st.composite
def additions(draw: st.DrawFn, embeddings: st.SearchStrategy[list[float]] = vectors) -> Call:
    """Adding some records, known ones among them."""
    names = draw(st.lists(ids, max_size=5, unique=True))
    parts: list[Any] = [
        draw(st.lists(part, min_size=len(names), max_size=len(names))) for part in (texts, embeddings, metadata)
    ]
    return call("add_documents", *parts, names)


@st.composite
def updates(draw: st.DrawFn) -> Call:
    """Updating some parts of some records, rarely of unknown ones."""
    names = draw(st.lists(st.one_of(*[ids] * 9, st.just(UNKNOWN)), max_size=3, unique=True))
    parts = {"documents": texts, "embeddings": vectors, "metadatas": metadata}
    given = draw(st.sets(st.sampled_from(sorted(parts))))
    some = {part: draw(st.lists(parts[part], min_size=len(names), max_size=len(names))) for part in sorted(given)}
    return call("update", names, **some)


names = st.lists(st.one_of(ids, st.just(UNKNOWN)), max_size=6)
conditions = st.none() | filters.map(parse_filter)


class VectorStoreMachine(StoreMachine[VectorStore, VectorStoreModel]):
    """Compares with `VectorStoreModel`. A subclass opens the store."""

    space = SPACE

    def new_model(self) -> VectorStoreModel:
        return VectorStoreModel()

    def compare(self, method: str, expected: object, actual: object) -> None:
        """Distances are the same to within 1e-6; everything else is equal."""
        if method != "query" or not (isinstance(expected, tuple) and isinstance(actual, tuple)):
            super().compare(method, expected, actual)
            return
        super().compare(method, [without_distance(hit) for hit in expected], [without_distance(hit) for hit in actual])
        assert np.allclose([hit.distance for hit in expected], [hit.distance for hit in actual], rtol=0, atol=1e-6)

    @rule(what=additions())
    def add(self, what: Call) -> None:
        self.step(Ask(what))

    @rule(what=additions(malformed))
    def add_malformed(self, what: Call) -> None:
        self.step(Ask(what))

    @rule(what=updates())
    def update(self, what: Call) -> None:
        self.step(Ask(what))

    @rule(some=names.map(dict.fromkeys).map(list))
    def delete(self, some: list[str]) -> None:
        self.step(Ask(call("delete", some)))

    @rule(some=names)
    def get(self, some: list[str]) -> None:
        self.step(Ask(call("get", some)))

    @rule(vector=vectors, number=st.integers(1, 12), where=conditions)
    def query(self, vector: Vector, number: int, where: Filter | None) -> None:
        self.step(Ask(call("query", vector, number, where)))

    @rule(where=conditions)
    def count(self, where: Filter | None) -> None:
        self.step(Ask(call("count", where)))

    @rule(after=st.none() | ids, limit=st.integers(0, 12))
    def scan(self, after: str | None, limit: int) -> None:
        self.step(Ask(call("scan", after=after, limit=limit)))

    @invariant()
    def holds_the_same_records(self) -> None:
        self.step(Ask(call("scan")))


def without_distance(hit: VectorHit) -> tuple[str, str, Metadata]:
    """What of a hit is compared exactly."""
    return hit.id, hit.document, hit.metadata
