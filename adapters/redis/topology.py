"""Which server a command goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from adapters.redis.server import Command, Reply, Server


class Request(NamedTuple):
    """A command with the key that it works on; all its keys, if there are several, lie on one server for certain."""

    key: bytes
    command: Command


class Topology(Protocol):
    """One server, or several that share the keys."""

    async def run(self, requests: Sequence[Request], deadline: float) -> list[Reply]:
        """Send each command to the server of its key, and return the answer to each; error replies are values.

        ``deadline`` is a time of the event loop.

        Raises:
            StorageUnavailable: a server cannot be reached, so that at least one command was not executed.
            OutcomeUnknown: a command was sent, but not answered.
        """
        ...

    def group(self, keys: Sequence[bytes]) -> list[list[bytes]]:
        """The keys, in groups that one command may work on."""
        ...

    async def primaries(self, deadline: float, /) -> Sequence[Server]:
        """The servers that together hold all keys, as of now."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class SingleServer(Topology):
    """One server holds all keys."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def run(self, requests: Sequence[Request], deadline: float) -> list[Reply]:
        return await self._server.exchange([request.command for request in requests], deadline)

    def group(self, keys: Sequence[bytes]) -> list[list[bytes]]:
        return [list(keys)]

    async def primaries(self, _deadline: float) -> Sequence[Server]:
        return [self._server]

    async def aclose(self) -> None:
        await self._server.aclose()
