"""Asks the replica what the source was asked, and counts the answers that differ."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from application.transfer.items import Kind
from application.transfer.live.changes import Changes
from domain.errors import DomainError
from ports.errors import PortError

T = TypeVar("T")

SHARE = 4
"""Every fourth read is repeated."""

MOST_AT_ONCE = 8
TRIES = 3
PAUSE_SECONDS = 0.05
_EXAMPLES = 20

log = logging.getLogger("faultmaven")


@dataclass(slots=True)
class ShadowReads:
    """How many answers were compared, how many of them differed, and how many could not be compared, because what was
    asked for was written meanwhile or the replica was away.
    """

    compared: int = 0
    different: int = 0
    passed_over: int = 0


class Shadow:
    """Repeats a share of the reads of one layer at the replica, after they were answered."""

    def __init__(self, kind: Kind, source: Any, replica: Any, changes: Changes, *, share: int = SHARE) -> None:
        self.reads = ShadowReads()
        self.examples: list[str] = []
        self.is_paused = False
        self._kind = kind
        self._source = source
        self._replica = replica
        self._changes = changes
        self._share = share
        self._seen = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def saw(self, key: str | None, ask: Callable[[Any], Awaitable[object]], what: str) -> None:
        """A read has been answered; ``ask`` puts the same question to a store. ``key`` is the one entity on which the
        answer depends, None if it is several.
        """
        self._seen += 1
        if self.is_paused or self._seen % self._share or len(self._tasks) >= MOST_AT_ONCE:
            return
        task = asyncio.create_task(self._compare(key, ask, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """End the comparisons that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _compare(self, key: str | None, ask: Callable[[Any], Awaitable[object]], what: str) -> None:
        """Different answers count only if they are so again and again, while nobody writes what was asked for: a write
        is noted a moment after it took effect.
        """
        try:
            for _ in range(TRIES):
                with self._changes.watching(key) as watch:
                    mine, theirs = await ask(self._source), await ask(self._replica)
                    if mine == theirs:
                        self.reads.compared += 1
                        return
                    await asyncio.sleep(PAUSE_SECONDS)
                if watch.is_touched:
                    self.reads.passed_over += 1
                    return
        except (PortError, DomainError):
            self.reads.passed_over += 1
            return
        self.reads.compared += 1
        self.reads.different += 1
        text = f"{self._kind}: {what}"
        log.warning("shadow_read_differs", extra={"read": text})
        if len(self.examples) < _EXAMPLES:
            self.examples.append(text)
