"""The state machine of `ports.knowledge.KnowledgeRepository`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from domain.knowledge import GLOBAL, WITHDRAWN, Chunk, KnowledgeDocument, KnowledgeType, Scope
from domain.terms import terms
from domain.values import check_storable
from ports.errors import AlreadyExists, Conflict
from ports.knowledge import KnowledgeRepository, TextHit
from ports.paging import Page, check_page
from tests.builders import an_id, later
from tests.contract.knowledge.samples import CASE, MINE, a_document, bm25, chunks
from tests.stateful.machine import Ask, Call, Command, StoreMachine, call

LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass
class KnowledgeModel:
    """What the port promises, over dictionaries."""

    documents: dict[str, KnowledgeDocument] = field(default_factory=dict)
    chunks: dict[str, tuple[Chunk, ...]] = field(default_factory=dict)

    def save(self, document: KnowledgeDocument, parts: Sequence[Chunk]) -> KnowledgeDocument:
        stored = self.documents.get(document.document_id)
        if document.version != (stored.version if stored else 0):
            raise Conflict("document", document.document_id, document.version, stored.version if stored else None)
        same = self.get_by_source(document.scope, document.source_key) if document.source_key else None
        if same and same.document_id != document.document_id:
            raise AlreadyExists("document", "source_key")
        self.documents[document.document_id] = document.replace(version=document.version + 1)
        self.chunks[document.document_id] = tuple(parts)
        return self.documents[document.document_id]

    def get(self, document_id: str) -> KnowledgeDocument | None:
        check_storable(document_id)
        return self.documents.get(document_id)

    def get_by_source(self, scope: Scope, source_key: str) -> KnowledgeDocument | None:
        check_storable(source_key)
        found = (each for each in self.documents.values() if (each.scope, each.source_key) == (scope, source_key))
        return next(found, None)

    def get_chunks(self, chunk_ids: Sequence[str]) -> tuple[Chunk, ...]:
        check_storable(*chunk_ids)
        known = {chunk.chunk_id: chunk for chunk in self.all_chunks()}
        return tuple(known[chunk_id] for chunk_id in chunk_ids if chunk_id in known)

    def chunks_of(self, document_id: str) -> tuple[Chunk, ...]:
        check_storable(document_id)
        return self.chunks.get(document_id, ())

    def list(
        self, scopes: Sequence[Scope], *, document_type: KnowledgeType | None = None, limit: int = 50, offset: int = 0
    ) -> Page[KnowledgeDocument]:
        check_page(limit, offset)
        found = [
            each
            for each in self.documents.values()
            if each.scope in scopes and document_type in (None, each.document_type)
        ]
        found.sort(key=lambda each: (LATEST - each.created_at, each.document_id))
        return Page(tuple(found[offset : offset + limit]), len(found))

    def delete(self, document_id: str) -> bool:
        check_storable(document_id)
        self.chunks.pop(document_id, None)
        return self.documents.pop(document_id, None) is not None

    def search(
        self,
        query: Sequence[str],
        scopes: Sequence[Scope],
        *,
        document_types: Sequence[KnowledgeType] = (),
        limit: int = 20,
    ) -> tuple[TextHit, ...]:
        check_page(limit)
        check_storable(*query)
        store = list(self.all_chunks())
        hits = []
        for chunk in store:
            document = self.documents[chunk.document_id]
            allowed = document.scope in scopes and (not document_types or document.document_type in document_types)
            if allowed and set(query) & set(terms(f"{chunk.heading}\n{chunk.text}")):
                hits.append(TextHit(chunk, bm25(query, chunk, store)))
        return tuple(sorted(hits, key=best_first)[:limit])

    def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[KnowledgeDocument, ...]:
        check_storable(after or "")
        check_page(limit)
        return tuple(self.documents[each] for each in sorted(self.documents) if each > (after or ""))[:limit]

    def all_chunks(self) -> Sequence[Chunk]:
        """Every chunk of every document."""
        return [chunk for parts in self.chunks.values() for chunk in parts]


def best_first(hit: TextHit) -> tuple[float, str]:
    # Sums of the same terms may differ in their last digits; the adapters add up in another order than the model.
    return -round(hit.score, 9), hit.chunk.chunk_id


# Few ids, places and words, so that steps meet each other.
numbers = st.integers(1, 5)
all_scopes = [GLOBAL, MINE, CASE, WITHDRAWN]
scopes = st.sampled_from(all_scopes)
types = st.sampled_from([KnowledgeType.FAQ, KnowledgeType.GUIDE])
source_keys = st.none() | st.sampled_from(["a.md", "A.md", "a_md", "%"])
words = st.sampled_from(
    ["disk", "disks", "DISK", "CrashLoop", "crash", "loop", "the", "é", "E\u0301", "ß", "*", '"', "数据"]
)
texts = st.lists(words, min_size=1, max_size=5).map(" ".join)
queries = st.lists(st.sampled_from(["disk", "crash", "loop", "crashloop", "é", "ss", "数据", "*", "none"]), max_size=4)


@dataclass(frozen=True)
class Write:
    """Save a document, new or read before, perhaps a stale version, at a place that may be taken."""

    number: int
    scope: Scope
    kind: KnowledgeType
    source_key: str | None
    heading: str
    texts: list[str]
    minute: int
    ahead: int

    def on(self, model: KnowledgeModel) -> Call:
        stored = model.get(an_id("kb", self.number, 16))
        document = a_document(
            self.number,
            scope=self.scope,
            document_type=self.kind,
            source_key=self.source_key,
            created_at=later(self.minute),
            version=max(0, (stored.version if stored else 0) + self.ahead),
        )
        return call("save", document, chunks(document, *self.texts, heading=self.heading))


writes = st.builds(
    Write,
    numbers,
    scopes,
    types,
    source_keys,
    st.just("") | texts,
    st.lists(texts, max_size=4),
    st.integers(0, 2),
    st.sampled_from([0, 0, 0, 0, -1, 1]),
)


class KnowledgeRepositoryMachine(StoreMachine[KnowledgeRepository, KnowledgeModel]):
    """Writers, readers, searches and restarts in any order."""

    def new_model(self) -> KnowledgeModel:
        return KnowledgeModel()

    def compare(self, method: str, expected: object, actual: object) -> None:
        """Scores are equal up to rounding; hits of equal score may stand in the order in which rounding puts them."""
        if method != "search":
            super().compare(method, expected, actual)
            return
        assert isinstance(expected, tuple)
        assert isinstance(actual, tuple)
        assert list(actual) == sorted(actual, key=lambda hit: (-hit.score, hit.chunk.chunk_id))
        assert [hit.score for hit in actual] == pytest.approx([hit.score for hit in expected], rel=1e-6, abs=1e-9)
        assert [hit.chunk for hit in sorted(actual, key=best_first)] == [hit.chunk for hit in expected]

    @rule(command=writes)
    def write(self, command: Command[KnowledgeModel]) -> None:
        """Save a document with its chunks."""
        self.step(command)

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        """Delete a document, known or not."""
        self.step(Ask(call("delete", an_id("kb", number, 16))))

    @rule(
        query=queries,
        where=st.lists(scopes, max_size=3),
        kinds=st.lists(types, max_size=2),
    )
    def search(self, query: list[str], where: list[Scope], kinds: list[KnowledgeType]) -> None:
        """Any search."""
        self.step(Ask(call("search", query, where, document_types=kinds, limit=200)))
        self.step(Ask(call("search", query, all_scopes)))

    @rule(where=st.lists(scopes, max_size=3), kind=st.none() | types, limit=st.integers(0, 4), offset=st.integers(0, 3))
    def list_some(self, where: list[Scope], kind: KnowledgeType | None, limit: int, offset: int) -> None:
        """Any page of a list, and a walk from any place."""
        self.step(Ask(call("list", where, document_type=kind, limit=limit, offset=offset)))
        self.step(Ask(call("scan", after=an_id("kb", offset, 16), limit=limit)))

    @rule(number=numbers, other=numbers, scope=scopes, source_key=source_keys)
    def read(self, number: int, other: int, scope: Scope, source_key: str | None) -> None:
        """Documents by id and by source, and chunks in any order."""
        self.step(Ask(call("get", an_id("kb", number, 16))))
        self.step(Ask(call("chunks_of", an_id("kb", number, 16))))
        if source_key is not None:
            self.step(Ask(call("get_by_source", scope, source_key)))
        asked = [f"{an_id('kb', each, 16)}:{position}" for position in (3, 0, 1) for each in (number, other)]
        self.step(Ask(call("get_chunks", list(dict.fromkeys(asked)))))

    @invariant()
    def all_documents_match(self) -> None:
        """The walk over all documents is that of the model."""
        self.step(Ask(call("scan", limit=200)))
