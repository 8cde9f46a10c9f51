"""Vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ports.vectors import VectorStore
from tests.stateful import vectors
from tests.stateful.agreement import Port
from tests.stateful.machine import Ask, Call, call
from tests.stateful.ports.common import as_many, asking, hostile, limits, near
from tests.stateful.vectors import VectorStoreModel

record_ids = st.one_of(*[vectors.ids] * 9, hostile)
some_ids = st.lists(record_ids | st.just(vectors.UNKNOWN), max_size=6)


class VectorPort(Port[VectorStore, VectorStoreModel]):
    """Vectors, found exactly, since there are few."""

    name = "vectors"
    commands = st.one_of(
        *[vectors.additions().map(Ask)] * 4,
        vectors.additions(vectors.malformed).map(Ask),
        *[vectors.updates().map(Ask)] * 2,
        asking("delete", some_ids),
        asking("get", some_ids),
        *[asking("query", vectors.vectors, st.sampled_from([1, 2, 5, 12, 1000]), vectors.conditions)] * 4,
        asking("query", vectors.vectors | vectors.malformed, st.sampled_from([0, 1, 1001])),
        *[asking("count", vectors.conditions)] * 2,
        asking("scan", after=st.none() | record_ids, limit=limits),
    )

    def new_model(self) -> VectorStoreModel:
        return VectorStoreModel()

    def last_calls(self, model: VectorStoreModel) -> Sequence[Call]:
        return [call("scan", limit=200), call("count")]

    def settle(self, method: str, expected: Any, actual: Any) -> object:
        """Distances are the same to within 1e-6, components but for the last bit of a 32-bit float."""
        if not as_many(expected, actual):
            return actual
        if method == "query":
            return [near(wanted, hit, "distance", absolute=1e-6) for wanted, hit in zip(expected, actual, strict=True)]
        return [_with_components(*pair) for pair in zip(expected, actual, strict=True)]


def _with_components(expected: Any, actual: Any) -> Any:
    same = len(expected.embedding) == len(actual.embedding)
    if same and np.allclose(expected.embedding, actual.embedding, rtol=3e-7, atol=0):
        return replace(actual, embedding=expected.embedding)
    return actual
