"""An HTTP server that does what a test says, request by request, and keeps what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

Turn = Callable[["ScriptedServer", dict[str, Any], asyncio.StreamWriter], Awaitable[None]]


class ScriptedServer:
    """Plays one turn for each request, and the last one again and again."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = list(turns)
        self.requests: list[dict[str, Any]] = []
        self.arrivals: asyncio.Queue[None] = asyncio.Queue()
        """Has an entry for each request that came in."""
        self.port = 0
        self.released = asyncio.Event()
        """Lets turns go on that wait."""

    @property
    def url(self) -> str:
        """The base of the API."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request; the connection ends with its answer."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
            }
            request = orjson.loads(await reader.readexactly(int(headers["content-length"])))
            turn = self.turns[min(len(self.requests), len(self.turns) - 1)]
            self.requests.append(request)
            self.arrivals.put_nowait(None)
            await turn(self, request, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted(*turns: Turn) -> AsyncIterator[ScriptedServer]:
    """A server on the loopback address."""
    server = ScriptedServer(turns)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.released.set()
        listening.close()
        await listening.wait_closed()


def answer(content: bytes | object, status: int = 200, **headers: str) -> Turn:
    """Send this, as JSON unless it is bytes."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def play(_: ScriptedServer, __: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return play


def vectors(*rows: object, indexes: Sequence[object] | None = None) -> Turn:
    """Send these vectors, whatever was asked."""
    places = range(len(rows)) if indexes is None else indexes
    return answer({"data": [{"index": index, "embedding": row} for index, row in zip(places, rows, strict=True)]})


def refuse(status: int, message: str = "never mind", **headers: str) -> Turn:
    """Send an error in the form of the protocol."""
    return answer({"error": {"message": message}}, status, **headers)


async def embed(server: ScriptedServer, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Do it right: the vector of a text is its length beside 1."""
    rows = [[float(len(text)), 1.0] for text in request["input"]]
    await vectors(*rows)(server, request, writer)


async def hang_up(_: ScriptedServer, __: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""
    writer.close()


async def break_off(_: ScriptedServer, __: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Close the connection in mid-answer."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"data": [')


async def never(server: ScriptedServer, _: dict[str, Any], __: asyncio.StreamWriter) -> None:
    """Say nothing until the test is over."""
    await server.released.wait()


async def flood(_: ScriptedServer, __: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Send an answer without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
        await writer.drain()
