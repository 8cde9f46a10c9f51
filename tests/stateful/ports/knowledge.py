"""Knowledge documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from ports.knowledge import KnowledgeRepository
from tests.builders import an_id
from tests.stateful import knowledge
from tests.stateful.agreement import Port
from tests.stateful.knowledge import KnowledgeModel, best_first
from tests.stateful.machine import Call, call
from tests.stateful.ports.common import as_many, asking, hostile, limits, near, offsets

document_ids = st.one_of(*[knowledge.numbers.map(lambda number: an_id("kb", number, 16))] * 9, hostile)
chunk_ids = st.builds("{}:{}".format, document_ids, st.integers(0, 4))
some_scopes = st.lists(knowledge.scopes, max_size=3)


class KnowledgePort(Port[KnowledgeRepository, KnowledgeModel]):
    """Documents, chunks and their full-text index."""

    name = "knowledge"
    commands = st.one_of(
        *[knowledge.writes] * 4,
        asking("delete", document_ids),
        asking("get", document_ids),
        asking("get_by_source", knowledge.scopes, knowledge.source_keys.filter(bool) | hostile),
        asking("get_chunks", st.lists(chunk_ids, max_size=5)),
        asking("chunks_of", document_ids),
        asking("list", some_scopes, document_type=st.none() | knowledge.types, limit=limits, offset=offsets),
        *[
            asking(
                "search",
                knowledge.queries | st.lists(hostile, max_size=2),
                some_scopes | st.just(knowledge.all_scopes),
                document_types=st.lists(knowledge.types, max_size=2),
                limit=st.sampled_from([50, 200, 201, -1]),
            )
        ]
        * 3,
        asking("scan", after=st.none() | document_ids, limit=limits),
    )

    def new_model(self) -> KnowledgeModel:
        return KnowledgeModel()

    def last_calls(self, model: KnowledgeModel) -> Sequence[Call]:
        chunks = [call("chunks_of", document_id) for document_id in sorted(model.documents)]
        return [call("scan", limit=200), call("list", knowledge.all_scopes, limit=200), *chunks]

    def settle(self, method: str, expected: Any, actual: Any) -> object:
        """Scores are the same to within 1e-6 of them; hits of equal scores may stand as their last digits tell."""
        if method != "search" or not as_many(expected, actual):
            return actual
        if list(actual) != sorted(actual, key=lambda hit: (-hit.score, hit.chunk.chunk_id)):
            return actual
        pairs = zip(expected, sorted(actual, key=best_first), strict=True)
        return [near(wanted, hit, "score", relative=1e-6, absolute=1e-9) for wanted, hit in pairs]
