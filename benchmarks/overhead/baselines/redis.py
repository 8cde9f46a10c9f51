"""Sessions in Redis, written by hand for redis-py: its client, its pool, its parser in C."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

PREFIX = "faultmaven:"
SECONDS = 4.0
CONNECTIONS = 20


def open_client(url: str, *, held: bool = False) -> Redis:
    """A client with the limits that the adapter has; one that is ``held`` has a connection instead of a pool."""
    return Redis.from_url(
        url,
        decode_responses=True,
        max_connections=CONNECTIONS,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        single_connection_client=held,
    )


async def get(client: Redis, key: str) -> str | None:
    """The value, or None."""
    return await client.get(PREFIX + key)


async def set_value(client: Redis, key: str, value: str, ttl: timedelta) -> bool:
    """Store the value until it expires."""
    return bool(await client.set(PREFIX + key, value, px=ttl))


async def delete(client: Redis, key: str) -> bool:
    """Remove the value."""
    return bool(await client.unlink(PREFIX + key))


async def expire(client: Redis, key: str, ttl: timedelta) -> bool:
    """Let the value expire later."""
    return bool(await client.pexpire(PREFIX + key, ttl))


class BareConnection:
    """The protocol on a socket, without a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, key: str) -> bytes | None:
        """The bytes of the value."""
        name = (PREFIX + key).encode()
        self._writer.write(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(name), name))
        length = int((await self._reader.readline())[1:])
        return None if length < 0 else (await self._reader.readexactly(length + 2))[:-2]

    async def set(self, key: str, value: str, ttl: timedelta) -> bool:
        """Store the value until it expires."""
        name, data, life = (PREFIX + key).encode(), value.encode(), b"%d" % (ttl // timedelta(milliseconds=1))
        self._writer.write(
            b"*5\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n$2\r\nPX\r\n$%d\r\n%s\r\n"
            % (len(name), name, len(data), data, len(life), life)
        )
        return await self._reader.readline() == b"+OK\r\n"
