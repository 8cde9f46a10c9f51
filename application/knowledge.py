"""Knowledge: documents come in, are cut and indexed by words and by meaning, and are found by those who may read them.

The repository is the truth. It is written first and read last: every hit, whichever index it comes from, is looked up
there and checked against the scopes of the reader before it leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from application.authorization import authorize
from application.retrieval import KnowledgeHit, SearchResult, best_per_document, fuse
from domain.access import Action, Actor
from domain.case import Case
from domain.chunking import chunk_document
from domain.evidence import Evidence
from domain.filter import And, Comparison, Filter, Operator
from domain.knowledge import (
    GLOBAL,
    WITHDRAWN,
    Chunk,
    KnowledgeDocument,
    KnowledgeType,
    Origin,
    Scope,
)
from domain.solution_pattern import solution_pattern
from domain.terms import terms
from domain.values import NO_ATTRIBUTES, Scalar, normalise_text
from ports.clock import Clock
from ports.embeddings import EmbeddingGenerator
from ports.errors import NotFound, PortError
from ports.ids import IdSource
from ports.knowledge import KnowledgeRepository
from ports.paging import Page
from ports.vectors import VectorHit, VectorStore

CANDIDATES = 40
"""How many chunks each index is asked for."""
MAX_QUERY = 2000
"""Characters of a question that are searched for; the rest of a longer one is not read."""

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as it comes from outside. ``source_key`` is its stable name there."""

    source_key: str
    title: str
    content: str
    document_type: KnowledgeType
    tags: tuple[str, ...] = ()
    version: str | None = None
    metadata: Mapping[str, Scalar | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. ``kept`` were edited here and are left alone; ``failed`` pairs a name with the reason."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: int = 0
    failed: tuple[tuple[str, str], ...] = ()


class KnowledgeService:
    """Keeps, indexes and finds knowledge."""

    def __init__(
        self,
        *,
        documents: KnowledgeRepository,
        vectors: VectorStore,
        embeddings: EmbeddingGenerator,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        """Works on these ports."""
        self._documents = documents
        self._vectors = vectors
        self._embeddings = embeddings
        self._clock = clock
        self._ids = ids

    # ---------------------------------------------------------------- documents

    async def add_document(
        self,
        actor: Actor,
        scope: Scope,
        *,
        title: str,
        content: str,
        document_type: KnowledgeType,
        tags: Sequence[str] = (),
        description: str | None = None,
        source_url: str | None = None,
        metadata: Mapping[str, Scalar | None] = NO_ATTRIBUTES,
    ) -> KnowledgeDocument:
        """Add a document to a scope that the actor may write.

        Raises:
            Forbidden: the actor may not write there.
            pydantic.ValidationError: a value is malformed.
        """
        authorize(actor, Action.WRITE, scope, kind="knowledge scope", key=scope.key)
        now = self._clock.now()
        document = KnowledgeDocument(
            document_id=self._ids.new("kb", 16),
            scope=scope,
            title=title,
            content=content,
            content_sha256=_sha256(content),
            document_type=document_type,
            tags=tuple(tags),
            description=description,
            source_url=source_url,
            origin=Origin.UPLOAD,
            created_by=actor.user_id,
            created_at=now,
            updated_at=now,
            metadata=metadata,
        )
        return await self._store(document)

    async def get_document(self, actor: Actor, document_id: str) -> KnowledgeDocument:
        """The document.

        Raises:
            NotFound: there is none, or the actor may not read it.
        """
        document = await self._documents.get(document_id)
        if document is None:
            raise NotFound("document", document_id)
        authorize(actor, Action.READ, document, kind="document", key=document_id)
        return document

    async def list_documents(
        self,
        actor: Actor,
        scope: Scope,
        *,
        document_type: KnowledgeType | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[KnowledgeDocument]:
        """Documents of a scope, newest first."""
        authorize(actor, Action.READ, scope, kind="knowledge scope", key=scope.key)
        return await self._documents.list([scope], document_type=document_type, limit=limit, offset=offset)

    async def update_document(
        self,
        actor: Actor,
        document_id: str,
        *,
        title: str | None = None,
        content: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> KnowledgeDocument:
        """Change the given parts of the document. Later imports leave it alone.

        Raises:
            NotFound: there is none, or the actor may not read it.
            Forbidden: the actor may read it but not write it.
            Conflict: somebody else changed it at the same moment.
        """
        document = await self.get_document(actor, document_id)
        authorize(actor, Action.WRITE, document, kind="document", key=document_id)
        new_content = document.content if content is None else content
        return await self._store(
            document.replace(
                title=document.title if title is None else title,
                content=new_content,
                content_sha256=_sha256(new_content),
                tags=document.tags if tags is None else tuple(tags),
                edited=True,
                updated_at=self._clock.now(),
            )
        )

    async def delete_document(self, actor: Actor, document_id: str) -> bool:
        """Delete the document; it is found no more from this moment. A starter document stays away for good.

        Raises:
            NotFound: there is none, or the actor may not read it.
            Forbidden: the actor may read it but not delete it.
        """
        document = await self.get_document(actor, document_id)
        authorize(actor, Action.DELETE, document, kind="document", key=document_id)
        stale = await self._documents.chunks_of(document_id)
        if document.origin is Origin.STARTER:
            await self._documents.save(document.replace(scope=WITHDRAWN, updated_at=self._clock.now()), ())
        else:
            await self._documents.delete(document_id)
        await self._vectors.delete([chunk.chunk_id for chunk in stale])
        return True

    # ---------------------------------------------------------------- search

    async def search(
        self,
        actor: Actor | None,
        query: str,
        *,
        case: Case | None = None,
        document_types: Sequence[KnowledgeType] = (),
        limit: int = 10,
    ) -> SearchResult:
        """Documents that fit the question, best first, from the global scope, the actor's own and that of the case.
        Without an actor, the operator of the machine asks, and only the global scope is searched.

        Without a fitting document the result is empty. If the vectors cannot be asked, words alone decide.

        Raises:
            InvalidInput: the question is not storable text.
            NotFound: the case belongs to somebody else.
        """
        scopes = [GLOBAL]
        if actor:
            scopes.append(Scope.for_user(actor.user_id))
        if actor and case:
            authorize(actor, Action.READ, case, kind="case", key=case.case_id)
            scopes.append(Scope.for_case(case.case_id))
        return await self._search(query, scopes, document_types, limit)

    async def similar_cases(self, actor: Actor, case: Case, *, limit: int = 5) -> tuple[KnowledgeHit, ...]:
        """Solved cases that resemble this one, each with the reason."""
        authorize(actor, Action.READ, case, kind="case", key=case.case_id)
        parts = [case.title, case.description, *(item.summary for item in case.evidence[-3:])]
        scopes = [GLOBAL, Scope.for_user(actor.user_id)]
        result = await self._search("\n".join(parts), scopes, [KnowledgeType.SOLUTION_PATTERN], limit + 1)
        return tuple(hit for hit in result.hits if hit.document.source_key != case.case_id)[:limit]

    async def _search(
        self, query: str, scopes: Sequence[Scope], document_types: Sequence[KnowledgeType], limit: int
    ) -> SearchResult:
        question = normalise_text(query).strip()[:MAX_QUERY]
        if not question:
            return SearchResult(())
        text_hits = await self._documents.search(
            list(dict.fromkeys(terms(question))), scopes, document_types=document_types, limit=CANDIDATES
        )
        vector_hits, degraded = await self._nearest(question, scopes, document_types)
        scored = fuse(text_hits, vector_hits)
        chunks = {hit.chunk.chunk_id: hit.chunk for hit in text_hits}
        missing = [item.chunk_id for item in scored if item.chunk_id not in chunks]
        chunks.update({chunk.chunk_id: chunk for chunk in await self._documents.get_chunks(missing)})
        documents = await self._readable(chunks.values(), scopes)
        return SearchResult(best_per_document(scored, chunks, documents, question)[:limit], degraded)

    async def _nearest(
        self, question: str, scopes: Sequence[Scope], document_types: Sequence[KnowledgeType]
    ) -> tuple[tuple[VectorHit, ...], bool]:
        where = _scope_filter(scopes, document_types)
        try:
            vector = await self._embeddings.embed_query(question)
            return await self._vectors.query(vector, CANDIDATES, where), False
        except PortError as error:
            if not error.retryable:
                raise
            return (), True

    async def _readable(self, chunks: Iterable[Chunk], scopes: Sequence[Scope]) -> dict[str, KnowledgeDocument]:
        """The documents of the chunks that exist and belong to the scopes: an index may be behind the truth."""
        keys = {scope.key for scope in scopes}
        found = [await self._documents.get(document_id) for document_id in {chunk.document_id for chunk in chunks}]
        return {item.document_id: item for item in found if item and item.scope.key in keys}

    # ---------------------------------------------------------------- cases

    async def index_evidence(self, case: Case, evidence: Sequence[Evidence]) -> None:
        """Make the summaries and extracts of the evidence searchable inside their case."""
        now = self._clock.now()
        for item in evidence:
            await self._upsert(
                SourceDocument(
                    source_key=item.evidence_id,
                    title=item.summary,
                    content=item.extract.strip() or item.summary,
                    document_type=KnowledgeType.EVIDENCE,
                ),
                Scope.for_case(case.case_id),
                Origin.CASE,
                case.user_id,
                now,
            )

    async def learn_from(self, case: Case) -> KnowledgeDocument | None:
        """Keep a resolved case as a solution pattern of its owner; None if the case taught nothing."""
        pattern = solution_pattern(case)
        if pattern is None:
            return None
        source = SourceDocument(
            source_key=case.case_id,
            title=case.title,
            content=pattern,
            document_type=KnowledgeType.SOLUTION_PATTERN,
            metadata={"case_id": case.case_id},
        )
        scope = Scope.for_user(case.user_id)
        await self._upsert(source, scope, Origin.CASE, case.user_id, self._clock.now())
        return await self._documents.get_by_source(scope, case.case_id)

    async def forget_case(self, case_id: str) -> None:
        """Remove everything that is kept in the scope of the case."""
        scope = Scope.for_case(case_id)
        while (page := await self._documents.list([scope], limit=100)).items:
            for document in page:
                stale = await self._documents.chunks_of(document.document_id)
                await self._documents.delete(document.document_id)
                await self._vectors.delete([chunk.chunk_id for chunk in stale])

    # ---------------------------------------------------------------- import

    async def import_documents(
        self,
        actor: Actor | None,
        scope: Scope,
        sources: Sequence[SourceDocument],
        *,
        origin: Origin = Origin.IMPORT,
        on_progress: Callable[[str], None] | None = None,
    ) -> ImportReport:
        """Add what is new, replace what has changed at its source, and leave alone what was edited or deleted here.

        One document that fails does not stop the others. ``on_progress`` is told the name of each finished one.
        Without an actor the program itself imports.

        Raises:
            Forbidden: the actor may not write to the scope.
        """
        if actor:
            authorize(actor, Action.WRITE, scope, kind="knowledge scope", key=scope.key)
        counts = dict.fromkeys(("added", "updated", "unchanged", "kept"), 0)
        failed: list[tuple[str, str]] = []
        now = self._clock.now()
        for source in sources:
            try:
                outcome = await self._upsert(source, scope, origin, actor.user_id if actor else SYSTEM, now)
                counts[outcome] += 1
            except ValidationError as error:
                failed.append((source.source_key, "; ".join(item["msg"] for item in error.errors())))
            if on_progress:
                on_progress(source.source_key)
        return ImportReport(**counts, failed=tuple(failed))

    async def reindex(self) -> int:
        """Index by meaning whatever the vector store lacks; returns how many documents that were."""
        repaired = 0
        after = None
        while documents := await self._documents.scan(after=after):
            after = documents[-1].document_id
            for document in documents:
                chunks = await self._documents.chunks_of(document.document_id)
                if len(await self._vectors.get([chunk.chunk_id for chunk in chunks])) < len(chunks):
                    await self._index(document, chunks)
                    repaired += 1
        return repaired

    async def _upsert(
        self, source: SourceDocument, scope: Scope, origin: Origin, created_by: str, now: datetime
    ) -> str:
        fingerprint = _sha256(
            "\x1f".join((source.title, source.document_type, source.version or "", *source.tags, source.content))
        )
        known = await self._documents.get_by_source(scope, source.source_key)
        if known is None and origin is Origin.STARTER:
            known = await self._documents.get_by_source(WITHDRAWN, source.source_key)
        if known and (known.scope != scope or known.edited):
            return "kept"
        if known and known.source_sha256 == fingerprint:
            return "unchanged"
        document = KnowledgeDocument(
            document_id=known.document_id if known else self._ids.new("kb", 16),
            version=known.version if known else 0,
            scope=scope,
            title=source.title,
            content=source.content,
            content_sha256=_sha256(source.content),
            document_type=source.document_type,
            tags=source.tags,
            origin=origin,
            source_key=source.source_key,
            source_version=source.version,
            source_sha256=fingerprint,
            created_by=created_by,
            created_at=known.created_at if known else now,
            updated_at=now,
            metadata=source.metadata,
        )
        await self._store(document)
        return "updated" if known else "added"

    async def _store(self, document: KnowledgeDocument) -> KnowledgeDocument:
        stale = {chunk.chunk_id for chunk in await self._documents.chunks_of(document.document_id)}
        chunks = chunk_document(document.document_id, document.title, document.content)
        saved = await self._documents.save(document, chunks)
        await self._vectors.delete(sorted(stale - {chunk.chunk_id for chunk in chunks}))
        await self._index(saved, chunks)
        return saved

    async def _index(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> None:
        texts = [f"{chunk.heading}\n{chunk.text}" for chunk in chunks]
        await self._vectors.add_documents(
            texts,
            await self._embeddings.embed_documents(texts),
            [
                {
                    "scope": document.scope.key,
                    "document_id": document.document_id,
                    "document_type": document.document_type.value,
                }
                for _ in chunks
            ],
            [chunk.chunk_id for chunk in chunks],
        )


def _scope_filter(scopes: Sequence[Scope], document_types: Sequence[KnowledgeType]) -> Filter:
    readable = Comparison("scope", Operator.IN, tuple(scope.key for scope in scopes))
    if not document_types:
        return readable
    return And((readable, Comparison("document_type", Operator.IN, tuple(item.value for item in document_types))))


def _sha256(text: str) -> str:
    return hashlib.sha256(normalise_text(text).encode()).hexdigest()
