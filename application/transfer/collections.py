"""Stores as streams of items: one class for each kind, with the same few methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Protocol, TypeVar, cast

from application.transfer.items import Content, IndexedDocument, Item, Kind, Position, StoredFile
from domain.case import Case
from domain.message import Message
from domain.user import User
from ports.blobs import BlobInfo, BlobStore
from ports.cases import CaseRepository
from ports.errors import NotSupported
from ports.knowledge import KnowledgeRepository
from ports.paging import MAX_LIMIT
from ports.sessions import SessionStore
from ports.transfer import (
    GivesCaseRows,
    StoredValue,
    SupportsCaseTransfer,
    SupportsCheckpoints,
    SupportsDocumentTransfer,
    SupportsFilling,
    SupportsSnapshot,
    SupportsTransactions,
    SupportsUserTransfer,
    SupportsValueTransfer,
    TakesCaseRows,
)
from ports.users import UserRepository
from ports.vectors import VectorRecord, VectorStore

T = TypeVar("T")

_PAGE = 100
_VECTORS = 100
"""Vectors that are written at once."""


class Source(Protocol):
    """Content that can be read as a stream."""

    @property
    def kind(self) -> Kind:
        """What it is."""
        ...

    @property
    def location(self) -> str:
        """Where it is, see `ports.transfer.SupportsCheckpoints.location`."""
        ...

    async def count(self) -> int:
        """Number of entities."""
        ...

    def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        """All items after the position, in order."""
        ...


class Collection(Source, Protocol):
    """The content of an open store."""

    @property
    def store(self) -> Any:
        """The adapter."""
        ...

    def entity(self, key: str) -> AsyncIterator[Item]:
        """All items of one entity; none if it does not exist."""
        ...

    def heads(self) -> AsyncIterator[Item]:
        """Part 0 of every entity, in order. A document comes without its chunks."""
        ...

    async def heads_of(self, keys: Sequence[str]) -> list[Item]:
        """Part 0 of these entities, as far as they exist, in the order asked for."""
        ...

    def parts(self, head: Item, after: int) -> AsyncIterator[Item]:
        """The parts of the entity after the given one, as many as it had when ``head`` was read."""
        ...

    async def namesakes_of(self, item: Item) -> list[str]:
        """The keys of other entities that have a name which only one can have and ``item`` has."""
        ...

    async def put(self, items: Sequence[Item]) -> None:
        """Store the items exactly as they are. A repeat has no second effect."""
        ...

    async def in_the_way_of(self, item: Item) -> Item | None:
        """The entity with the key of ``item``, or one with a name that only one can have; None if there is neither."""
        ...

    async def delete(self, key: str) -> bool:
        """Remove the entity with all of its parts. True if it existed."""
        ...


class _Plain:
    """Entities of one part, without names."""

    def parts(self, head: Item, after: int) -> AsyncIterator[Item]:  # noqa: ARG002 - see `Collection`
        return _nothing()

    async def namesakes_of(self, item: Item) -> list[str]:  # noqa: ARG002 - see `Collection`
        return []


class Cases(_Plain):
    """Cases, each followed by its messages."""

    kind = Kind.CASES

    def __init__(self, store: CaseRepository) -> None:
        self.store = store
        self.location = _location(store)

    async def count(self) -> int:
        return (await self.store.list(limit=0)).total

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        if after is not None:
            async for item in self._messages(after.key, after.parts - 1):
                yield item
        async for case in _scanned(self.store.scan, "case_id", after):
            async for item in self._entity(case):
                yield item

    async def entity(self, key: str) -> AsyncIterator[Item]:
        case = await self.store.get(key)
        if case is not None:
            async for item in self._entity(case):
                yield item

    async def heads(self) -> AsyncIterator[Item]:
        async for case in _scanned(self.store.scan, "case_id", None):
            yield Item(case.case_id, 0, case)

    async def heads_of(self, keys: Sequence[str]) -> list[Item]:
        return [Item(key, 0, case) for key in keys if (case := await self.store.get(key))]

    def parts(self, head: Item, after: int) -> AsyncIterator[Item]:
        return self._messages(head.key, after, cast("Case", head.content).message_count)

    async def put(self, items: Sequence[Item]) -> None:
        transfer = _able(self.store, SupportsCaseTransfer)
        if cases := [item.content for item in items if isinstance(item.content, Case)]:
            await transfer.put_many(cases)
        if messages := [item.content for item in items if isinstance(item.content, Message)]:
            await transfer.add_messages(messages)

    async def in_the_way_of(self, item: Item) -> Item | None:
        return _item(item.key, await self.store.get(item.key))

    async def delete(self, key: str) -> bool:
        return await self.store.delete(key)

    async def _entity(self, case: Case) -> AsyncIterator[Item]:
        """The case, and as many messages as it had when it was read; another one may be appended meanwhile."""
        yield Item(case.case_id, 0, case)
        if case.message_count:
            async for item in self._messages(case.case_id, 0, case.message_count):
                yield item

    async def _messages(self, case_id: str, offset: int, end: int | None = None) -> AsyncIterator[Item]:
        while end is None or offset < end:
            limit = MAX_LIMIT if end is None else min(MAX_LIMIT, end - offset)
            page = await self.store.get_messages(case_id, limit=limit, offset=offset)
            if not page.items:
                return
            for message in page.items:
                offset += 1
                yield Item(case_id, offset, message)


class Users(_Plain):
    """User accounts, their encoded passwords included."""

    kind = Kind.USERS

    def __init__(self, store: UserRepository) -> None:
        self.store = store
        self.location = _location(store)

    async def count(self) -> int:
        return (await self.store.list(limit=0)).total

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        async for user in _scanned(self.store.scan, "user_id", after):
            yield Item(user.user_id, 0, user)

    async def entity(self, key: str) -> AsyncIterator[Item]:
        if user := await self.store.get(key):
            yield Item(key, 0, user)

    def heads(self) -> AsyncIterator[Item]:
        return self.items()

    async def heads_of(self, keys: Sequence[str]) -> list[Item]:
        return [Item(key, 0, user) for key in keys if (user := await self.store.get(key))]

    async def namesakes_of(self, item: Item) -> list[str]:
        user = cast("User", item.content)
        found = (await self.store.get_by_username(user.username), await self.store.get_by_email(user.email))
        return [other.user_id for other in found if other and other.user_id != item.key]

    async def put(self, items: Sequence[Item]) -> None:
        await _able(self.store, SupportsUserTransfer).put_many(_contents(items, User))

    async def in_the_way_of(self, item: Item) -> Item | None:
        user = cast("User", item.content)
        found = (
            await self.store.get(item.key)
            or await self.store.get_by_username(user.username)
            or await self.store.get_by_email(user.email)
        )
        return _item(found.user_id if found else "", found)

    async def delete(self, key: str) -> bool:
        return await self.store.delete(key)


class Documents(_Plain):
    """Knowledge documents with their chunks."""

    kind = Kind.DOCUMENTS

    def __init__(self, store: KnowledgeRepository) -> None:
        self.store = store
        self.location = _location(store)

    async def count(self) -> int:
        counted = 0
        async for _ in _scanned(self.store.scan, "document_id", None):
            counted += 1
        return counted

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        async for document in _scanned(self.store.scan, "document_id", after):
            chunks = await self.store.chunks_of(document.document_id)
            yield Item(document.document_id, 0, IndexedDocument(document, chunks))

    async def entity(self, key: str) -> AsyncIterator[Item]:
        if document := await self.store.get(key):
            yield Item(key, 0, IndexedDocument(document, await self.store.chunks_of(key)))

    async def heads(self) -> AsyncIterator[Item]:
        async for document in _scanned(self.store.scan, "document_id", None):
            yield Item(document.document_id, 0, IndexedDocument(document, ()))

    async def heads_of(self, keys: Sequence[str]) -> list[Item]:
        return [
            Item(key, 0, IndexedDocument(document, await self.store.chunks_of(key)))
            for key in keys
            if (document := await self.store.get(key))
        ]

    async def namesakes_of(self, item: Item) -> list[str]:
        document = cast("IndexedDocument", item.content).document
        if document.source_key is None:
            return []
        found = await self.store.get_by_source(document.scope, document.source_key)
        return [found.document_id] if found and found.document_id != item.key else []

    async def put(self, items: Sequence[Item]) -> None:
        documents = _contents(items, IndexedDocument)
        transfer = _able(self.store, SupportsDocumentTransfer)
        await transfer.put_many([(item.document, item.chunks) for item in documents])

    async def in_the_way_of(self, item: Item) -> Item | None:
        document = cast("IndexedDocument", item.content).document
        found = await self.store.get(item.key)
        if found is None and document.source_key is not None:
            found = await self.store.get_by_source(document.scope, document.source_key)
        if found is None:
            return None
        return Item(found.document_id, 0, IndexedDocument(found, await self.store.chunks_of(found.document_id)))

    async def delete(self, key: str) -> bool:
        return await self.store.delete(key)


class Vectors(_Plain):
    """Vectors with their texts and metadata."""

    kind = Kind.VECTORS

    def __init__(self, store: VectorStore) -> None:
        self.store = store
        self.location = _location(store)

    async def count(self) -> int:
        return await self.store.count()

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        async for record in _scanned(self.store.scan, "id", after):
            yield Item(record.id, 0, record)

    async def entity(self, key: str) -> AsyncIterator[Item]:
        for record in await self.store.get([key]):
            yield Item(key, 0, record)

    def heads(self) -> AsyncIterator[Item]:
        return self.items()

    async def heads_of(self, keys: Sequence[str]) -> list[Item]:
        return [Item(record.id, 0, record) for record in await self.store.get(keys)]

    async def put(self, items: Sequence[Item]) -> None:
        records = _contents(items, VectorRecord)
        for start in range(0, len(records), _VECTORS):
            batch = records[start : start + _VECTORS]
            await self.store.add_documents(
                [record.document for record in batch],
                [record.embedding for record in batch],
                [record.metadata for record in batch],
                [record.id for record in batch],
            )

    async def in_the_way_of(self, item: Item) -> Item | None:
        found = await self.store.get([item.key])
        return _item(item.key, found[0] if found else None)

    async def delete(self, key: str) -> bool:
        return await self.store.delete([key]) == 1


class Files(_Plain):
    """Uploaded files and reports."""

    kind = Kind.FILES

    def __init__(self, store: BlobStore) -> None:
        self.store = store
        self.location = _location(store)

    async def count(self) -> int:
        counted = 0
        async for _ in _scanned(self.store.scan, "key", None):
            counted += 1
        return counted

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        async for info in _scanned(self.store.scan, "key", after):
            yield self._item(info)

    async def entity(self, key: str) -> AsyncIterator[Item]:
        if info := await self.store.stat(key):
            yield self._item(info)

    def heads(self) -> AsyncIterator[Item]:
        return self.items()

    async def heads_of(self, keys: Sequence[str]) -> list[Item]:
        return [self._item(info) for key in keys if (info := await self.store.stat(key))]

    async def put(self, items: Sequence[Item]) -> None:
        for file in _contents(items, StoredFile):
            await self.store.put(file.info.key, await file.open())

    async def in_the_way_of(self, item: Item) -> Item | None:
        info = await self.store.stat(item.key)
        return None if info is None else self._item(info)

    async def delete(self, key: str) -> bool:
        return await self.store.delete(key)

    def _item(self, info: BlobInfo) -> Item:
        async def opened() -> AsyncIterator[bytes]:
            return await self.store.open(info.key)

        return Item(info.key, 0, StoredFile(info, opened))


class Sessions(_Plain):
    """Sessions, tokens, counters and all else that expires, each with the instant at which it does."""

    kind = Kind.SESSIONS

    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self.location = _location(store)

    async def count(self) -> int:
        return len(await self.store.keys("*"))

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        async for value in _scanned(_able(self.store, SupportsValueTransfer).scan, "key", after):
            yield Item(value.key, 0, value)

    async def entity(self, key: str) -> AsyncIterator[Item]:
        if value := await _able(self.store, SupportsValueTransfer).stored_value(key):
            yield Item(key, 0, value)

    def heads(self) -> AsyncIterator[Item]:
        return self.items()

    async def heads_of(self, keys: Sequence[str]) -> list[Item]:
        transfer = _able(self.store, SupportsValueTransfer)
        return [Item(key, 0, value) for key in keys if (value := await transfer.stored_value(key))]

    async def put(self, items: Sequence[Item]) -> None:
        await _able(self.store, SupportsValueTransfer).put_many(_contents(items, StoredValue))

    async def in_the_way_of(self, item: Item) -> Item | None:
        return _item(item.key, await _able(self.store, SupportsValueTransfer).stored_value(item.key))

    async def delete(self, key: str) -> bool:
        return await self.store.delete(key)


_MAKERS: Mapping[str, Callable[[Any], Collection]] = {
    "add_message": Cases,
    "get_by_username": Users,
    "get_by_source": Documents,
    "add_documents": Vectors,
    "stat": Files,
    "expire": Sessions,
}
"""The collection of a store, by a method that only its port has."""


def collection_of(store: object) -> Collection:
    """The store as a collection; its kind is told by what it can do.

    Raises:
        NotSupported: it is no store, or it lacks an ability that is needed to move its content.
    """
    for ability, make in _MAKERS.items():
        if hasattr(store, ability):
            return make(store)
    raise NotSupported(f"{type(store).__name__} is no store whose content can be moved")


def transaction(collection: Collection) -> AbstractAsyncContextManager[None]:
    """What is written in the block is written as a whole, if the store can do that."""
    if isinstance(collection.store, SupportsTransactions):
        return collection.store.begin_transaction()
    return nullcontext()


def filling(collection: Collection) -> AbstractAsyncContextManager[None]:
    """What is written in the block is written fast, if the store can do that; see `SupportsFilling`."""
    if isinstance(collection.store, SupportsFilling):
        return collection.store.filling()
    return nullcontext()


def row_stores(source: Source, target: Collection) -> tuple[GivesCaseRows, TakesCaseRows] | None:
    """The stores, if the content can go from one to the other as rows."""
    giver, taker = getattr(source, "store", None), target.store
    if not isinstance(giver, GivesCaseRows) or not isinstance(taker, TakesCaseRows):
        return None
    return (giver, taker) if giver.row_format == taker.row_format else None


def snapshot(collection: Collection) -> AbstractAsyncContextManager[None]:
    """What is read in the block is of one moment, if the store can do that."""
    if isinstance(collection.store, SupportsSnapshot):
        return collection.store.snapshot()
    return nullcontext()


def _location(store: object) -> str:
    return _able(store, SupportsCheckpoints).location


def _able(store: object, ability: type[T]) -> T:
    if not isinstance(store, ability):
        raise NotSupported(
            f"{type(store).__name__} cannot have its content moved: it lacks ports.transfer.{ability.__name__}"
        )
    return store


def _contents(items: Iterable[Item], kind: type[T]) -> list[T]:
    return [item.content for item in items if isinstance(item.content, kind)]


def _item(key: str, content: Content | None) -> Item | None:
    return None if content is None else Item(key, 0, content)


async def _nothing() -> AsyncIterator[Item]:
    """The further parts of what has only one."""
    nothing: tuple[Item, ...] = ()
    for item in nothing:
        yield item


async def _scanned(scan: Callable[..., Awaitable[tuple[T, ...]]], key: str, after: Position | None) -> AsyncIterator[T]:
    """Entities page by page; ``key`` is the name of their id."""
    last = None if after is None else after.key
    while page := await scan(after=last, limit=_PAGE):
        for entity in page:
            yield entity
        last = getattr(page[-1], key)
