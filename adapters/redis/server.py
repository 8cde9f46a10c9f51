"""The connections to one server."""

from __future__ import annotations

import asyncio
import os
import select
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any, TypeAlias

from redis.asyncio.connection import Connection
from redis.exceptions import RedisError, ResponseError

from adapters.redis.errors import closed, exhausted, refused, unanswered, unreachable
from adapters.redis.options import Address, RedisOptions, Target
from domain.errors import InvalidInput
from ports.errors import PortError

Command: TypeAlias = "tuple[str | bytes | int, ...]"
Reply: TypeAlias = Any
"""What the protocol has: bytes, int, None, a list of these, or an error (`ResponseError`) as a value."""

Line: TypeAlias = "PlainConnection | TlsConnection"
Connector: TypeAlias = "Callable[[Address], Line]"

_CLOSING_SECONDS = 1.0
_PIECE_BYTES = 256 * 1024


class _Phase(Enum):
    WAITING = "waiting for a connection"
    CONNECTING = "connecting"
    TALKING = "talking"


class _Freshness:
    """For a connection: whether it still is what it was when it was put aside."""

    _writer: asyncio.StreamWriter | None

    async def is_fresh(self) -> bool:
        """True if it is open and nothing has arrived, for a server says nothing unasked, except that it hangs up.

        The event loop may not have noticed yet what the operating system knows: so that is asked, too.
        """
        if self._writer is None or self._writer.is_closing() or await self.can_read():  # type: ignore[attr-defined]
            return False
        poll = select.poll()
        poll.register(self._writer.get_extra_info("socket"), select.POLLIN)
        return not poll.poll(0)


class PlainConnection(_Freshness, Connection):
    """Over TCP."""


class TlsConnection(_Freshness, Connection):
    """Over TLS. The driver's own would read the certificates of the authorities again for each connection."""

    def __init__(self, context: ssl.SSLContext, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._context = context

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._context}


def connector(target: Target, options: RedisOptions) -> Connector:
    """What makes connections, without an effect on the network. It reads files.

    The connections have no time limits of their own, and try nothing again: `Server` sees to both.

    Raises:
        InvalidInput: the CA file cannot be used.
    """
    arguments: dict[str, Any] = {
        "db": target.database,
        "username": target.user,
        "password": target.password,
        "socket_timeout": None,
        "socket_connect_timeout": None,
        # The newer protocol begins with a greeting, and lets a server speak unasked.
        "protocol": 2,
        # Restricted users may lack the right to tell it.
        "driver_info": None,
    }
    if not target.tls:
        return lambda address: PlainConnection(host=address.host, port=address.port, **arguments)
    context = _tls_context(options)
    return lambda address: TlsConnection(context, host=address.host, port=address.port, **arguments)


def _tls_context(options: RedisOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:
        raise InvalidInput(f"the CA file {options.ca_file} cannot be used: {error.strerror or error}") from error
    if not options.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Server:
    """Lends each operation a connection of its own.

    A connection whose operation did not get all its answers, for whatever reason, is closed before anybody else can
    read what was meant for another.
    """

    def __init__(
        self,
        address: Address,
        connect: Connector,
        max_connections: int,
        timeout: float,
    ) -> None:
        self.address = address
        self.place = str(address)
        self._connect = connect
        self._limit = max_connections
        self._timeout = timeout
        self._too_long = f"no answer within {timeout:g} s"
        self._free = asyncio.Semaphore(max_connections)
        self._idle: list[Line] = []
        self._closed = False

    async def exchange(self, commands: Sequence[Command], deadline: float) -> list[Reply]:
        """Send the commands, and return the answer to each; error replies are values.

        ``deadline`` is a time of the event loop.

        Raises:
            StorageUnavailable: nothing was executed.
            OutcomeUnknown: the commands were sent, but not all were answered.
        """
        if asyncio.get_running_loop().time() >= deadline:
            # What was tried before has taken all the time.
            raise unreachable(self.place, self._too_long)
        phase = _Phase.WAITING
        try:
            async with asyncio.timeout_at(deadline):
                await self._free.acquire()
                try:
                    if self._closed:
                        raise closed()
                    connection = self._idle.pop() if self._idle else self._connect(self.address)
                    try:
                        phase = _Phase.CONNECTING
                        await self._make_ready(connection)
                        phase = _Phase.TALKING
                        for piece in _pieces(connection.pack_commands(commands)):
                            await connection.send_packed_command(piece)
                        return [await _reply(connection) for _ in commands]
                    except BaseException:
                        await connection.disconnect(nowait=True)
                        raise
                    finally:
                        await self._put_back(connection)
                finally:
                    self._free.release()
        except TimeoutError as error:
            raise await self._failed(phase, self._too_long) from error
        except (RedisError, OSError) as error:
            if isinstance(error, RedisError) and error.status_code is not None:
                raise refused(error, self.place, connecting=phase is _Phase.CONNECTING) from error
            raise await self._failed(phase, _reason(error)) from error

    async def _put_back(self, connection: Line) -> None:
        if self._closed:
            await connection.disconnect(nowait=True)
        self._idle.append(connection)

    async def _make_ready(self, connection: Line) -> None:
        if connection.is_connected and not await connection.is_fresh():
            await connection.disconnect(nowait=True)
        if connection.is_connected:
            return
        await connection.connect()  # type: ignore[no-untyped-call]
        # A server that has too many clients, loads its data or wants a password says so to the first command; let that
        # be one that leaves no doubt about what was done. Other complaints are for the commands that they concern.
        await connection.send_command("PING", check_health=False)
        await _reply(connection)

    async def _failed(self, phase: _Phase, reason: str) -> PortError:
        if phase is _Phase.WAITING:
            return exhausted(self.place, self._timeout, self._limit)
        # What broke one connection has probably broken the others; they shall not cost a failure each.
        await self.drop_idle()
        return unanswered(self.place, reason) if phase is _Phase.TALKING else unreachable(self.place, reason)

    async def drop_idle(self) -> None:
        """Close the connections that nobody uses; they are made anew when they are needed."""
        for connection in self._idle:
            await connection.disconnect(nowait=True)

    async def retire(self) -> None:
        """Take no more commands; what runs is finished."""
        self._closed = True
        await self.drop_idle()

    async def aclose(self) -> None:
        """Let the running operations finish, which takes no longer than their time limit, and close everything."""
        self._closed = True
        for _ in range(self._limit):
            await self._free.acquire()
        for _ in range(self._limit):
            self._free.release()
        idle, self._idle = self._idle, []
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                for connection in idle:
                    await connection.disconnect()


def _pieces(packed: list[bytes]) -> Iterator[list[bytes]]:
    """What to hand over at once: all, unless handling it would keep the event loop busy for too long."""
    if sum(map(len, packed)) <= _PIECE_BYTES:
        yield packed
        return
    for part in packed:
        for start in range(0, len(part), _PIECE_BYTES):
            yield [part[start : start + _PIECE_BYTES]]


async def _reply(connection: Line) -> Reply:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({cause.verify_message})"
    if isinstance(cause, OSError) and cause.errno is not None:
        # The number of a name that cannot be resolved is not the operating system's.
        return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    return "the connection broke"
