"""Examines an installation and says what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ports.blobs import BlobStore
from ports.capabilities import SupportsHealth, SupportsIntegrityCheck
from ports.cases import CaseRepository
from ports.embeddings import EmbeddingGenerator
from ports.errors import PortError
from ports.knowledge import KnowledgeRepository
from ports.vectors import VectorStore

BATCH = 100
FILES = "files: every file of a case is stored"
INDEX = "knowledge: every piece is indexed by meaning"
MODEL = "embeddings: the model works"


class Verdict(StrEnum):
    """``SKIPPED`` could not be looked at; its finding says why."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    verdict: Verdict
    detail: str


class Doctor:
    """Runs the checks that need nothing but the ports."""

    def __init__(
        self,
        *,
        stores: Mapping[str, object],
        cases: CaseRepository,
        blobs: BlobStore | None,
        documents: KnowledgeRepository,
        vectors: VectorStore | None,
        embeddings: EmbeddingGenerator | None,
    ) -> None:
        """``stores`` maps names to adapters. What a running server has to itself is None, and its checks are skipped."""
        self._stores = stores
        self._cases = cases
        self._blobs = blobs
        self._documents = documents
        self._vectors = vectors
        self._embeddings = embeddings

    async def examine(self, *, deep: bool = False) -> AsyncIterator[Finding]:
        """All findings, one check after the other. ``deep`` also reads every stored file."""
        for name, store in self._stores.items():
            yield await self._answers(name, store)
        for name, store in self._stores.items():
            if isinstance(store, SupportsIntegrityCheck):
                yield await self._is_sound(name, store)
        yield await self._files_are_there(self._blobs, deep=deep) if self._blobs else _skipped(FILES)
        yield await self._index_is_complete(self._vectors) if self._vectors else _skipped(INDEX)
        yield await self._embeds(self._embeddings) if self._embeddings else _skipped(MODEL)

    async def _answers(self, name: str, store: object) -> Finding:
        check = f"{name}: answers"
        if not isinstance(store, SupportsHealth):
            return Finding(check, Verdict.OK, "in memory of this process")
        try:
            await store.check_health()
        except PortError as error:
            return Finding(check, Verdict.PROBLEM, str(error))
        return Finding(check, Verdict.OK, "a round trip succeeded")

    async def _is_sound(self, name: str, store: SupportsIntegrityCheck) -> Finding:
        check = f"{name}: integrity"
        try:
            problems = await store.check_integrity()
        except PortError as error:
            return Finding(check, Verdict.PROBLEM, str(error))
        if problems:
            more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
            return Finding(check, Verdict.PROBLEM, "; ".join(problems[:3]) + more)
        return Finding(check, Verdict.OK, "everything stored can be read back")

    async def _files_are_there(self, blobs: BlobStore, *, deep: bool) -> Finding:
        expected: dict[str, str] = {}
        after = None
        while cases := await self._cases.scan(after=after, limit=BATCH):
            after = cases[-1].case_id
            expected |= {file.content_ref: file.sha256 for case in cases for file in case.uploaded_files}
        damaged = [key for key, sha256 in expected.items() if not await _is_intact(blobs, key, sha256, deep=deep)]
        if damaged:
            return Finding(
                FILES, Verdict.PROBLEM, f"{len(damaged)} of {len(expected)} are missing or damaged: {damaged[0]}"
            )
        return Finding(FILES, Verdict.OK, f"{len(expected)} files")

    async def _index_is_complete(self, vectors: VectorStore) -> Finding:
        total = missing = 0
        after = None
        while documents := await self._documents.scan(after=after, limit=BATCH):
            after = documents[-1].document_id
            for document in documents:
                ids = [chunk.chunk_id for chunk in await self._documents.chunks_of(document.document_id)]
                total += len(ids)
                missing += len(ids) - len(await vectors.get(ids))
        if missing:
            remedy = "run `faultmaven knowledge reindex`"
            return Finding(INDEX, Verdict.PROBLEM, f"{missing} of {total} pieces are missing; {remedy}")
        return Finding(INDEX, Verdict.OK, f"{total} pieces")

    async def _embeds(self, embeddings: EmbeddingGenerator) -> Finding:
        try:
            vector = await embeddings.embed_query("connection refused")
        except PortError as error:
            return Finding(MODEL, Verdict.PROBLEM, str(error))
        return Finding(MODEL, Verdict.OK, f"{embeddings.space.model_id}, {len(vector)} dimensions")


async def _is_intact(blobs: BlobStore, key: str, sha256: str, *, deep: bool) -> bool:
    info = await blobs.stat(key)
    if info is None or info.sha256 != sha256:
        return False
    if deep:
        try:
            async for _ in await blobs.open(key):
                pass
        except PortError:
            return False
    return True


def _skipped(check: str) -> Finding:
    return Finding(check, Verdict.SKIPPED, "the running server has it to itself; stop the server to look")
