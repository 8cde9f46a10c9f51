"""Connections to a server, of which none is lost, however requests end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext

import httpx


class Connections:
    """Up to ``limit`` connections, each with a transport of its own.

    The pool of httpcore 1.0 loses a connection for good if a request is cancelled at the wrong moment
    (encode/httpcore#1093). Here a transport whose request did not end in order is thrown away, with its connection.
    """

    def __init__(self, limit: int, seconds: float, new_transport: Callable[[], httpx.AsyncBaseTransport]) -> None:
        """``seconds`` is how long a free connection is waited for."""
        self._seconds = seconds
        self._new_transport = new_transport
        self._free = asyncio.Semaphore(limit)
        self._idle: list[httpx.AsyncBaseTransport] = []
        self._busy: set[httpx.AsyncBaseTransport] = set()
        self._closed = False

    async def send(self, request: httpx.Request) -> httpx.Response:
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
            transport = self._idle.pop() if self._idle else self._new_transport()
            self._busy.add(transport)
            in_order = False
            try:
                answer = await transport.handle_async_request(request)
                _ = await answer.aread()
                in_order = not self._closed
            finally:
                self._busy.discard(transport)
                if in_order:
                    self._idle.append(transport)
                else:
                    await transport.aclose()
            return answer
        finally:
            self._free.release()

    async def aclose(self) -> None:
        """Close all of them, also those in use; a second call does nothing."""
        self._closed = True
        transports = [*self._idle, *self._busy]
        self._idle.clear()
        for transport in transports:
            await transport.aclose()
