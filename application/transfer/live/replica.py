"""Keeps one kind of content of a replica equal to that of its source.

By state: whatever was done to an entity, it is read again and written as it is now. So operations need not be repeated
in their order, and one that failed half-way needs no special care.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from application.transfer.collections import Collection, transaction
from application.transfer.items import IndexedDocument, Item, Kind, differing_fields
from application.transfer.live.changes import Changes
from domain.case import Case
from domain.errors import DomainError
from domain.user import User
from ports.clock import unix_milliseconds
from ports.errors import AlreadyExists, PortError
from ports.transfer import StoredValue

BATCH_KEYS = 50
BATCH_ITEMS = 500
PATIENCE_SECONDS = 0.5
"""How long a store that failed is left alone."""

_AT_ONCE = 8

SKEW_MILLISECONDS = 2_000
"""How far the clocks of two servers may be apart: one of them lets a value expire before the other."""

log = logging.getLogger("faultmaven")


@dataclass(slots=True)
class Copied:
    """How far the copy of one kind has come. Numbers of entities."""

    total: int = 0
    compared: int = 0
    written: int = 0
    problem: str = ""
    """Why the last attempt to copy failed; empty once one succeeded."""


class Replica:
    """Copies from ``source`` to ``target`` what ``changes`` tells and what a comparison of both finds.

    Nobody else writes to the target, and one batch is copied at a time. Each is read again from the source after its
    turn has come; so what is written is never older than what was written before.
    """

    def __init__(self, source: Collection, target: Collection, changes: Changes) -> None:
        self.source = source
        self.target = target
        self.changes = changes
        self.copied = Copied()
        self._turn = asyncio.Lock()

    @property
    def kind(self) -> Kind:
        """What is copied."""
        return self.source.kind

    async def follow(self) -> None:
        """Copy what changes until cancelled. A store that fails is tried again."""
        while True:
            await self.changes.some()
            async with self._turn:
                failed = not await self._copy_changes()
            if failed:
                await asyncio.sleep(PATIENCE_SECONDS)

    async def drain(self) -> None:
        """Copy now what waits, without regard to doubts.

        Raises:
            PortError, DomainError: something cannot be copied.
        """
        async with self._turn:
            while batch := self.changes.take(BATCH_KEYS):
                try:
                    await self._copy(batch)
                except BaseException:
                    self.changes.put_back()
                    raise
                self.changes.done()

    async def sweep(self) -> int:
        """Compare both sides from beginning to end and copy what differs; returns how many entities did so although
        nobody had written them meanwhile.

        Raises:
            PortError, DomainError: a store failed; the next call begins anew.
        """
        with self.changes.noting() as touched:
            self.copied.total, self.copied.compared = await self.source.count(), 0
            found: set[str] = set()
            batch: list[str] = []
            async for key in self._differing():
                batch.append(key)
                if len(batch) == BATCH_KEYS:
                    await self._copy_alone(batch)
                    found.update(batch)
                    batch = []
            await self._copy_alone(batch)
            found.update(batch)
            return len(found - touched)

    async def _copy_alone(self, keys: Sequence[str]) -> None:
        if keys:
            async with self._turn:
                await self._copy(dict.fromkeys(keys, False))

    async def _copy_changes(self) -> bool:
        """True if all that was taken is copied."""
        batch = dict(self.changes.take(BATCH_KEYS))
        try:
            await self._copy(batch)
        except (PortError, DomainError) as error:
            self._failed(error, len(batch))
            if len(batch) > 1 and not getattr(error, "retryable", False):
                # One of them is to blame; the others need not wait for it.
                for key, deleted in list(batch.items()):
                    try:
                        await self._copy({key: deleted})
                    except (PortError, DomainError) as cause:
                        self._failed(cause, 1)
                    else:
                        self.changes.done(key)
            self.changes.put_back()
            return False
        except BaseException:
            self.changes.put_back()
            raise
        if batch:
            self.copied.problem = ""
        self.changes.done()
        return True

    def _failed(self, error: Exception, keys: int) -> None:
        self.copied.problem = str(error)
        log.warning("change_not_copied", extra={"kind": self.kind, "keys": keys, "reason": str(error)})

    async def _copy(self, keys: Mapping[str, bool]) -> None:
        """Make the entities with these keys equal; True: the one that the target has is another one in any case."""
        keys = dict(keys)
        while True:
            mine = {item.key: item for item in await self.source.heads_of(list(keys))}
            theirs = {item.key: item for item in await self.target.heads_of(list(keys))}
            gone: list[str] = []
            kept: dict[str, Item] = {}
            wanted: list[Item] = []
            for number, key in enumerate(keys):
                await _give_way(number)
                item, there = mine.get(key), theirs.get(key)
                if there is not None and (item is None or keys[key] or _has_passed(item, there)):
                    gone.append(key)
                    there = None
                if there is not None:
                    kept[key] = there
                if item is not None and (there is None or _differs(item, there)):
                    wanted.append(item)
            try:
                async with transaction(self.target):
                    for key in gone:
                        await self.target.delete(key)
                    await self._write(wanted, kept)
            except AlreadyExists:
                others = await self._namesakes(wanted, keys)
                if not others:
                    raise
                keys |= dict.fromkeys(others, False)
                continue
            self.copied.written += len(wanted)
            return

    async def _write(self, wanted: Sequence[Item], kept: Mapping[str, Item]) -> None:
        """The heads at once, because they may have exchanged names; then what follows them."""
        if not wanted:
            return
        await self.target.put(wanted)
        batch: list[Item] = []
        for head in wanted:
            async for part in self.source.parts(head, _parts(kept.get(head.key))):
                batch.append(part)
                if len(batch) == BATCH_ITEMS:
                    await self.target.put(batch)
                    batch = []
        if batch:
            await self.target.put(batch)

    async def _namesakes(self, wanted: Sequence[Item], known: Mapping[str, bool]) -> list[str]:
        """What stands in the way in the target: the source has since renamed or deleted it."""
        found = [key for item in wanted for key in await self.target.namesakes_of(item)]
        return [key for key in found if key not in known]

    async def _differing(self) -> AsyncIterator[str]:
        """The keys of the entities that are not the same on both sides, in order."""
        mine, theirs = self.source.heads(), self.target.heads()
        left, right = await anext(mine, None), await anext(theirs, None)
        while left is not None or right is not None:
            if right is None or (left is not None and left.key < right.key):
                assert left is not None  # noqa: S101 - one of them is there
                self.copied.compared += 1
                if not _expires_soon(left):
                    yield left.key
                left = await anext(mine, None)
            elif left is None or right.key < left.key:
                if not _expires_soon(right):
                    yield right.key
                right = await anext(theirs, None)
            else:
                self.copied.compared += 1
                await _give_way(self.copied.compared)
                if _differs(left, right):
                    yield left.key
                left, right = await anext(mine, None), await anext(theirs, None)


async def _give_way(number: int) -> None:
    """Comparing takes up to half a millisecond, and requests are being answered meanwhile."""
    if number % _AT_ONCE == 0:
        await asyncio.sleep(0)


def _differs(mine: Item, theirs: Item) -> bool:
    return bool(differing_fields(mine.content, theirs.content))


def _parts(head: Item | None) -> int:
    return head.content.message_count if head is not None and isinstance(head.content, Case) else 0


def _has_passed(mine: Item, theirs: Item) -> bool:
    """Whether the target is ahead of the source, so that what it has is another entity of the same key: a store keeps
    what has the same or a higher version.
    """
    if mine.version is None or theirs.version is None:
        return False
    if theirs.version != mine.version:
        return theirs.version > mine.version
    match mine.content, theirs.content:
        case Case() as left, Case() as right:
            return (
                right.message_count > left.message_count
                or right.last_activity_at > left.last_activity_at
                or _without_activity(left) != _without_activity(right)
            )
        case ((User() | IndexedDocument()), _):
            return _differs(mine, theirs)
    return False


def _without_activity(case: Case) -> Case:
    return case.model_copy(update={"message_count": 0, "last_activity_at": case.created_at})


def _expires_soon(item: Item) -> bool:
    if not isinstance(item.content, StoredValue) or item.content.expires_at is None:
        return False
    return item.content.expires_at <= unix_milliseconds(datetime.now(UTC)) + SKEW_MILLISECONDS
