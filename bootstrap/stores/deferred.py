"""What stores that are opened by their first operation have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Generic, Self, TypeVar

from ports.capabilities import Closeable
from ports.errors import StorageUnavailable

S = TypeVar("S")


class DeferredStore(Closeable, Generic[S]):
    """Opens the store by the first call of `opened`, and closes it by `aclose` or at the end of its block.

    Errors of opening come from the operation that needed the store; the next one tries again. After `aclose` it stays
    closed. It belongs to the event loop in which it was opened.
    """

    def __init__(self, title: str, open_it: Callable[[], AbstractAsyncContextManager[S]]) -> None:
        self._title = title
        self._open_it = open_it
        self._store: S | None = None
        self._closed = False
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def opened(self) -> S:
        """See `ports.deferred.Deferred`."""
        if self._store is not None:
            return self._store
        return await self._open(self._open_it)

    async def _open(self, open_it: Callable[[], AbstractAsyncContextManager[S]]) -> S:
        async with self._opening:
            if self._closed:
                raise StorageUnavailable(f"the {self._title} is closed")
            if self._store is None:
                self._store = await self._stack.enter_async_context(open_it())
            return self._store

    async def aclose(self) -> None:
        """See `Closeable`. A store that was never opened is not opened any more."""
        async with self._opening:
            self._closed = True
            self._store = None
            await self._stack.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
