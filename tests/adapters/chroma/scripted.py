"""An HTTP server that answers what a test tells it to, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson

from tests.contract.vectors.data import DIMENSION, SPACE

COLLECTION = {
    "id": "c0",
    "metadata": {"model_id": SPACE.model_id, "dimension": DIMENSION},
    "configuration_json": {"hnsw": {"space": "cosine"}},
}
NOTHING = {"ids": [], "documents": [], "metadatas": [], "embeddings": []}
SILENCE = "silence"
TRICKLE = "trickle"
BREAK = "break"


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = str | tuple[int, object]
"""A status and what is sent as JSON, or one of the ways not to answer."""


def like_chroma(request: Request) -> Answer:
    """The answers of an empty collection."""
    operation = request.path.rpartition("/")[2]
    return 200, {"count": 0, "get": NOTHING, "upsert": {}, "delete": {}}.get(operation, COLLECTION)


@dataclass
class ScriptedServer:
    """Answers each request by ``answer``, which a test may replace."""

    port: int = 0
    answer: Callable[[Request], Answer] = like_chroma
    requests: list[Request] = field(default_factory=list)
    scheme: str = "http"
    arrival: asyncio.Condition = field(default_factory=asyncio.Condition)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def instead(self, operation: str, answer: Answer) -> None:
        """Answer this operation like that, and others as before."""
        others = self.answer
        self.answer = lambda request: answer if request.path.endswith(f"/{operation}") else others(request)

    def let_go(self) -> None:
        """Answer those that were kept waiting in silence, by what ``answer`` says now."""
        self.released.set()

    async def received(self, number: int) -> None:
        """Wait until so many requests are here."""
        async with self.arrival:
            await self.arrival.wait_for(lambda: len(self.requests) >= number)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                request = await receive(reader)
                async with self.arrival:
                    self.requests.append(request)
                    self.arrival.notify_all()
                answer = self.answer(request)
                if answer == BREAK:
                    return
                if answer == SILENCE:
                    await self.released.wait()
                    answer = self.answer(request)
                if answer == TRICKLE:
                    writer.write(b"HTTP/1.1 200 OK\r\n")
                    while True:
                        writer.write(b"X-Wait: 1\r\n")
                        await writer.drain()
                        await asyncio.sleep(0.02)
                assert isinstance(answer, tuple)
                status, content = answer
                body = content if isinstance(content, bytes) else orjson.dumps(content)
                writer.write(
                    f"HTTP/1.1 {status} Status\r\nContent-Length: {len(body)}\r\nLocation: /elsewhere\r\n\r\n".encode()
                )
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def receive(reader: asyncio.StreamReader) -> Request:
    """The next request of a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def scripted_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """A server on a free port; with ``tls`` it speaks HTTPS."""
    scripted = ScriptedServer(scheme="https" if tls else "http")
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(scripted.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        waiting = list(connections)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
