"""Holding a lease in the cache while something runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from ports.errors import PortError


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
