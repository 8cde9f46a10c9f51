"""Which entities have changed since they were last copied."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

DOUBT_SECONDS = 2.0
"""How long after a write without an answer its entity is copied once more: the write may still take effect."""


@dataclass(slots=True)
class Watch:
    """Tells whether something was written while it lasts."""

    key: str | None
    is_touched: bool


class Changes:
    """The keys of one kind that wait to be copied, in the order in which they were written.

    Only the key is kept: whoever copies reads what is true then. A key whose entity was deleted is remembered as such
    (a tombstone) until it was copied: if the entity exists again, it is another one, however equal it looks.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, bool] = {}
        self._taken: dict[str, bool] = {}
        self._doubtful: dict[str, float] = {}
        self._watches: list[Watch] = []
        self._touched: set[str] | None = None
        self._some = asyncio.Event()

    def mark(self, key: str, *, deleted: bool = False) -> None:
        """The entity was written."""
        self._waiting[key] = deleted or self._waiting.get(key, False)
        if self._touched is not None:
            self._touched.add(key)
        for watch in self._watches:
            watch.is_touched = watch.is_touched or watch.key in (None, key)
        self._some.set()

    def doubt(self, key: str, *, deleted: bool = False) -> None:
        """The entity may have been written, or may yet be."""
        self.mark(key, deleted=deleted)
        self._doubtful[key] = _now() + DOUBT_SECONDS

    def take(self, most: int) -> Mapping[str, bool]:
        """The keys that wait longest, at most so many, and whether what they stood for is gone. They count as waiting
        until `done`.
        """
        self._ask_again()
        for key in list(self._waiting)[:most]:
            self._taken[key] = self._waiting.pop(key) or self._taken.get(key, False)
        return self._taken

    def done(self, key: str | None = None) -> None:
        """What was taken is copied, or this one of it."""
        if key is None:
            self._taken = {}
        else:
            del self._taken[key]

    def put_back(self) -> None:
        """What was taken could not be copied: it waits again, before all others."""
        for key, deleted in self._waiting.items():
            self._taken[key] = deleted or self._taken.get(key, False)
        self._waiting, self._taken = self._taken, {}
        self._some.set()

    async def some(self) -> None:
        """Return once a key waits, or may do so."""
        self._some.clear()
        if self._waiting:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(DOUBT_SECONDS if self._doubtful else None):
                await self._some.wait()

    @property
    def waiting(self) -> int:
        """How many keys wait."""
        return len(self._waiting) + len(self._taken)

    @property
    def doubtful(self) -> int:
        """How many keys will be copied once more, because of writes that ended without an answer."""
        return len(self._doubtful)

    @contextmanager
    def noting(self) -> Iterator[set[str]]:
        """The keys that wait when the block begins, and those that are written until it ends."""
        self._touched = {*self._waiting, *self._taken}
        try:
            yield self._touched
        finally:
            self._touched = None

    @contextmanager
    def watching(self, key: str | None) -> Iterator[Watch]:
        """A watch on one key, or on all, for the time of the block; touched at once if it waits to be copied."""
        waits = bool(self.waiting) if key is None else key in self._waiting or key in self._taken
        watch = Watch(key, waits)
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    def _ask_again(self) -> None:
        now = _now()
        for key in [key for key, due in self._doubtful.items() if due <= now]:
            del self._doubtful[key]
            self.mark(key)


def _now() -> float:
    return asyncio.get_running_loop().time()
