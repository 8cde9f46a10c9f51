"""Sends requests as fast as they are answered, with as little work as possible of its own: it shares the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import httptools


@dataclass(frozen=True)
class Load:
    """What so many clients got: answers a second, and how long they waited, in seconds."""

    clients: int
    rate: float
    middle: float
    last_percent: float
    longest: float


class _Connection(asyncio.Protocol):
    """One request at a time on a connection that stays open."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[int] | None = None
        self._transport: asyncio.WriteTransport | None = None

    async def ask(self, request: bytes) -> int:
        """The status of the answer, when all of it is there."""
        if self._transport is None:
            raise ConnectionError("the connection is not open")
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error or ConnectionError("the server closed the connection"))

    def on_message_complete(self) -> None:
        if self._answered is not None:
            self._answered.set_result(self._parser.get_status_code())
        self._parser = httptools.HttpResponseParser(self)


async def load(
    port: int, clients: int, seconds: float, request: Callable[[int, int], bytes], every: float = 0.0
) -> Load:
    """So many clients for so long. ``request`` gives the next one of a client, by its number and that of the request.

    A client asks as soon as it has its answer, or once in ``every`` seconds, all clients evenly one after the other.
    What is answered in a first tenth of the time warms up and does not count.

    Raises:
        RuntimeError: an answer is no success.
    """
    start = time.perf_counter()
    begin = start + seconds / 10
    end = begin + seconds
    waited: list[float] = []

    async def work(client: int) -> None:
        transport, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
        number = 0
        try:
            while time.perf_counter() < end:
                if every:
                    due = start + every * (number + client / clients)
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                sent = time.perf_counter()
                status = await connection.ask(request(client, number))
                if not 200 <= status < 300:
                    raise RuntimeError(f"request {number} of client {client} was answered with {status}")
                number += 1
                if (received := time.perf_counter()) >= begin:
                    waited.append(received - sent)
        finally:
            transport.close()

    async with asyncio.TaskGroup() as group:
        for client in range(clients):
            group.create_task(work(client))
    waited.sort()
    middle, last_percent = waited[len(waited) // 2], waited[int(len(waited) * 0.99)]
    return Load(clients, len(waited) / seconds, middle, last_percent, waited[-1])


def http(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
