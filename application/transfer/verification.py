"""Whether two collections hold the same: the same entities, each of them equal in every field and part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from application.transfer.collections import Source
from application.transfer.items import Item, Kind, StoredFile, differing_fields
from ports.clock import unix_milliseconds
from ports.errors import NotFound, StorageCorrupt
from ports.transfer import StoredValue

_EXAMPLES = 20


@dataclass(slots=True)
class Comparison:
    """What a comparison found. Each entity counts once; ``examples`` name the first ones with what is wrong.

    ``kept`` are entities of the target that differ because a merge has left them as they were.
    ``unreadable`` says why the comparison ended early, if it did.
    """

    kind: Kind
    source: str
    target: str
    in_source: int = 0
    in_target: int = 0
    missing: int = 0
    unexpected: int = 0
    different: int = 0
    kept: int = 0
    unreadable: str | None = None
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """True if all was compared, and nothing is missing, too much or different."""
        return self.unreadable is None and not (self.missing or self.unexpected or self.different)

    def note(self, text: str) -> None:
        """Keep one more example, if there are not enough of them."""
        if len(self.examples) < _EXAMPLES:
            self.examples.append(text)


async def compare(
    source: Source,
    target: Source,
    *,
    allow_more: bool = False,
    may_differ: Callable[[Item, Item], bool] = lambda _mine, _theirs: False,
    on_progress: Callable[[Kind, int, int], None] = lambda *_: None,
) -> Comparison:
    """Read both from beginning to end, side by side, and compare every item. Holds two pages in memory.

    A side that turns out to be damaged ends the comparison, which then is not clean.

    Args:
        source: what it should be.
        target: what it is.
        allow_more: entities that only the target has are not counted as unexpected.
        may_differ: tells of an entity in source and target whether it is all right that they differ.
        on_progress: is told how many entities of how many have been compared.

    Raises:
        PortError: a store cannot be read, for another reason than damage.
    """
    result = Comparison(source.kind, source.location, target.location)
    try:
        await _compare(source, target, result, allow_more, may_differ, on_progress)
    except StorageCorrupt as error:
        result.unreadable = str(error)
    return result


async def _compare(
    source: Source,
    target: Source,
    result: Comparison,
    allow_more: bool,
    may_differ: Callable[[Item, Item], bool],
    on_progress: Callable[[Kind, int, int], None],
) -> None:
    total = await source.count()
    mine, theirs = _Stream(source.items()), _Stream(target.items())
    left, right = await mine.next_entity(), await theirs.next_entity()
    while left is not None or right is not None:
        if right is None or (left is not None and left.key < right.key):
            assert left is not None  # noqa: S101 - one of them is there
            result.in_source += 1
            if not _has_expired(left):
                result.missing += 1
                result.note(f"{left.key}: missing")
            left = await mine.next_entity()
        elif left is None or right.key < left.key:
            result.in_target += 1
            if not allow_more and not _has_expired(right):
                result.unexpected += 1
                result.note(f"{right.key}: not in the source")
            right = await theirs.next_entity()
        else:
            result.in_source += 1
            result.in_target += 1
            wrong = await _differences(left, right, mine, theirs)
            if wrong and may_differ(left, right):
                result.kept += 1
            elif wrong:
                result.different += 1
                result.note(f"{left.key}: {wrong}")
            left, right = await mine.next_entity(), await theirs.next_entity()
        on_progress(source.kind, result.in_source, max(total, result.in_source))


class _Stream:
    """Items with one of them looked at in advance."""

    def __init__(self, items: AsyncIterator[Item]) -> None:
        self._items = items
        self._ahead: Item | None = None
        self._last: tuple[str, int] | None = None

    async def next_entity(self) -> Item | None:
        """The next entity, past the parts of this one that were not read."""
        while (item := await self._next()) is not None and item.part:
            pass
        return item

    async def next_part(self) -> Item | None:
        """The next part of the current entity, or None."""
        item = await self._next()
        if item is not None and item.part == 0:
            self._ahead = item
            return None
        return item

    async def _next(self) -> Item | None:
        item, self._ahead = self._ahead, None
        if item is not None:
            return item
        item = await anext(self._items, None)
        if item is not None:
            place = (item.key, item.part)
            if self._last is not None and place <= self._last:
                raise StorageCorrupt(f"{item.key} is met out of order, after {self._last[0]}")
            self._last = place
        return item


async def _differences(left: Item, right: Item, mine: _Stream, theirs: _Stream) -> str:
    """What is different in an entity, in words; empty if nothing is."""
    if fields := differing_fields(left.content, right.content):
        return f"differs in {', '.join(fields)}"
    if isinstance(right.content, StoredFile):
        return await _unreadable(right.content)
    while True:
        left_part, right_part = await mine.next_part(), await theirs.next_part()
        if left_part is None and right_part is None:
            return ""
        if left_part is None or right_part is None:
            return f"has {'more' if left_part is None else 'fewer'} messages"
        if fields := differing_fields(left_part.content, right_part.content):
            return f"message {left_part.part} differs in {', '.join(fields)}"


async def _unreadable(file: StoredFile) -> str:
    try:
        async for _ in await file.open():
            pass
    except (NotFound, StorageCorrupt) as error:
        return str(error)
    return ""


def _has_expired(item: Item) -> bool:
    if not isinstance(item.content, StoredValue) or item.content.expires_at is None:
        return False
    return item.content.expires_at <= unix_milliseconds(datetime.now(UTC))
