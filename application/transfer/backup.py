"""Writes archives: of a whole installation, also while others write to it, and of single cases."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from application.transfer.archive import Progress
from application.transfer.archive_format import (
    CONTENTS,
    FILES_PREFIX,
    FORMAT,
    MANIFEST,
    VERSION,
    ArchiveWriter,
    Contents,
    Extent,
    Manifest,
    MemberSummary,
    Space,
    records_name,
)
from application.transfer.collections import Collection, Documents, snapshot
from application.transfer.items import Item, Kind, StoredFile
from application.transfer.records import encode
from application.transfer.references import dangling_references, file_keys
from application.transfer.stores import Stores
from domain.case import Case
from domain.knowledge import Scope, ScopeKind
from ports.blobs import BlobInfo
from ports.cases import CaseRepository
from ports.errors import NotFound
from ports.paging import MAX_LIMIT


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What is in the archive: entities, lines and bytes of each kind, and how many bytes of files.

    ``left_out`` are cases that were deleted while it was made; ``dangling`` are references that led nowhere already.
    """

    members: dict[Kind, MemberSummary]
    file_bytes: int
    left_out: tuple[str, ...]
    dangling: tuple[str, ...]


@dataclass(slots=True)
class _Written:
    """What has been written so far."""

    members: dict[Kind, MemberSummary] = field(default_factory=dict)
    file_bytes: int = 0
    missing: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)


class Backup:
    """Writes what the stores hold into an archive.

    Records are read as of one moment, where the stores can do that. Files, which never change, are copied while that
    moment is held, as the cases of it name them. A case whose files vanish meanwhile was deleted: it is left out.
    """

    def __init__(
        self,
        stores: Stores,
        writer: ArchiveWriter,
        *,
        now: datetime,
        release: str,
        on_progress: Progress = lambda *_: None,
    ) -> None:
        """Vectors and sessions are written if their stores are given."""
        self._stores = stores
        self._collections = stores.collections()
        self._writer = writer
        self._now = now
        self._release = release
        self._on_progress = on_progress
        self._written = _Written()

    async def everything(self) -> BackupReport:
        """Write all there is.

        Raises:
            PortError: a store cannot be read, or the archive not be written.
        """
        async with self._one_moment():
            manifest = self._manifest(Extent.EVERYTHING, tuple(self._collections))
            keys = sorted({key async for case in _all(self._stores.cases) for key in file_keys(case)})
            await self._files(keys)
            gone = await self._gone_cases()
            self._written.left_out = sorted(gone)
            for kind, collection in self._collections.items():
                if kind is not Kind.FILES:
                    await self._records(kind, _without(collection, gone), await collection.count())
            named = tuple(f"case {case_id}: " for case_id in gone)
            # A file that was copied is in the archive, even if its case has been deleted since.
            copied = set(keys) - self._written.missing
            dangling = [
                text
                async for text in dangling_references(self._stores, files=copied)
                if not text.startswith(named or ("\0",))
            ]
        return self._finish(manifest, dangling)

    async def case(self, case_id: str) -> BackupReport:
        """Write one case with its messages, files and knowledge.

        Raises:
            NotFound: there is no such case, or one of its files is gone.
            PortError: see `everything`.
        """
        async with self._one_moment():
            case = await self._stores.cases.get(case_id)
            if case is None:
                raise NotFound("case", case_id)
            kinds = (Kind.DOCUMENTS, Kind.FILES, Kind.CASES)
            manifest = self._manifest(Extent.CASE, kinds, case_id)
            await self._files(sorted(set(file_keys(case))))
            for key in sorted(self._written.missing):
                raise NotFound("file", key)
            await self._records(Kind.DOCUMENTS, self._knowledge_of(case_id), 0)
            await self._records(Kind.CASES, self._collections[Kind.CASES].entity(case_id), 1)
        return self._finish(manifest, [])

    # ---------------------------------------------------------------- inside

    def _one_moment(self) -> _Moment:
        return _Moment([self._collections[kind] for kind in (Kind.DOCUMENTS, Kind.CASES, Kind.USERS)])

    def _manifest(self, extent: Extent, kinds: Sequence[Kind], case_id: str | None = None) -> bytes:
        vectors = self._stores.vectors
        space = None
        if vectors is not None and Kind.VECTORS in kinds:
            mine = vectors.space
            space = Space(model_id=mine.model_id, dimension=mine.dimension, metric=mine.metric)
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            created_at=self._now,
            release=self._release,
            extent=extent,
            case_id=case_id,
            kinds=tuple(kinds),
            space=space,
        )
        text = manifest.model_dump_json(indent=2).encode()
        self._member(MANIFEST, text)
        return text

    def _member(self, name: str, content: bytes) -> None:
        with self._writer.member(name) as write:
            write(content)

    async def _files(self, keys: Sequence[str]) -> None:
        """Copy the files, and write what is known of them behind them."""
        infos = []
        for number, key in enumerate(keys, 1):
            info = await self._file(key)
            if info is None:
                self._written.missing.add(key)
            else:
                infos.append(info)
                self._written.file_bytes += info.size
            self._on_progress(Kind.FILES, number, len(keys))

        async def items() -> AsyncIterator[Item]:
            for info in infos:
                yield Item(info.key, 0, StoredFile(info, partial(self._stores.files.open, info.key)))

        await self._records(Kind.FILES, items(), len(infos))

    async def _file(self, key: str) -> BlobInfo | None:
        try:
            pieces = await self._stores.files.open(key)
            first = await anext(pieces, b"")
        except NotFound:
            return None
        found = hashlib.sha256(first)
        size = len(first)
        with self._writer.member(FILES_PREFIX + key) as write:
            write(first)
            async for piece in pieces:
                write(piece)
                found.update(piece)
                size += len(piece)
        return BlobInfo(key, size, found.hexdigest())

    async def _gone_cases(self) -> set[str]:
        """Cases that lack a file because they were deleted after the moment that is read."""
        missing = self._written.missing
        if not missing:
            return set()
        lacking = [case.case_id async for case in _all(self._stores.cases) if not missing.isdisjoint(file_keys(case))]
        # Another task stands outside of the snapshot and sees what is there now.
        return set(await asyncio.create_task(_not_there(self._stores.cases, lacking)))

    async def _records(self, kind: Kind, items: AsyncIterator[Item], total: int) -> None:
        found = hashlib.sha256()
        entities = count = size = 0
        with self._writer.member(records_name(kind)) as write:
            async for item in items:
                line = encode(item.content) + b"\n"
                write(line)
                found.update(line)
                size += len(line)
                count += 1
                if item.part == 0:
                    entities += 1
                    self._on_progress(kind, entities, max(entities, total))
        self._written.members[kind] = MemberSummary(entities=entities, lines=count, size=size, sha256=found.hexdigest())

    async def _knowledge_of(self, case_id: str) -> AsyncIterator[Item]:
        keys: list[str] = []
        scope = [Scope.for_case(case_id)]
        while page := (await self._stores.documents.list(scope, limit=MAX_LIMIT, offset=len(keys))).items:
            keys += [document.document_id for document in page]
        for key in sorted(set(keys)):
            async for item in Documents(self._stores.documents).entity(key):
                yield item

    def _finish(self, manifest: bytes, dangling: Sequence[str]) -> BackupReport:
        written = self._written
        contents = Contents(
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
            members={records_name(kind): summary for kind, summary in written.members.items()},
            dangling=tuple(dangling),
            left_out=tuple(written.left_out),
        )
        self._member(CONTENTS, contents.model_dump_json(indent=2).encode())
        return BackupReport(written.members, written.file_bytes, tuple(written.left_out), tuple(dangling))


class _Moment(AsyncExitStack):
    """What is read of these is of one moment, where they can do that. Each one is looked at after those that refer to
    it, so that what is new in between is not met without what it refers to.
    """

    def __init__(self, collections: Sequence[Collection]) -> None:
        super().__init__()
        self._collections = collections

    async def __aenter__(self) -> _Moment:
        await super().__aenter__()
        try:
            for collection in self._collections:
                await self.enter_async_context(snapshot(collection))
        except BaseException:
            await self.aclose()
            raise
        return self


async def _all(cases: CaseRepository) -> AsyncIterator[Case]:
    after = None
    while page := await cases.scan(after=after, limit=MAX_LIMIT):
        for case in page:
            yield case
        after = page[-1].case_id


async def _not_there(cases: CaseRepository, case_ids: Sequence[str]) -> list[str]:
    return [case_id for case_id in case_ids if await cases.get(case_id) is None]


async def _without(collection: Collection, gone: set[str]) -> AsyncIterator[Item]:
    """Everything but the cases that are gone, and their knowledge."""
    scopes = {Scope.for_case(case_id).key for case_id in gone}
    async for item in collection.items():
        if collection.kind is Kind.CASES and item.key in gone:
            continue
        document = getattr(item.content, "document", None)
        scope = getattr(document, "scope", None)
        if isinstance(scope, Scope) and scope.kind is ScopeKind.CASE and scope.key in scopes:
            continue
        yield item
