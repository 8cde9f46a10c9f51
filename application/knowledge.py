"""Knowledge: documents come in, are cut and indexed by words and by meaning, and are found by those who may read them.

The repository is the truth. It is written first and read last: every hit, whichever index it comes from, is looked up
there and checked against the scopes of the reader before it leaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from application.authorization import authorize
from application.ingest import ImportReport, Ingest, SourceDocument, preface
from application.retrieval import FITS, KnowledgeHit, NearChunk, RankedDocument, SearchResult, fuse
from application.vector_index import VectorIndex
from domain.access import Action, Actor
from domain.case import Case
from domain.evidence import Evidence
from domain.knowledge import GLOBAL, KnowledgeDocument, KnowledgeType, Origin, Scope
from domain.solution_pattern import solution_pattern
from domain.terms import terms
from domain.values import Scalar, normalise_text
from ports.clock import Clock
from ports.embeddings import EmbeddingGenerator
from ports.errors import NotFound, PortError
from ports.ids import IdSource
from ports.knowledge import KnowledgeRepository
from ports.paging import Page
from ports.sessions import CacheStore
from ports.vectors import VectorStore

__all__ = ["CANDIDATES", "MAX_QUERY", "SYSTEM", "ImportReport", "KnowledgeService", "SourceDocument"]

CANDIDATES = 60
"""How many chunks each index is asked for. A chunk that only one of them names counts as unknown to the other, so a
short list would distort the relevance of both: with 40, one of 86 paraphrased questions loses its first place against
100, with 60 none does (`make bench-retrieval`)."""
MAX_QUERY = 2000
"""Characters of a question that are searched for; the rest of a longer one is not read."""

SYSTEM = "system"

_log = logging.getLogger(__name__)


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
        cache: CacheStore | None = None,
        cache_ttl: timedelta = timedelta(hours=1),
        unrelated: float = 0.0,
    ) -> None:
        """Works on these ports.

        Args:
            documents: keeps the documents and their full-text index.
            vectors: keeps the vectors of their chunks.
            embeddings: makes the vectors.
            clock: tells the time.
            ids: makes the ids of new documents.
            cache: keeps the vectors of questions for all processes. Without it this one keeps the last ones.
            cache_ttl: how long it keeps them.
            unrelated: the cosine that the model gives to texts which have nothing to do with each other; less than 1.
        """
        self._documents = documents
        self._clock = clock
        self._index = VectorIndex(
            documents=documents,
            vectors=vectors,
            embeddings=embeddings,
            cache=cache,
            cache_ttl=cache_ttl,
            unrelated=unrelated,
        )
        self._ingest = Ingest(documents=documents, index=self._index, clock=clock, ids=ids)
        self._degraded = False

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
        metadata: Mapping[str, Scalar | None] | None = None,
    ) -> KnowledgeDocument:
        """Add a document to a scope that the actor may write. While the vectors are away, it is found by its words.

        Raises:
            NotFound: the actor may not even read there.
            Forbidden: the actor may read there, but not write.
            pydantic.ValidationError: a value is malformed.
            InvalidInput: the document falls into too many pieces.
        """
        authorize(actor, Action.WRITE, scope, kind="knowledge scope", key=scope.key)
        now = self._clock.now()
        return await self._ingest.write(
            {
                "document_id": self._ingest.new_id(),
                "scope": scope,
                "title": title,
                "content": content,
                "document_type": document_type,
                "tags": tuple(tags),
                "description": description,
                "source_url": source_url,
                "origin": Origin.UPLOAD,
                "created_by": actor.user_id,
                "created_at": now,
                "updated_at": now,
                "metadata": metadata or {},
            }
        )

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
        return await self._ingest.write(
            {
                **dict(document),
                "title": document.title if title is None else title,
                "content": document.content if content is None else content,
                "tags": document.tags if tags is None else tuple(tags),
                "edited": True,
                "updated_at": self._clock.now(),
            }
        )

    async def delete_document(self, actor: Actor, document_id: str) -> bool:
        """Delete the document; it is found no more from this moment. A starter document stays away for good.

        Raises:
            NotFound: there is none, or the actor may not read it.
            Forbidden: the actor may read it but not delete it.
        """
        document = await self.get_document(actor, document_id)
        authorize(actor, Action.DELETE, document, kind="document", key=document_id)
        if document.origin is Origin.STARTER and document.scope == GLOBAL:
            await self._ingest.withdraw(document)
        else:
            await self._ingest.remove(document_id)
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
        question = normalise_text(query[:MAX_QUERY]).strip()
        if not question:
            return SearchResult(())
        # In memory nothing of this waits for anything, and it takes milliseconds: others have their turn before it.
        await asyncio.sleep(0)
        asked = tuple(dict.fromkeys(terms(question)))
        # Both at once: the model reads the question while the words are looked for.
        nearest = asyncio.create_task(self._nearest(question, scopes, document_types))
        try:
            text_hits = await self._documents.search(asked, scopes, document_types=document_types, limit=CANDIDATES)
            near = await nearest
        finally:
            nearest.cancel()
            await asyncio.gather(nearest, return_exceptions=True)
        hits: list[KnowledgeHit] = []
        for ranked in fuse(asked, text_hits, near or ()):
            if ranked.relevance < FITS or len(hits) == limit:
                break
            document = await self._documents.get(ranked.document_id)
            if document and document.scope in scopes and document.document_type in (document_types or KnowledgeType):
                hits.append(_hit(question, document, ranked))
        return SearchResult(tuple(hits), degraded=near is None)

    async def _nearest(
        self, question: str, scopes: Sequence[Scope], document_types: Sequence[KnowledgeType]
    ) -> list[NearChunk] | None:
        """The chunks nearest to the question; None if the vectors cannot be asked, which the log tells once."""
        try:
            near = await self._index.nearest(question, scopes, document_types, CANDIDATES)
        except PortError as error:
            if not error.retryable:
                raise
            if not self._degraded:
                _log.warning("searches go by words alone for now: %s", error)
            self._degraded = True
            return None
        if self._degraded:
            _log.info("searches go by words and vectors again")
        self._degraded = False
        return near

    # ---------------------------------------------------------------- cases

    async def index_evidence(self, case: Case, evidence: Sequence[Evidence]) -> None:
        """Make the summaries and extracts of the evidence searchable inside their case."""
        lacking = []
        for item in evidence:
            source = SourceDocument(
                source_key=item.evidence_id,
                title=item.summary,
                content=item.extract.strip() or item.summary,
                document_type=KnowledgeType.EVIDENCE,
            )
            scope = Scope.for_case(case.case_id)
            _, content = await self._ingest.upsert(source, scope, Origin.CASE, case.user_id)
            lacking += [content] if content else []
        await self._ingest.index(lacking)

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
        _, content = await self._ingest.upsert(source, scope, Origin.CASE, case.user_id)
        if content:
            await self._ingest.index([content])
        return await self._documents.get_by_source(scope, case.case_id)

    async def forget_case(self, case_id: str) -> None:
        """Remove everything in the scope of the case. What its owner learned from it stays: a solution pattern."""
        while (page := await self._documents.list([Scope.for_case(case_id)], limit=100)).items:
            for document in page:
                await self._ingest.remove(document.document_id)

    # ---------------------------------------------------------------- import

    async def import_documents(
        self,
        actor: Actor | None,
        scope: Scope,
        sources: Iterable[SourceDocument],
        *,
        origin: Origin = Origin.IMPORT,
        on_progress: Callable[[str], None] | None = None,
    ) -> ImportReport:
        """Add what is new, replace what has changed at its source, and leave alone what was edited here, and a starter
        document that was deleted here.

        One document that fails does not stop the others. ``on_progress`` is told the name of each one that has been
        read. Without an actor the program itself imports. A repeat after a stop at any point does the rest; once all
        is done, it changes nothing.

        Raises:
            NotFound: the actor may not even read the scope.
            Forbidden: the actor may read the scope, but not write to it.
            PortError: the store is away, full or damaged; what was imported before stays.
        """
        if actor:
            authorize(actor, Action.WRITE, scope, kind="knowledge scope", key=scope.key)
        created_by = actor.user_id if actor else SYSTEM
        return await self._ingest.import_documents(
            scope, sources, origin=origin, created_by=created_by, on_progress=on_progress
        )

    async def reindex(self) -> int:
        """Bring the vectors in line with the documents; returns how many documents needed it.

        Raises:
            PortError: the model or a store failed; a repeat goes on from there.
        """
        return await self._index.repair()


def _hit(question: str, document: KnowledgeDocument, ranked: RankedDocument) -> KnowledgeHit:
    # The preface makes a document found, but is no passage to read.
    chunks, hidden = ranked.chunks, preface(document)
    chunk = next((each for each in chunks if each.text != hidden), chunks[0])
    return KnowledgeHit(document, chunk, ranked.relevance, question, chunks, ranked.similarity)
