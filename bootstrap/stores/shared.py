"""Databases that several stores have in common: one pool, one set of connections, closed by the last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ports.capabilities import Closeable

D = TypeVar("D", bound=Closeable)


class _Held:
    """A database and how many stores use it, or wait for it to be opened."""

    def __init__(self) -> None:
        self.users = 0
        self.opening = asyncio.Lock()
        self.database: Any = None


class SharedDatabases:
    """The databases that are open, each once."""

    def __init__(self) -> None:
        self._held: dict[Hashable, _Held] = {}

    @asynccontextmanager
    async def use(self, key: Hashable, open_it: Callable[[], Awaitable[D]]) -> AsyncIterator[D]:
        """The database of the key for the time of the block, opened by the first who asks. What is equal under the key
        has to be the same database, opened in the same way.

        Raises:
            What ``open_it`` raises; the next who asks tries again.
        """
        held = self._held.setdefault(key, _Held())
        held.users += 1
        try:
            async with held.opening:
                if held.database is None:
                    held.database = await open_it()
            yield held.database
        finally:
            held.users -= 1
            if held.users == 0:
                del self._held[key]
                if held.database is not None:
                    await held.database.aclose()
