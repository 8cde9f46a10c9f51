"""Holding a lease in the cache while something runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from ports.errors import PortError
from ports.ids import IdSource
from ports.sessions import CacheStore

LEASE = timedelta(seconds=15)
POLL_SECONDS = 0.5


@contextlib.asynccontextmanager
async def exclusive(cache: CacheStore, ids: IdSource, name: str, lease: timedelta = LEASE) -> AsyncIterator[None]:
    """The block runs in one process at a time of all that share the cache; the others wait for their turn.

    A process that dies in its block is waited for until its lease ends.

    Raises:
        PortError: the cache cannot be reached when the block should begin.
    """
    key, claim = f"lease:{name}", ids.secret()
    while not await cache.add(key, claim, lease):  # noqa: ASYNC110 - nobody tells when a lease ends
        await asyncio.sleep(POLL_SECONDS)
    try:
        async with renewing(lambda: cache.compare_and_set(key, claim, claim, lease), lease):
            yield
    finally:
        # If the store is away, the lease ends by itself.
        with contextlib.suppress(PortError):
            await cache.compare_and_set(key, claim, None)


@contextlib.asynccontextmanager
async def renewing(renew: Callable[[], Awaitable[object]], lease: timedelta) -> AsyncIterator[None]:
    """Call ``renew`` three times a lease until the block ends.

    A store that cannot be reached is asked again the next time: at worst the lease ends early.
    """

    async def keep_renewing() -> None:
        while True:
            await asyncio.sleep(lease.total_seconds() / 3)
            with contextlib.suppress(PortError):
                await renew()

    task = asyncio.create_task(keep_renewing())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
