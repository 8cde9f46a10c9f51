"""Short reads of local files: on the event loop while they are quick, in threads while they are not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

A = TypeVarTuple("A")
T = TypeVar("T")

SLOW = 0.01
"""Seconds that no quick read takes."""
REST = 2.0
"""Seconds for which the others stay in threads after a slow one."""
AT_ONCE = 32
"""So many reads may follow each other before others get their turn."""


class QuickReads:
    """Tells whether the next short read may run on the event loop.

    A row or a small file that the system has in memory is read in some 10 microseconds. Through a thread it costs five
    times as much alone, and more under load, when the thread waits for the interpreter's lock. But a disk that is cold
    or far away would hold up everybody: after a read of more than `SLOW`, the next ones are left to threads for `REST`.
    """

    def __init__(self) -> None:
        self._resting_until = 0.0
        self._count = 0

    @property
    def allowed(self) -> bool:
        """Whether the last ones were quick."""
        return time.perf_counter() >= self._resting_until

    async def run(self, read: Callable[[*A], T], *args: *A) -> T:
        """The result of ``read(*args)``, which blocks.

        After `AT_ONCE` of them, other tasks get their turn, so that a long row of reads holds nobody up.
        """
        began = time.perf_counter()
        try:
            return read(*args)
        finally:
            ended = time.perf_counter()
            if ended - began > SLOW:
                self._resting_until = ended + REST
            self._count += 1
            if self._count % AT_ONCE == 0:
                await asyncio.sleep(0)
