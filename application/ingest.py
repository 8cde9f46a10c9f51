"""How documents get into the knowledge: cut, saved and indexed, once each, whatever is imported twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from application.vector_index import BATCH, VectorIndex
from domain.chunking import chunk_document
from domain.errors import InvalidInput
from domain.knowledge import WITHDRAWN, Chunk, KnowledgeDocument, KnowledgeType, Origin, Scope
from domain.values import Scalar, first_problem, normalise_text
from ports.clock import Clock
from ports.errors import AlreadyExists, Conflict, PortError
from ports.ids import IdSource
from ports.knowledge import KnowledgeRepository

_log = logging.getLogger(__name__)

Content = tuple[KnowledgeDocument, tuple[Chunk, ...]]


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
    """What an import did. ``kept`` were edited or deleted here and are left alone; ``failed`` pairs a name with the
    reason; ``words_only`` is the number of documents that are found by their words alone until the index is repaired,
    because the vectors were away.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    words_only: int = 0


class Outcome(StrEnum):
    """What became of a source document."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept"


class Ingest:
    """Writes documents: first into the repository, which is the truth, then into the vectors.

    A write that stops in between leaves a document that is found by its words; the next import of the same source, or
    a repair of the index, adds the vectors. Cutting and hashing happen in a thread, so that a long document does not
    hold up the event loop.
    """

    def __init__(self, *, documents: KnowledgeRepository, index: VectorIndex, clock: Clock, ids: IdSource) -> None:
        """Works on these."""
        self._documents = documents
        self._index = index
        self._clock = clock
        self._ids = ids

    def new_id(self) -> str:
        """An id for a new document."""
        return self._ids.new("kb", 16)

    async def write(self, values: Mapping[str, Any]) -> KnowledgeDocument:
        """Save and index the document of these fields (``content_sha256`` is computed) and return it as stored.

        If the vectors are away, the document is saved and found by its words.

        Raises:
            pydantic.ValidationError: a value is malformed.
            InvalidInput: the document falls into too many pieces.
            Conflict: somebody else changed the document at the same moment.
        """
        saved, chunks = await self._save(values)
        await self.index([(saved, chunks)])
        return saved

    async def index(self, contents: Sequence[Content]) -> bool:
        """Give saved documents their vectors. False if the vectors are away."""
        try:
            await self._index.add(contents)
        except PortError as error:
            if not error.retryable:
                raise
            _log.warning("%d documents are found by their words alone for now: %s", len(contents), type(error).__name__)
            return False
        return True

    async def upsert(
        self, source: SourceDocument, scope: Scope, origin: Origin, created_by: str
    ) -> tuple[Outcome, Content | None]:
        """Save the document of a source if it is new or has changed there. Returns what lacks its vectors, if anything.

        Raises:
            pydantic.ValidationError: a value is malformed.
            InvalidInput: the source key is not storable, or the document falls into too many pieces.
            AlreadyExists, Conflict: others write the same document all the time.
        """
        try:
            return await self._upsert(source, scope, origin, created_by)
        except (AlreadyExists, Conflict):
            # Another process imports the same source: what it has saved is met the second time.
            return await self._upsert(source, scope, origin, created_by)

    async def _upsert(
        self, source: SourceDocument, scope: Scope, origin: Origin, created_by: str
    ) -> tuple[Outcome, Content | None]:
        key = normalise_text(source.source_key).strip()
        fingerprint = await asyncio.to_thread(_fingerprint, source)
        known = await self._documents.get_by_source(scope, key)
        if known is None and origin is Origin.STARTER:
            known = await self._documents.get_by_source(WITHDRAWN, key)
        if known and (known.scope != scope or known.edited):
            return Outcome.KEPT, None
        if known and known.source_sha256 == fingerprint:
            chunks = await self._documents.chunks_of(known.document_id)
            complete = await self._is_complete(known, chunks)
            return Outcome.UNCHANGED, None if complete else (known, chunks)
        now = self._clock.now()
        content = await self._save(
            {
                "document_id": known.document_id if known else self.new_id(),
                "version": known.version if known else 0,
                "scope": scope,
                "title": source.title,
                "content": source.content,
                "document_type": source.document_type,
                "tags": source.tags,
                "origin": origin,
                "source_key": key,
                "source_version": source.version,
                "source_sha256": fingerprint,
                "created_by": created_by,
                "created_at": known.created_at if known else now,
                "updated_at": now,
                "metadata": source.metadata,
            }
        )
        return Outcome.UPDATED if known else Outcome.ADDED, content

    async def import_documents(
        self,
        scope: Scope,
        sources: Iterable[SourceDocument],
        *,
        origin: Origin,
        created_by: str,
        on_progress: Callable[[str], None] | None = None,
    ) -> ImportReport:
        """See `application.knowledge.KnowledgeService.import_documents`."""
        counts = dict.fromkeys(Outcome, 0)
        failed: list[tuple[str, str]] = []
        pending: list[Content] = []
        words_only = 0
        vectors = True
        for source in sources:
            try:
                outcome, lacking = await self.upsert(source, scope, origin, created_by)
            except ValidationError as error:
                failed.append((source.source_key, first_problem(error)))
            except (InvalidInput, AlreadyExists, Conflict) as error:
                failed.append((source.source_key, str(error)))
            else:
                counts[outcome] += 1
                pending += [lacking] if lacking else []
            if sum(len(chunks) for _, chunks in pending) >= BATCH:
                # Once the vectors are away, asking for every batch again would only wait for as many time limits.
                vectors = vectors and await self.index(pending)
                words_only += 0 if vectors else len(pending)
                pending = []
            if on_progress:
                on_progress(source.source_key)
        if pending and not (vectors and await self.index(pending)):
            words_only += len(pending)
        return ImportReport(
            **{outcome.value: count for outcome, count in counts.items()}, failed=tuple(failed), words_only=words_only
        )

    async def remove(self, document_id: str) -> None:
        """Delete the document; from this moment it is not found."""
        stale = await self._documents.chunks_of(document_id)
        await self._documents.delete(document_id)
        await self._index.remove([chunk.chunk_id for chunk in stale])

    async def withdraw(self, document: KnowledgeDocument) -> None:
        """Take the document out of everybody's reach, but keep it as a mark that it is not wanted."""
        stale = await self._documents.chunks_of(document.document_id)
        await self._documents.save(document.replace(scope=WITHDRAWN, updated_at=self._clock.now()), ())
        await self._index.remove([chunk.chunk_id for chunk in stale])

    async def _is_complete(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> bool:
        try:
            return await self._index.is_complete(document, chunks)
        except PortError as error:
            if not error.retryable:
                raise
            return False

    async def _save(self, values: Mapping[str, Any]) -> Content:
        document, chunks = await asyncio.to_thread(_compose, values)
        stale = {chunk.chunk_id for chunk in await self._documents.chunks_of(document.document_id)}
        saved = await self._documents.save(document, chunks)
        await self._index.remove(sorted(stale - {chunk.chunk_id for chunk in chunks}))
        return saved, chunks


def preface(document: KnowledgeDocument) -> str:
    """The words by which a document is looked for beside those of its text: what it is about, alerts and tags."""
    alerts = document.metadata.get("alerts")
    lines = [
        document.description or "",
        f"Alerts: {alerts}" if isinstance(alerts, str) and alerts else "",
        f"Tags: {', '.join(document.tags)}" if document.tags else "",
    ]
    return "\n".join(filter(None, lines))


def _compose(values: Mapping[str, Any]) -> Content:
    content = normalise_text(values["content"])
    document = KnowledgeDocument.model_validate(
        {**values, "content": content, "content_sha256": hashlib.sha256(content.encode()).hexdigest()}
    )
    return document, chunk_document(document.document_id, document.title, document.content, preface(document))


def _fingerprint(source: SourceDocument) -> str:
    """Hash over all that a source says. Text that cannot be stored is hashed too: the document will be refused."""
    head = [source.title, source.document_type, source.version, source.tags, sorted(source.metadata.items())]
    digest = hashlib.sha256(json.dumps(head).encode())
    digest.update(source.content.encode(errors="surrogatepass"))
    return digest.hexdigest()
