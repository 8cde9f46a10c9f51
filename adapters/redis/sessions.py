"""Sessions and caches in Redis, Redis Cluster or Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import partial
from typing import Final, Self, TypeVar

from redis.exceptions import NoScriptError, ResponseError

from adapters.redis.cluster import Cluster
from adapters.redis.errors import closed, code_of, refused
from adapters.redis.options import RedisOptions, Target
from adapters.redis.scripts import INCREMENT, LOOK, SWAP, Script
from adapters.redis.server import Command, Reply, Server, connector
from adapters.redis.topology import Request, SingleServer, Topology
from domain.errors import InvalidInput
from domain.glob import escape_glob, glob_pattern
from domain.values import normalise_text
from ports.capabilities import Closeable, SupportsHealth
from ports.errors import OutcomeUnknown, StorageCorrupt, StorageUnavailable
from ports.paging import check_page
from ports.sessions import (
    CacheStore,
    check_increment,
    check_key,
    check_pattern,
    check_ttl,
    check_value,
    ttl_milliseconds,
)
from ports.transfer import StoredValue, SupportsCheckpoints, SupportsValueTransfer, check_checkpoint, check_values

T = TypeVar("T")

_BATCH: Final = 500
"""How many keys are worked on at once: more would keep the event loop busy for too long."""

_LOOKED_AT: Final = 50
"""The same where values come with the keys."""

_CHECKPOINT: Final = b"\xffcheckpoint:"
"""What the key of a checkpoint has behind the namespace. It is not UTF-8, so no value has such a key."""


class RedisSessionStore(CacheStore, SupportsHealth, SupportsValueTransfer, SupportsCheckpoints, Closeable):
    """Keeps values on the servers, under keys that begin with the namespace.

    Whether values outlive the servers is decided by their configuration (``appendonly``, ``maxmemory-policy``).

    The clock of the server decides when a value expires: it is told the time to live, not an instant, so that clocks
    of hosts that differ do not matter. Only a time to live of one millisecond lasts up to two, which is the shortest
    that the server knows.

    A read whose connection breaks is repeated once. A write is never sent again once it may have been executed, not
    even one that would store the same value: it could undo what somebody else has written in between.
    """

    def __init__(self, topology: Topology, place: str, location: str, options: RedisOptions) -> None:
        """For `open`."""
        self._topology = topology
        self._place = place
        self._timeout = options.timeout
        self._location = location
        self._prefix = options.namespace.encode()
        self._matching = escape_glob(options.namespace).encode() + b"?*"
        self._closed = False

    @classmethod
    async def open(cls, options: RedisOptions) -> Self:
        """A store that has reached its servers.

        Raises:
            InvalidInput: an option is malformed.
            StorageUnavailable: the servers cannot be reached, or refuse the login.
        """
        target = Target.of(options)
        # Reads the certificates of the system.
        connect = await asyncio.to_thread(connector, target, options)
        make = partial(Server, connect=connect, max_connections=options.max_connections, timeout=options.timeout)
        topology = Cluster(target.addresses, make) if target.is_cluster else SingleServer(make(target.addresses[0]))
        location = f"{target.location}#{options.namespace}"
        store = cls(topology, ", ".join(map(str, target.addresses)), location, options)
        try:
            await store.check_health()
        except BaseException:
            await store.aclose()
            raise
        return store

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        name, life = self._name(key), check_ttl(ttl)
        await self._write(name, ("SET", name, check_value(value), *_px(life)))
        return True

    async def get(self, key: str) -> str | None:
        name = self._name(key)
        return self._text(await self._read(name, ("GET", name)))

    async def delete(self, key: str) -> bool:
        name = self._name(key)
        return bool(await self._write(name, ("UNLINK", name)))

    async def exists(self, key: str) -> bool:
        name = self._name(key)
        return bool(await self._read(name, ("EXISTS", name)))

    async def expire(self, key: str, ttl: timedelta) -> bool:
        name, life = self._name(key), ttl_milliseconds(ttl)
        return bool(await self._write(name, ("PEXPIRE", name, _life(life))))

    async def keys(self, pattern: str) -> list[str]:
        # The server's own patterns match bytes, not characters.
        return await self._keys_that(glob_pattern(check_pattern(pattern)).fullmatch)

    async def get_many(self, keys: Sequence[str]) -> dict[str, str]:
        names = {key: self._name(key) for key in keys}
        values: dict[bytes, str | None] = {}
        for batch in _batches(list(dict.fromkeys(names.values()))):
            groups = self._topology.group(batch)
            replies = await self._read_all([Request(group[0], ("MGET", *group)) for group in groups])
            for group, reply in zip(groups, replies, strict=True):
                values.update(zip(group, map(self._text, reply), strict=True))
        return {key: value for key, name in names.items() if (value := values[name]) is not None}

    async def set_many(self, values: Mapping[str, str], ttl: timedelta | None = None) -> None:
        checked = [(self._name(key), check_value(value)) for key, value in values.items()]
        life = _px(check_ttl(ttl))
        for batch in _batches(checked):
            await self._write_all([Request(name, ("SET", name, value, *life)) for name, value in batch])

    async def add(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        name, life = self._name(key), check_ttl(ttl)
        return await self._write(name, ("SET", name, check_value(value), "NX", *_px(life))) is not None

    async def compare_and_set(
        self, key: str, expected: str | None, value: str | None, ttl: timedelta | None = None
    ) -> bool:
        name, life = self._name(key), check_ttl(ttl)
        new = () if value is None else (check_value(value), *(() if life is None else (_life(life),)))
        if expected is not None:
            return bool(self._checked(await self._run(SWAP, name, expected.encode(errors="surrogatepass"), *new)))
        if value is not None:
            return await self.add(key, value, ttl)
        return not await self.exists(key)

    async def increment(self, key: str, by: int = 1, ttl: timedelta | None = None) -> int:
        name, life = self._name(key), check_ttl(ttl)
        check_increment(by)
        if life is None:
            (reply,) = await self._send([Request(name, ("INCRBY", name, by))])
        else:
            reply = await self._run(INCREMENT, name, by, _life(life))
        if isinstance(reply, ResponseError) and code_of(reply) == "ERR":
            raise InvalidInput("the stored value is no whole number, or it or the sum does not fit 64 bits")
        return int(self._checked(reply))

    async def clear(self) -> int:
        removed = 0
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                groups = self._topology.group(page)
                removed += sum(await self._write_all([Request(group[0], ("UNLINK", *group)) for group in groups]))
        return removed

    async def stored_value(self, key: str) -> StoredValue | None:
        key = check_key(key)
        found = await self._look((key,))
        return found[0] if found else None

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[StoredValue, ...]:
        """Lists and sorts all keys for each page, because the servers hold them in no order."""
        check_page(limit)
        after = "" if after is None else normalise_text(after)
        keys = await self._keys_that(lambda key: key > after)
        found: list[StoredValue] = []
        while keys and len(found) < limit:
            count = min(_LOOKED_AT, limit - len(found))
            found += await self._look(keys[:count])
            del keys[:count]
        return tuple(found)

    async def put_many(self, values: Sequence[StoredValue]) -> None:
        """Each is stored atomically, not all of them together."""
        for batch in _batches(check_values(values)):
            await self._write_all([self._put(each) for each in batch])

    @property
    def location(self) -> str:
        """The addresses of the options, the database and the namespace."""
        return self._location

    async def read_checkpoint(self, name: str) -> str | None:
        check_checkpoint(name)
        key = self._checkpoint(name)
        return self._text(await self._read(key, ("GET", key)))

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        check_checkpoint(name, text)
        key = self._checkpoint(name)
        await self._write(key, ("UNLINK", key) if text is None else ("SET", key, text))

    async def check_health(self) -> None:
        deadline = self._deadline()
        for server in await self._topology.primaries(deadline):
            (reply,) = await _repeatable(server.exchange([("PING",)], deadline))
            self._checked(reply)

    async def aclose(self) -> None:
        self._closed = True
        await self._topology.aclose()

    def _name(self, key: str) -> bytes:
        return self._prefix + check_key(key).encode()

    def _key(self, name: bytes) -> str | None:
        """None if somebody else has put a key into the namespace that no user of the store can name."""
        try:
            return name[len(self._prefix) :].decode()
        except UnicodeDecodeError:
            return None

    def _checkpoint(self, name: str) -> bytes:
        return self._prefix + _CHECKPOINT + name.encode()

    async def _keys_that(self, suits: Callable[[str], object]) -> list[str]:
        """The keys that suit, sorted."""
        found: set[str] = set()
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                found.update(key for key in map(self._key, page) if key is not None and suits(key))
        return sorted(found)

    async def _look(self, keys: Sequence[str]) -> list[StoredValue]:
        """The values of the keys that have one, with their expiries."""
        names = [self._name(key) for key in keys]
        replies = await self._read_all([Request(name, ("EVAL", LOOK.text, 1, name)) for name in names])
        found = [(key, *reply) for key, reply in zip(keys, replies, strict=True) if reply is not None]
        return [StoredValue(key, self._decoded(value), None if last < 0 else last + 1) for key, value, last in found]

    def _put(self, given: StoredValue) -> Request:
        name = self._name(given.key)
        if given.expires_at is None:
            return Request(name, ("SET", name, given.value))
        last = given.expires_at - 1
        if last < 1:
            return Request(name, ("UNLINK", name))
        return Request(name, ("SET", name, given.value, "PXAT", last))

    def _text(self, value: bytes | None) -> str | None:
        return None if value is None else self._decoded(value)

    def _decoded(self, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise StorageCorrupt(f"Redis at {self._place} holds a value that is not text: {error.reason}") from error

    async def _read(self, name: bytes, command: Command) -> Reply:
        return (await self._read_all([Request(name, command)]))[0]

    async def _write(self, name: bytes, command: Command) -> Reply:
        return (await self._write_all([Request(name, command)]))[0]

    async def _read_all(self, requests: Sequence[Request]) -> list[Reply]:
        deadline = self._deadline()
        with suppress(OutcomeUnknown):
            return self._all_checked(await self._topology.run(requests, deadline))
        # The answer got lost, which says nothing about the server: it may have been a connection that was cut.
        return self._all_checked(await _repeatable(self._topology.run(requests, deadline)))

    async def _write_all(self, requests: Sequence[Request]) -> list[Reply]:
        return self._all_checked(await self._send(requests))

    async def _run(self, script: Script, name: bytes, *arguments: str | bytes | int) -> Reply:
        """What the script gives, or an error as a value."""
        (reply,) = await self._send([Request(name, ("EVALSHA", script.digest, 1, name, *arguments))])
        if isinstance(reply, NoScriptError):
            (reply,) = await self._send([Request(name, ("EVAL", script.text, 1, name, *arguments))])
        return reply

    async def _send(self, requests: Sequence[Request]) -> list[Reply]:
        return await self._topology.run(requests, self._deadline())

    async def _pages(self) -> AsyncGenerator[list[bytes], None]:
        """All keys of values in the namespace that are there from the beginning to the end, some of them repeatedly."""
        for server in await self._topology.primaries(self._deadline()):
            cursor = b"0"
            while True:
                command = ("SCAN", cursor, "MATCH", self._matching, "COUNT", _BATCH)
                # Not tried again: if the server is another one by now, the cursor means nothing to it.
                (reply,) = await _repeatable(server.exchange([command], self._deadline()))
                cursor, page = self._checked(reply)
                if names := [name for name in page if not name.startswith(_CHECKPOINT, len(self._prefix))]:
                    yield names
                if cursor == b"0":
                    break

    def _all_checked(self, replies: list[Reply]) -> list[Reply]:
        return [self._checked(reply) for reply in replies]

    def _checked(self, reply: Reply) -> Reply:
        if isinstance(reply, ResponseError):
            raise refused(reply, self._place)
        return reply

    def _deadline(self) -> float:
        """When an operation that begins now has taken too long."""
        if self._closed:
            raise closed()
        return asyncio.get_running_loop().time() + self._timeout


def _life(milliseconds: int) -> int:
    """What to tell the server, for which a value is still alive in the millisecond in which it expires."""
    return max(1, milliseconds - 1)


def _px(milliseconds: int | None) -> tuple[str | int, ...]:
    return () if milliseconds is None else ("PX", _life(milliseconds))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


async def _repeatable(operation: Awaitable[T]) -> T:
    """The result of something that may be done twice: without an answer it is as if it had not been done."""
    try:
        return await operation
    except OutcomeUnknown as error:
        raise StorageUnavailable(str(error)) from error
