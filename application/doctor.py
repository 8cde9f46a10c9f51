"""Examines an installation and says what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
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
        """``stores`` maps names to adapters. What a running server has to itself is None; its checks are skipped."""
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
        yield await _found(FILES, self._files(self._blobs, deep=deep)) if self._blobs else _skipped(FILES)
        yield await _found(INDEX, self._index(self._vectors)) if self._vectors else _skipped(INDEX)
        yield await _found(MODEL, self._model(self._embeddings)) if self._embeddings else _skipped(MODEL)

    async def _answers(self, name: str, store: object) -> Finding:
        check = f"{name}: answers"
        if not isinstance(store, SupportsHealth):
            return Finding(check, Verdict.OK, "in memory of this process")
        return await _found(check, _round_trip(store))

    async def _is_sound(self, name: str, store: SupportsIntegrityCheck) -> Finding:
        return await _found(f"{name}: integrity", _integrity(store))

    async def _files(self, blobs: BlobStore, *, deep: bool) -> tuple[Verdict, str]:
        expected: dict[str, str] = {}
        after = None
        while cases := await self._cases.scan(after=after, limit=BATCH):
            after = cases[-1].case_id
            expected |= {file.content_ref: file.sha256 for case in cases for file in case.uploaded_files}
        damaged = [key for key, sha256 in expected.items() if not await _is_intact(blobs, key, sha256, deep=deep)]
        if damaged:
            return Verdict.PROBLEM, f"{len(damaged)} of {len(expected)} are missing or damaged, e.g. {damaged[0]}"
        return Verdict.OK, f"{len(expected)} files"

    async def _index(self, vectors: VectorStore) -> tuple[Verdict, str]:
        total = missing = 0
        after = None
        while documents := await self._documents.scan(after=after, limit=BATCH):
            after = documents[-1].document_id
            for document in documents:
                ids = [chunk.chunk_id for chunk in await self._documents.chunks_of(document.document_id)]
                total += len(ids)
                missing += len(ids) - len(await vectors.get(ids))
        if missing:
            # Search by words finds them all the same, and the server repairs this when it starts.
            return Verdict.WARNING, f"{missing} of {total} pieces are missing; run `faultmaven knowledge reindex`"
        return Verdict.OK, f"{total} pieces"

    async def _model(self, embeddings: EmbeddingGenerator) -> tuple[Verdict, str]:
        vector = await embeddings.embed_query("connection refused")
        return Verdict.OK, f"{embeddings.space.model_id}, {len(vector)} dimensions"


async def _found(check: str, result: Awaitable[tuple[Verdict, str]]) -> Finding:
    """The finding of a check; one that a backend breaks off is a problem in itself."""
    try:
        return Finding(check, *await result)
    except PortError as error:
        return Finding(check, Verdict.PROBLEM, str(error))


async def _round_trip(store: SupportsHealth) -> tuple[Verdict, str]:
    await store.check_health()
    return Verdict.OK, "a round trip succeeded"


async def _integrity(store: SupportsIntegrityCheck) -> tuple[Verdict, str]:
    problems = await store.check_integrity()
    if not problems:
        return Verdict.OK, "everything stored can be read back"
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return Verdict.PROBLEM, "; ".join(problems[:3]) + more


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
