"""What a server does beside the requests: keep the starter runbooks current, sweep what has expired, delete old cases.

Of several processes on one address one does it; of several machines on one database one at a time reads the runbooks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from application.lease import exclusive
from bootstrap.build import Ports
from bootstrap.containers.services import ServicesContainer
from bootstrap.settings import Settings
from bootstrap.starter import import_starter_knowledge
from ports.capabilities import SupportsSweep
from ports.errors import PortError

SWEEP_EVERY = timedelta(minutes=10)
RETENTION_EVERY = timedelta(hours=1)

log = logging.getLogger("faultmaven")


@contextlib.asynccontextmanager
async def background(settings: Settings, ports: Ports, services: ServicesContainer) -> AsyncIterator[None]:
    """Do the work until the block ends, which is before the stores are closed."""

    async def bring_up_to_date() -> None:
        knowledge = services.knowledge_service()
        async with exclusive(ports.sessions, ports.ids, "starter-knowledge"):
            report = await import_starter_knowledge(knowledge)
            # What an earlier process was killed in the middle of is saved, but not indexed yet.
            repaired = await knowledge.reindex()
        counts = {"added": report.added, "updated": report.updated, "kept": report.kept, "reindexed": repaired}
        log.info("knowledge_is_current", extra=counts)

    async def sweep() -> None:
        for store in (ports.sessions, ports.counters):
            if isinstance(store, SupportsSweep):
                await store.sweep()

    async def expire() -> None:
        if settings.case_retention_days:
            await services.case_service().cleanup_expired(timedelta(days=settings.case_retention_days))

    tasks = [
        asyncio.create_task(_repeat("knowledge", bring_up_to_date, None)),
        asyncio.create_task(_repeat("sweep", sweep, SWEEP_EVERY)),
        asyncio.create_task(_repeat("retention", expire, RETENTION_EVERY)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(name: str, work: Callable[[], Awaitable[None]], every: timedelta | None) -> None:
    """Do the work once, or again and again; a backend that fails is tried again at the next time."""
    while True:
        try:
            await work()
        except PortError as error:
            log.warning("background_work_failed", extra={"work": name, "reason": str(error)})
        if every is None:
            return
        await asyncio.sleep(every.total_seconds())
