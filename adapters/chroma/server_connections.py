"""Connections to a server, of which none is lost, however requests end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import httpx


class Connections:
    """Up to ``limit`` connections, each with a client of its own.

    The pool of httpcore 1.0 loses a connection for good if a request is cancelled at the wrong moment
    (encode/httpcore#1093). Here a client whose request did not end in order is thrown away, with its connection.
    """

    def __init__(self, limit: int, seconds: float, new_client: Callable[[], httpx.AsyncClient]) -> None:
        """``seconds`` is how long a free connection is waited for."""
        self._seconds = seconds
        self._new_client = new_client
        self._free = asyncio.Semaphore(limit)
        self._idle: list[httpx.AsyncClient] = []
        self._busy: set[httpx.AsyncClient] = set()
        self._closed = False

    async def request(
        self, method: str, url: str | httpx.URL, content: bytes | None, headers: Mapping[str, str] | None
    ) -> httpx.Response:
        """The whole answer.

        Raises:
            httpx.TransportError: there is none; `httpx.PoolTimeout` if no connection became free.
        """
        try:
            async with asyncio.timeout(self._seconds) if self._free.locked() else nullcontext():
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no connection became free") from None
        try:
            # The one that was used last has the best chance to be still open.
            client = self._idle.pop() if self._idle else self._new_client()
            self._busy.add(client)
            in_order = False
            try:
                answer = await client.request(method, url, content=content, headers=headers)
                in_order = not self._closed
            finally:
                self._busy.discard(client)
                if in_order:
                    self._idle.append(client)
                else:
                    await client.aclose()
            return answer
        finally:
            self._free.release()

    async def aclose(self) -> None:
        """Close all of them, also those in use; a second call does nothing."""
        self._closed = True
        clients = [*self._idle, *self._busy]
        self._idle.clear()
        for client in clients:
            await client.aclose()
