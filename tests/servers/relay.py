"""A relay in front of a server: it speaks TLS if it is asked to, counts connections, and can lose answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK = 65_536


class Relay:
    """Hands everything on in both directions.

    Attributes:
        answers_to_lose: For so many answers the connection is cut instead of handing them on.
        connections: How many were accepted so far.
        clients: Those that are connected now.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.answers_to_lose = 0
        self.connections = 0
        self.clients: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        task = asyncio.current_task()
        assert task is not None
        self.clients.add(task)
        self.connections += 1
        try:
            above, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                parts = [
                    asyncio.create_task(self._up(reader, to_server)),
                    asyncio.create_task(self._down(above, writer)),
                ]
                try:
                    await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for part in parts:
                        part.cancel()
                    await asyncio.gather(*parts, return_exceptions=True)
            finally:
                to_server.transport.abort()
        finally:
            # Not in order but at once, as when a machine goes away.
            writer.transport.abort()
            self.clients.discard(task)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self.answers_to_lose:
                self.answers_to_lose -= 1
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def relay_to(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """A relay to this port of the loopback address, on a port of its own."""
    relay = Relay(port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0, ssl=tls)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for client in relay.clients:
            client.cancel()
        await asyncio.gather(*relay.clients, return_exceptions=True)
        await server.wait_closed()
        # Transports are closed one turn of the loop after they were told so.
        await asyncio.sleep(0)
