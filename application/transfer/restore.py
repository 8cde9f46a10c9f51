"""Brings back what is in an archive: a whole installation into empty stores, or one case into a used one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice

from application.transfer.archive import Archive, ArchiveSource
from application.transfer.archive_format import ArchiveRefused, Extent
from application.transfer.batches import BATCH_ITEMS
from application.transfer.collections import Collection, Source, transaction
from application.transfer.items import IndexedDocument, Item, Kind, Position
from application.transfer.migrator import (
    CollectionMigrator,
    Migration,
    Progress,
    TransferRefused,
    is_empty,
)
from application.transfer.references import dangling_references, file_keys
from application.transfer.stores import Stores
from application.transfer.system import Verification
from application.transfer.verification import compare
from application.vector_index import VectorIndex
from domain.case import Case
from domain.knowledge import Scope
from domain.user import User
from ports.errors import AlreadyExists, NotFound


class Restore:
    """Writes an archive of everything into empty stores."""

    def __init__(self, archive: Archive, target: Stores, *, on_progress: Progress = lambda *_: None) -> None:
        """Vectors and sessions of the archive are left where the target has no store for them.

        Raises:
            ArchiveRefused: it is the archive of one case.
        """
        if archive.manifest.extent is not Extent.EVERYTHING:
            raise ArchiveRefused("this is the archive of one case; use `faultmaven case import`")
        self._archive = archive
        self._target = target
        self._on_progress = on_progress
        self._collections = target.collections()

    @property
    def copies_vectors(self) -> bool:
        """True if vectors are taken from the archive, so that they need not be made again."""
        vectors = self._target.vectors
        return vectors is not None and self._archive.space == vectors.space

    async def restore(self) -> list[Migration]:
        """Check the archive and the target, then write everything, and make the vectors that are not in it.

        A call after an interruption goes on where that one stood.

        Raises:
            StorageCorrupt: the archive is damaged. Nothing was written.
            TransferRefused: the target is not empty. Nothing was written.
            PortError: a store failed; the next call goes on from there.
        """
        self._archive.verify(self._on_progress)
        migrators = [
            CollectionMigrator(source, self._collections[kind], on_progress=self._on_progress)
            for kind, source in self._moved().items()
        ]
        await self._check_empty()
        for migrator in migrators:
            await migrator.check()
        done = [await migrator.migrate() for migrator in migrators]
        if self._target.vectors is not None and not self.copies_vectors:
            await self._index().repair()
        return done

    async def verify(self) -> Verification:
        """Compare the archive with the target, and look for references that lead nowhere and did not do so before."""
        comparisons = [
            await compare(source, self._collections[kind], on_progress=self._on_progress)
            for kind, source in self._moved().items()
        ]
        known = set(self._archive.contents.dangling)
        dangling = [text async for text in dangling_references(self._target) if text not in known]
        return Verification(tuple(comparisons), tuple(dangling))

    def _moved(self) -> dict[Kind, ArchiveSource]:
        return {
            kind: source
            for kind, source in self._archive.sources().items()
            if kind in self._collections and (kind is not Kind.VECTORS or self.copies_vectors)
        }

    async def _check_empty(self) -> None:
        """Refuse what holds something that no restore has written, but for what is made or expires by itself."""
        moved = self._moved()
        for kind, collection in self._collections.items():
            if kind not in moved and kind in (Kind.VECTORS, Kind.SESSIONS):
                continue
            if await collection.store.read_checkpoint(f"transfer-{kind}") is None and not await is_empty(collection):
                raise TransferRefused(
                    f"{collection.location} already holds {kind}; an archive is restored into empty stores: set "
                    "FAULTMAVEN_DATA_DIR to another folder, or name other databases"
                )

    def _index(self) -> VectorIndex:
        target = self._target
        if target.vectors is None or target.embeddings is None:
            raise TransferRefused("the vectors cannot be made: the embedding model is not open")
        return VectorIndex(documents=target.documents, vectors=target.vectors, embeddings=target.embeddings)


@dataclass(frozen=True, slots=True)
class ImportedCase:
    """A case that was imported. ``previous_owner`` is whose it was, if it was given to somebody else.

    ``indexed`` is False if its documents are found by their words alone, until the server starts again.
    """

    case: Case
    owner: User
    previous_owner: str | None
    files: int
    documents: int
    indexed: bool
    verification: Verification


class CaseImport:
    """Writes the archive of one case into an installation that may hold others, also while a server runs on it."""

    def __init__(self, archive: Archive, target: Stores) -> None:
        """Vectors are made if their store is open.

        Raises:
            ArchiveRefused: it is an archive of everything.
        """
        if archive.manifest.extent is not Extent.CASE:
            raise ArchiveRefused("this is the archive of a whole installation; use `faultmaven restore`")
        self._archive = archive
        self._target = target
        self._collections = target.collections()

    async def import_case(self, owner: str | None = None) -> ImportedCase:
        """Write the case, for the user named ``owner`` or else for whom it belonged to.

        Files and knowledge come first, the case with its messages last and at once: an interruption leaves nothing
        that anybody sees, and a repeat does the rest.

        Raises:
            StorageCorrupt: the archive is damaged, or holds what does not belong to its case. Nothing was written.
            AlreadyExists: there is a case with this id. Nothing was written.
            NotFound: the owner does not exist. Nothing was written.
        """
        self._archive.verify()
        case = await self._checked()
        if await self._target.cases.get(case.case_id) is not None:
            raise AlreadyExists("case", "id")
        user = await self._owner(case, owner)
        previous = case.user_id if case.user_id != user.user_id else None
        if previous is not None:
            organization = user.user_id if case.organization_id == previous else case.organization_id
            case = case.replace(user_id=user.user_id, organization_id=organization)
        sources: dict[Kind, Source] = dict(self._archive.sources())
        sources[Kind.CASES] = _OwnedBy(sources[Kind.CASES], case)
        counts = {}
        for kind in (Kind.FILES, Kind.DOCUMENTS):
            counts[kind] = await self._copy(sources[kind])
        async with transaction(self._collections[Kind.CASES]):
            await self._copy(sources[Kind.CASES])
        indexed = await self._index()
        verification = await self._verify(sources)
        return ImportedCase(case, user, previous, counts[Kind.FILES], counts[Kind.DOCUMENTS], indexed, verification)

    async def _checked(self) -> Case:
        """The case, after a look whether all in the archive belongs to it and touches nothing else."""
        case: Case | None = None
        entities = 0
        for record in self._archive.records(Kind.CASES):
            if isinstance(record, Item) and isinstance(record.content, Case):
                case = record.content
                entities += 1
        if case is None or entities > 1 or case.case_id != self._archive.manifest.case_id:
            raise ArchiveRefused("the archive does not hold the one case that its manifest names")
        files = [record.key for record in self._archive.records(Kind.FILES)]
        named = file_keys(case)
        if sorted(set(named)) != files:
            raise ArchiveRefused("the archive does not hold exactly the files that its case names")
        for key in files:
            if not key.startswith(f"{case.case_id}/"):
                raise ArchiveRefused(f"file {key} does not belong to the case")
        scope = Scope.for_case(case.case_id)
        for record in self._archive.records(Kind.DOCUMENTS):
            content = record.content if isinstance(record, Item) else None
            if not isinstance(content, IndexedDocument) or content.document.scope != scope:
                raise ArchiveRefused(f"document {record.key} does not belong to the case")
            there = await self._target.documents.get(record.key)
            if there is not None and there.scope != scope:
                raise AlreadyExists("knowledge document", "id")
        return case

    async def _owner(self, case: Case, name: str | None) -> User:
        if name is not None:
            user = await self._target.users.get_by_username(name)
            if user is None:
                raise NotFound("user", name)
            return user
        user = await self._target.users.get(case.user_id)
        if user is None:
            raise TransferRefused(
                f"the owner of the case, {case.user_id}, does not exist here; give it to somebody with --owner"
            )
        return user

    async def _copy(self, source: Source) -> int:
        entities = 0
        batch: list[Item] = []
        async for item in source.items():
            entities += item.part == 0
            batch.append(item)
            if len(batch) == BATCH_ITEMS:
                await self._collections[source.kind].put(batch)
                batch = []
        if batch:
            await self._collections[source.kind].put(batch)
        return entities

    async def _index(self) -> bool:
        """Give the documents their vectors. True if none lacks them."""
        target = self._target
        if target.vectors is None or target.embeddings is None:
            return self._archive.summary(Kind.DOCUMENTS).entities == 0
        index = VectorIndex(documents=target.documents, vectors=target.vectors, embeddings=target.embeddings)
        records = iter(self._archive.records(Kind.DOCUMENTS))
        while batch := list(islice(records, 16)):
            contents = [item.content for item in batch if isinstance(item, Item)]
            await index.add([(each.document, each.chunks) for each in contents if isinstance(each, IndexedDocument)])
        return True

    async def _verify(self, sources: dict[Kind, Source]) -> Verification:
        comparisons = [
            await compare(source, _Same(source, self._collections[kind])) for kind, source in sources.items()
        ]
        return Verification(tuple(comparisons), ())


class _OwnedBy:
    """The one case of a source, as it was given to another owner, with its messages."""

    kind = Kind.CASES

    def __init__(self, source: Source, case: Case) -> None:
        self._source = source
        self._case = case
        self.location = source.location

    async def count(self) -> int:
        return await self._source.count()

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        async for item in self._source.items(after):
            yield Item(item.key, 0, self._case) if item.part == 0 else item


class _Same:
    """Of a collection, the entities that another source has too."""

    def __init__(self, source: Source, collection: Collection) -> None:
        self._source = source
        self._collection = collection
        self.kind = collection.kind
        self.location = collection.location

    async def count(self) -> int:
        return await self._source.count()

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        keys: Sequence[str] = [item.key async for item in self._source.items(after) if item.part == 0]
        for key in keys:
            async for item in self._collection.entity(key):
                yield item
