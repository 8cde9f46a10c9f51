"""Copies the content of one store into another one of the same kind, and goes on where it was stopped.

A batch is written together with a note, in the target, of how far the copy has come: in one transaction where the
target has them, else the note follows the batch, which may then be written twice, to no effect.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any, Self, TypeAlias, TypeVar, cast

import orjson

from application.errors import ApplicationError
from application.transfer.batches import RowPage, batches, row_pages
from application.transfer.collections import Collection, Source, collection_of, filling, row_stores, transaction
from application.transfer.items import Item, Kind, Position, differing_fields
from application.transfer.verification import Comparison, compare
from domain.errors import DomainError
from ports.deferred import Deferred, DeferredVectors
from ports.errors import PortError
from ports.transfer import TakesCaseRows
from ports.vectors import EmbeddingSpace

B = TypeVar("B")

_ROW_WRITERS = 2
"""Pages of rows that are written at once, so that a server can use two processors for them."""

Progress = Callable[[Kind, int, int], None]
"""Is told what is moved, how many entities are done and how many there are."""

_Write: TypeAlias = "Callable[[B, Awaitable[Progressed]], Awaitable[Progressed]]"
"""Writes a batch, given how far those before it have come."""


class MergeRule(StrEnum):
    """What happens to an entity that stands in source and target and is not the same."""

    SKIP = "skip"
    """That of the target stays."""
    FAIL = "fail"
    """The migration stops there."""
    NEWER = "newer"
    """The one with the higher version counts; of things without a version, that of the target."""


class TransferRefused(ApplicationError):
    """The content cannot be moved as it was asked for. Nothing was written by the refused step."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a copy has come; kept in the target.

    ``keeping``: the entity at ``position`` is one that stays as the target has it.
    """

    fingerprint: str
    source: str
    position: Position | None = None
    keeping: bool = False
    read: int = 0
    written: int = 0
    kept: int = 0
    is_done: bool = False

    def to_json(self) -> str:
        """As text."""
        return orjson.dumps({**asdict(self), "position": self.position and list(self.position)}).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From text.

        Raises:
            TransferRefused: another release wrote it in a form that this one does not know.
        """
        try:
            fields: dict[str, Any] = orjson.loads(text)
            if fields["position"] is not None:
                fields["position"] = Position(*fields["position"])
            return cls(**fields)
        except (ValueError, TypeError, KeyError) as error:
            raise TransferRefused("the note of an earlier migration in the target cannot be read") from error


@dataclass(frozen=True, slots=True)
class Migration:
    """What a migration did. Numbers of entities; ``resumed`` counts those of earlier, interrupted runs."""

    kind: Kind
    source: str
    target: str
    read: int
    written: int
    kept: int
    resumed: int
    seconds: float


class CollectionMigrator:
    """Moves one kind of content from ``source`` to ``target``."""

    def __init__(
        self,
        source: Source,
        target: Collection,
        *,
        merge: MergeRule | None = None,
        on_progress: Progress = lambda *_: None,
    ) -> None:
        """Without a rule to ``merge``, the target has to be empty.

        Raises:
            TransferRefused: source and target are of different kinds, or the same place.
        """
        if source.kind != target.kind:
            raise TransferRefused(f"{source.kind} cannot be moved to a store of {target.kind}")
        if source.location == target.location:
            raise TransferRefused(f"source and target of the {source.kind} are the same place: {source.location}")
        self._source = source
        self._target = target
        self._merge = merge
        self._on_progress = on_progress
        self._note = f"transfer-{source.kind}"

    @property
    def kind(self) -> Kind:
        """What is moved."""
        return self._source.kind

    @property
    def target(self) -> Collection:
        """Where it is moved to."""
        return self._target

    async def check(self) -> Progressed:
        """How far this migration has come; at the very beginning, if it is new. Writes nothing.

        Raises:
            TransferRefused: see `migrate`.
        """
        fresh = Progressed(self._fingerprint(), self._source.location)
        text = await self._target.store.read_checkpoint(self._note)
        if text is not None:
            state = Progressed.from_json(text)
            if state.fingerprint == fresh.fingerprint and not (state.is_done and self._merge):
                return state
            if not state.is_done:
                raise TransferRefused(
                    f"{self._target.location} holds an unfinished copy of the {self.kind} of {state.source}, made with "
                    "other options or from another place; finish that one, or empty the target"
                )
        if self._merge is None and not await is_empty(self._target):
            raise TransferRefused(
                f"{self._target.location} already holds {self.kind}; empty it, or say with a merge rule "
                f"({', '.join(MergeRule)}) what happens to what stands on both sides"
            )
        return fresh

    async def migrate(self) -> Migration:
        """Copy everything that is not there yet.

        Raises:
            TransferRefused: the target is not empty, holds an unfinished copy of something else, or has something that
                the rule does not allow to merge with.
            PortError: a store failed; the next call goes on from the last batch.
        """
        started = time.monotonic()
        total = await self._source.count()
        state = await self.check()
        resumed = state.read
        if not state.is_done:
            await self._target.store.write_checkpoint(self._note, state.to_json())
            self._on_progress(self.kind, state.read, total)
            # A target that something is merged into may be in use.
            async with filling(self._target) if self._merge is None else nullcontext():
                state = await self._copy_all(state, total)
            state = replace(state, is_done=True)
            await self._target.store.write_checkpoint(self._note, state.to_json())
        return Migration(
            kind=self.kind,
            source=self._source.location,
            target=self._target.location,
            read=state.read,
            written=state.written,
            kept=state.kept,
            resumed=resumed,
            seconds=time.monotonic() - started,
        )

    async def verify(self) -> Comparison:
        """Compare source and target as a whole. After a merge, the target may hold more, and what the rule has left as
        it was may differ.
        """
        return await compare(
            self._source,
            self._target,
            allow_more=self._merge is not None,
            may_differ=self._stays,
            on_progress=self._on_progress,
        )

    def _fingerprint(self) -> str:
        parts = (self._source.location, self._target.location, self.kind, self._merge or "empty target")
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    async def _copy_all(self, state: Progressed, total: int) -> Progressed:
        """Write all that follows; as rows, if the stores understand each other and nothing has to be compared."""
        stores = row_stores(self._source, self._target) if self._merge is None else None
        if stores is None:
            return await self._copy(batches(self._source.items(state.position)), self._write, state, total)
        giver, taker = stores
        pages = row_pages(giver, taker, state.position)
        return await self._copy(pages, partial(self._write_rows, taker), state, total, at_once=_ROW_WRITERS)

    async def _copy(
        self, batches: AsyncIterator[B], write: _Write[B], state: Progressed, total: int, at_once: int = 1
    ) -> Progressed:
        """While so many batches are written, this task reads the next one."""
        writing: deque[asyncio.Future[Progressed]] = deque()

        async def written(batch: B, before: Awaitable[Progressed]) -> Progressed:
            state = await write(batch, before)
            self._on_progress(self.kind, state.read, max(total, state.read))
            return state

        last: asyncio.Future[Progressed] = asyncio.get_running_loop().create_future()
        last.set_result(state)
        try:
            async for batch in batches:
                if len(writing) == at_once:
                    await writing.popleft()
                last = asyncio.create_task(written(batch, last))
                writing.append(last)
            return await last
        finally:
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)

    async def _write(self, batch: list[Item], before: Awaitable[Progressed]) -> Progressed:
        state = await before
        async with transaction(self._target):
            wanted = []
            for item in batch:
                if item.part == 0:
                    keeping = not await self._is_wanted(item)
                    state = replace(
                        state,
                        keeping=keeping,
                        read=state.read + 1,
                        written=state.written + (not keeping),
                        kept=state.kept + keeping,
                    )
                if not state.keeping:
                    wanted.append(item)
            try:
                await self._target.put(wanted)
            except (DomainError, PortError) as error:
                error.add_note(f"while writing {self.kind} from {batch[0].key} to {batch[-1].key}")
                raise
            state = replace(state, position=batch[-1].position)
            await self._target.store.write_checkpoint(self._note, state.to_json())
        return state

    async def _write_rows(self, target: TakesCaseRows, rows: RowPage, before: Awaitable[Progressed]) -> Progressed:
        """Write beside what comes before, but commit after it."""
        if rows.continues:
            await before
        async with transaction(self._target):
            try:
                await target.put_rows(rows.prepared)
            except (DomainError, PortError) as error:
                error.add_note(f"while writing {self.kind} up to {rows.position.key}")
                raise
            state = await before
            state = replace(
                state, position=rows.position, read=state.read + rows.cases, written=state.written + rows.cases
            )
            await self._target.store.write_checkpoint(self._note, state.to_json())
        return state

    async def _is_wanted(self, item: Item) -> bool:
        """Whether the entity is written, after what it replaces has made room for it."""
        if self._merge is None:
            return True
        there = await self._target.in_the_way_of(item)
        if there is None:
            return True
        if there.key != item.key:
            raise TransferRefused(
                f"{item.key} of {self._source.location} and {there.key} of {self._target.location} have the same name; "
                f"rename one of these {self.kind} first"
            )
        fields = differing_fields(item.content, there.content)
        if not fields:
            return False
        if self._merge is MergeRule.FAIL:
            raise TransferRefused(f"{item.key} differs in {', '.join(fields)} between source and target")
        if self._stays(item, there):
            return False
        await self._target.delete(item.key)
        return True

    def _stays(self, mine: Item, theirs: Item) -> bool:
        """Whether the rule leaves an entity of the target that differs from that of the source."""
        if self._merge is MergeRule.NEWER:
            return not _is_newer(mine, theirs)
        return self._merge is MergeRule.SKIP


class StoreMigrator:
    """Moves the content of one store to another one: both are adapters of the same port, open or to be opened."""

    def __init__(
        self,
        source: object,
        target: object,
        *,
        merge: MergeRule | None = None,
        on_progress: Progress = lambda *_: None,
    ) -> None:
        """See `CollectionMigrator`. Nothing is opened yet."""
        self._source = source
        self._target = target
        self._merge = merge
        self._on_progress = on_progress

    async def migrate_all(self) -> Migration:
        """See `CollectionMigrator.migrate`. A new target of vectors gets the embedding space of the source.

        Raises:
            NotSupported: source or target is no store, or lacks an ability of `ports.transfer`.
            TransferRefused: see `CollectionMigrator`; also vectors of two different embedding spaces.
        """
        return await (await self.opened()).migrate()

    async def verify(self) -> Comparison:
        """See `CollectionMigrator.verify`."""
        return await (await self.opened()).verify()

    async def opened(self) -> CollectionMigrator:
        """The migrator of the open stores.

        Raises:
            As `migrate_all`.
        """
        source = collection_of(await _opened(self._source))
        space = getattr(source.store, "space", None)
        target = collection_of(await _opened(self._target, space))
        theirs = getattr(target.store, "space", None)
        if space != theirs:
            raise TransferRefused(
                f"the vectors of {source.location} are of {_named(space)}, {target.location} holds those of "
                f"{_named(theirs)}; make them again from the documents instead"
            )
        return CollectionMigrator(source, target, merge=self._merge, on_progress=self._on_progress)


async def _opened(store: object, space: EmbeddingSpace | None = None) -> object:
    if not isinstance(store, Deferred):
        return store
    return await store.opened() if space is None else await cast("DeferredVectors", store).opened(space)


def _named(space: EmbeddingSpace | None) -> str:
    return f"{space.model_id} ({space.dimension} dimensions)" if space else "no model"


async def is_empty(collection: Source) -> bool:
    """True if there is nothing in it."""
    async for _ in collection.items():
        return False
    return True


def _is_newer(mine: Item, theirs: Item) -> bool:
    """By version. Messages are appended to a case without a new version, so there their number decides."""
    if mine.version is None or theirs.version is None:
        return False
    return (mine.version, _messages(mine)) > (theirs.version, _messages(theirs))


def _messages(item: Item) -> int:
    return getattr(item.content, "message_count", 0)
