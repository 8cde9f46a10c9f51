"""The pool of connections: the driver's own, which hands out none that is dead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeAlias

import asyncpg

from adapters.postgres.errors import DRIVER_ERRORS, translate
from adapters.postgres.options import PostgresOptions
from ports.errors import StorageUnavailable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Hook: TypeAlias = Callable[[Connection], Awaitable[None]]

logger = logging.getLogger(__name__)

PING_SECONDS = 2.0
"""How long small talk with the server may take."""

_CACHED_STATEMENTS = 256
_SURPLUS_SECONDS = 60.0
"""How long a connection beyond the size of the pool stays open without use."""

_FRESH_SECONDS = 1.0
"""How long after its last use a connection is taken to be alive without asking."""

_CLOSE_SECONDS = 10.0

_PASSED_ON = 1_000
"""One release in so many goes to the driver's pool, which replaces connections that are old."""


class _Connection(asyncpg.Connection):
    """A connection that knows when it was used last."""

    used_at: float


async def _mark_used(connection: Any) -> None:
    connection.used_at = monotonic()


class _DriverPool(asyncpg.Pool):
    """Opens connections when they are needed, and keeps some of them open."""

    __slots__ = ("_kept",)

    def __init__(self, *args: Any, kept: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept = kept

    def get_min_size(self) -> int:
        """How many idle connections stay open. The driver's own minimum would be opened at the start."""
        return self._kept


class ConnectionPool:
    """Connections to one database. Made by `open`, which connects to nothing yet.

    Connections that come back at rest are kept aside for the next operation: the way through the driver's pool costs
    a task and two turns of the event loop, which is a tenth of a short operation.
    """

    def __init__(self, options: PostgresOptions, pool: _DriverPool) -> None:
        self._options = options
        self._pool = pool
        self._warm: list[tuple[asyncpg.pool.PoolConnectionProxy[asyncpg.Record], float]] = []
        """With the time of their last use."""
        self._releases = 0
        self._waiting = 0
        self._closed = False

    @classmethod
    async def open(cls, options: PostgresOptions, setup: Hook | None = None) -> ConnectionPool:
        """A pool for the database of the options. ``setup`` is called with each new connection."""

        async def initialise(connection: asyncpg.Connection[asyncpg.Record]) -> None:
            if setup is not None:
                await setup(connection)
            await _mark_used(connection)

        pool = _DriverPool(
            min_size=0,
            max_size=options.pool_size + options.max_overflow,
            kept=options.pool_size,
            max_queries=50_000,
            max_inactive_connection_lifetime=_SURPLUS_SECONDS,
            init=initialise,
            # The driver ends a transaction that is still open; there is no other state to reset.
            reset=_mark_used,
            loop=None,
            connection_class=_Connection,
            record_class=asyncpg.Record,
            **connect_arguments(options),
        )
        _ = await pool
        return cls(options, pool)

    @property
    def checked_out(self) -> int:
        """How many connections are in use."""
        return self._pool.get_size() - self._pool.get_idle_size() - len(self._warm)

    async def acquire(self) -> asyncpg.pool.PoolConnectionProxy[asyncpg.Record]:
        """A connection that is alive; it has to be released.

        Raises:
            StorageUnavailable: all connections stayed in use, the database cannot be reached, or the pool is closed.
        """
        if self._closed:
            raise StorageUnavailable(f"{self._options.where} is closed")
        if self._warm and _is_fresh(*self._warm[-1]):
            return self._warm.pop()[0]
        self._waiting += 1
        try:
            async with asyncio.timeout(self._options.acquire_timeout):
                while True:
                    connection, used_at = self._warm.pop() if self._warm else await self._from_driver()
                    if _is_fresh(connection, used_at) or await self._answers(connection):
                        return connection
        except TimeoutError as error:
            if self.checked_out < self._pool.get_max_size():
                raise translate(error, self._options) from error
            raise self._exhausted() from None
        except DRIVER_ERRORS as error:
            raise translate(error, self._options) from error
        finally:
            self._waiting -= 1

    async def release(
        self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], *, at_rest: bool = False
    ) -> None:
        """Take a connection back. One that is still busy with what was cancelled is brought to rest, or dropped.

        ``at_rest``: the last operation ended well, and no transaction is open.
        """
        self._releases += 1
        stays = at_rest and not self._closed and not self._waiting and self._releases % _PASSED_ON
        if stays and len(self._warm) < self._options.pool_size:
            self._warm.append((connection, monotonic()))
            return
        try:
            await self._pool.release(connection, timeout=PING_SECONDS)
        except DRIVER_ERRORS as error:
            # The operation has its result; the pool has dropped the connection.
            logger.info("%s: a connection was dropped: %s", self._options.where, type(error).__name__)

    async def aclose(self) -> None:
        """Wait for what is under way and close all connections; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        warm, self._warm = self._warm, []
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                for connection, _ in warm:
                    await self.release(connection)
                await self._pool.close()
        except TimeoutError:
            # The driver has cut what was left.
            logger.warning(
                "%s: operations were still under way %g s after closing", self._options.where, _CLOSE_SECONDS
            )

    async def _from_driver(self) -> tuple[asyncpg.pool.PoolConnectionProxy[asyncpg.Record], float]:
        connection = await self._pool.acquire()
        return connection, connection.used_at  # type: ignore[attr-defined]

    async def _answers(self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> bool:
        """True if the connection is alive; else it goes, and so do all others before their next use."""
        try:
            await connection.execute("SELECT 1", timeout=PING_SECONDS)
        except DRIVER_ERRORS:
            await self._pool.expire_connections()
            if not is_gone(connection):
                connection.terminate()
            return False
        except BaseException:
            await self.release(connection)
            raise
        return True

    def _exhausted(self) -> StorageUnavailable:
        return StorageUnavailable(
            f"all {self._pool.get_max_size()} connections to {self._options.where} were in use for "
            f"{self._options.acquire_timeout:g} s; repeat later, or raise DB_POOL_SIZE or DB_MAX_OVERFLOW"
        )


def _is_fresh(connection: Connection, used_at: float) -> bool:
    return monotonic() - used_at < _FRESH_SECONDS and not is_gone(connection)


def is_gone(connection: Connection) -> bool:
    """True if the connection is closed, or the pool has taken it back because it broke."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


def connect_arguments(options: PostgresOptions) -> dict[str, Any]:
    """How the driver opens a connection."""
    settings = {"application_name": "faultmaven"}
    if not options.pgbouncer:
        settings["statement_timeout"] = str(round(options.statement_timeout * 1000))
    # The client's own limit is for a server that falls silent; a pooler in between knows no other.
    patience = options.statement_timeout if options.pgbouncer else options.statement_timeout + PING_SECONDS
    return {
        "dsn": options.dsn,
        "timeout": options.connect_timeout,
        "command_timeout": patience,
        "statement_cache_size": 0 if options.pgbouncer else _CACHED_STATEMENTS,
        "max_cached_statement_lifetime": 0,
        "server_settings": settings,
    }
