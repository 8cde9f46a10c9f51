"""Short reads of local files: on the event loop while they are quick, in threads while they are not."""

from __future__ import annotations

import time

SLOW = 0.01
"""Seconds that no quick read takes."""
REST = 2.0
"""Seconds for which the others stay in threads after a slow one."""
AT_ONCE = 32
"""So many reads may follow each other before others get their turn."""


class QuickReads:
    """Tells whether the next short read may run on the event loop, and is told how long it took.

    A row or a small file that the system has in memory is read in some 10 microseconds. Through a thread it costs five
    times as much alone, and more under load, when the thread waits for the interpreter's lock. But a disk that is cold
    or far away would hold up everybody: after a read of more than `SLOW`, the next ones are left to threads for `REST`.
    After `AT_ONCE` reads, other tasks have to get their turn, so that a long row of reads holds nobody up.
    """

    def __init__(self) -> None:
        self._resting_until = 0.0
        self._left = AT_ONCE

    def begin(self) -> float | None:
        """When the read begins, for `end`; None if it has to run in a thread."""
        now = time.perf_counter()
        return None if now < self._resting_until else now

    def end(self, began: float) -> bool:
        """Note that the read has ended, with or without an error. True if it is the others' turn."""
        now = time.perf_counter()
        if now - began > SLOW:
            self._resting_until = now + REST
        self._left -= 1
        if self._left:
            return False
        self._left = AT_ONCE
        return True
