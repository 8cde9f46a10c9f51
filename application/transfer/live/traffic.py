"""The writes that are under way, and a gate that can hold up new ones for a moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from application.transfer.items import Kind


class Traffic:
    """All writes to the stores of an installation.

    A task in a transaction passes the gate however narrow it is: it is waited for, and what it does besides must not
    wait for it.
    """

    def __init__(self) -> None:
        self.is_restricted = False
        self._width = 0
        self._under_way: Counter[Kind] = Counter()
        self._ended = asyncio.Event()
        self._transactions: dict[asyncio.Task[object] | None, dict[str, bool]] = {}

    async def admission(self, kind: Kind) -> None:
        """Wait while the gate lets no more writes of this kind through."""
        while (
            self.is_restricted
            and self._under_way[kind] >= self._width
            and asyncio.current_task() not in self._transactions
        ):
            await self._ended.wait()

    def begin(self, kind: Kind) -> None:
        """A write begins."""
        self._under_way[kind] += 1

    def end(self, kind: Kind) -> None:
        """A write has ended."""
        self._under_way[kind] -= 1
        if self.is_restricted:
            self._wake()

    def begin_transaction(self) -> dict[str, bool]:
        """The running task begins a transaction; returns where the keys that it writes are noted."""
        noted: dict[str, bool] = {}
        self._transactions[asyncio.current_task()] = noted
        return noted

    def end_transaction(self) -> None:
        """The transaction of the running task has ended."""
        del self._transactions[asyncio.current_task()]

    @property
    def transaction(self) -> dict[str, bool] | None:
        """What the transaction of the running task has written; None outside of one."""
        return self._transactions.get(asyncio.current_task()) if self._transactions else None

    @property
    def under_way(self) -> Sequence[Kind]:
        """The kinds that are being written."""
        return [kind for kind, number in self._under_way.items() if number]

    async def restrict(self, width: int) -> None:
        """Let no more than so many writes of each kind be under way, and wait until that is so; 0 closes the gate.

        With a small width those who would wait in the queue of a store wait before it, so that the gate can be closed
        quickly.
        """
        self.is_restricted, self._width = True, width
        while any(number > width for number in self._under_way.values()):
            await self._ended.wait()

    def release(self) -> None:
        """Open the gate."""
        self.is_restricted = False
        self._wake()

    def _wake(self) -> None:
        self._ended.set()
        self._ended.clear()
