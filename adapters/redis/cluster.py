"""A cluster: each of its slots lies on one server, and the slot of a key is a hash of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from adapters.redis.errors import closed, incomplete, no_cluster
from adapters.redis.options import Address
from adapters.redis.server import Command, Reply, Server
from adapters.redis.topology import Request, Topology
from ports.errors import OutcomeUnknown, PortError, StorageUnavailable

_UNKNOWN_HOSTS = {"", "?"}
"""What a server says that does not know by which name it is reached: by the one that was used to ask."""

_NOT_NOW = (ClusterDownError, TryAgainError)
"""Replies of a cluster that is changing: nothing was executed, and soon the command may be."""

_PAUSE_SECONDS = 0.1


class Cluster(Topology):
    """Learns from any server which slots lie where, and is corrected by those that it asks in vain.

    The number of connections is limited for each server.
    """

    def __init__(self, addresses: Sequence[Address], make: Callable[[Address], Server]) -> None:
        self._given = tuple(addresses)
        self._make = make
        self._servers: dict[Address, Server] = {}
        self._slots: dict[int, Server] = {}
        self._refreshing = asyncio.Lock()
        self._refreshes = 0
        self._learned: tuple[Sequence[Reply], Server] | None = None
        self._closed = False

    async def run(self, requests: Sequence[Request], deadline: float) -> list[Reply]:
        refreshes = self._refreshes
        replies = await self._try(requests, deadline)
        failed_before = False
        while pending := [number for number, reply in enumerate(replies) if isinstance(reply, _AGAIN)]:
            kinds = [replies[number] for number in pending]
            if any(isinstance(kind, StorageUnavailable) for kind in kinds):
                if failed_before:
                    break
                # Nothing was executed there, and by now another server may have the slots.
                failed_before = True
                await self._refresh(refreshes, deadline)
            elif any(isinstance(kind, _NOT_NOW) for kind in kinds):
                if asyncio.get_running_loop().time() + _PAUSE_SECONDS > deadline:
                    break
                await asyncio.sleep(_PAUSE_SECONDS)
                await self._refresh(refreshes, deadline)
            refreshes = self._refreshes
            for number, reply in zip(pending, await self._try([requests[n] for n in pending], deadline), strict=True):
                replies[number] = reply
        for unwelcome in (OutcomeUnknown, PortError):
            for reply in replies:
                if isinstance(reply, unwelcome):
                    raise reply
        return replies

    def group(self, keys: Sequence[bytes]) -> list[list[bytes]]:
        # Keys of one slot could share a command, but while a slot moves it would be refused.
        return [[key] for key in keys]

    async def primaries(self, deadline: float) -> Sequence[Server]:
        await self._refresh(self._refreshes, deadline)
        if len(self._slots) < REDIS_CLUSTER_HASH_SLOTS:
            raise incomplete(", ".join(map(str, self._given)))
        return list(dict.fromkeys(self._slots.values()))

    async def aclose(self) -> None:
        self._closed = True
        await asyncio.gather(*(server.aclose() for server in self._servers.values()))

    async def _try(self, requests: Sequence[Request], deadline: float) -> list[Reply]:
        """The answers to the requests; instead of raising, an error of a server stands in the place of each answer."""
        replies: list[Reply] = [None] * len(requests)
        parts: dict[Server, list[int]] = {}
        for number, request in enumerate(requests):
            server = self._slots.get(key_slot(request.key))
            if server is None:
                replies[number] = incomplete(", ".join(map(str, self._given)))
            else:
                parts.setdefault(server, []).append(number)
        asked = (self._ask(server, [requests[n] for n in numbers], deadline) for server, numbers in parts.items())
        # A task for a single server would only cost time.
        answers = [await one for one in asked] if len(parts) < 2 else await asyncio.gather(*asked)
        for numbers, answer in zip(parts.values(), answers, strict=True):
            for number, reply in zip(numbers, answer, strict=True):
                replies[number] = reply
        return replies

    async def _ask(self, server: Server, requests: Sequence[Request], deadline: float) -> list[Reply]:
        replies = await _attempt(server, [request.command for request in requests], deadline)
        for number, reply in enumerate(replies):
            if isinstance(reply, MovedError):
                self._slots[reply.slot_id] = self._server_at(reply.host, reply.port, server)
                self._learned = None
            elif isinstance(reply, AskError):
                holder = self._server_at(reply.host, reply.port, server)
                replies[number] = (await _attempt(holder, [("ASKING",), requests[number].command], deadline))[-1]
        return replies

    async def _refresh(self, known: int, deadline: float) -> None:
        """Learn anew which slots lie where, unless that has happened since the refresh number ``known``."""
        async with self._refreshing:
            if self._refreshes != known:
                return
            given = [self._server_at(address.host, address.port) for address in self._given]
            candidates = list(dict.fromkeys([*self._slots.values(), *given]))
            failure: PortError | None = None
            for number, server in enumerate(candidates):
                # One that does not answer leaves time for the others.
                now = asyncio.get_running_loop().time()
                patience = now + (deadline - now) / (len(candidates) - number)
                try:
                    reply = (await server.exchange([("CLUSTER", "SLOTS")], patience))[0]
                except PortError as error:
                    failure = failure or error
                    continue
                if not isinstance(reply, ResponseError):
                    await self._learn(reply, server)
                    return
                failure = no_cluster(reply, server.place)
            raise StorageUnavailable(str(failure)) from failure

    async def _learn(self, ranges: Sequence[Reply], informant: Server) -> None:
        self._refreshes += 1
        if (ranges, informant) == self._learned:
            return
        slots: dict[int, Server] = {}
        for first, last, (host, port, *_), *_ in ranges:
            server = self._server_at((host or b"").decode(), port, informant)
            slots.update(dict.fromkeys(range(first, last + 1), server))
        self._slots = slots
        self._learned = ranges, informant
        needed = {*self._given, *(server.address for server in slots.values())}
        for address in self._servers.keys() - needed:
            await self._servers.pop(address).retire()

    def _server_at(self, host: str, port: int, informant: Server | None = None) -> Server:
        if self._closed:
            raise closed()
        if host in _UNKNOWN_HOSTS and informant is not None:
            host = informant.address.host
        address = Address(host, port)
        if address not in self._servers:
            self._servers[address] = self._make(address)
        return self._servers[address]


async def _attempt(server: Server, commands: Sequence[Command], deadline: float) -> list[Reply]:
    """The answers; instead of raising, an error of the server stands in the place of each."""
    try:
        return await server.exchange(commands, deadline)
    except PortError as error:
        return [error] * len(commands)


_AGAIN = (MovedError, StorageUnavailable, *_NOT_NOW)
