"""Work that goes on after the request was answered.

A job is a record in the cache beside a lease that its process renews. A job whose lease is gone while it says that it
runs has died with its process, and counts as failed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from application.lease import renewing
from domain.access import Actor
from ports.errors import NotFound
from ports.ids import IdSource
from ports.sessions import CacheStore

KEEP = timedelta(hours=1)
LEASE = timedelta(seconds=30)


class JobStatus(StrEnum):
    """``COMPLETED`` and ``FAILED`` are final."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """The state of a job: ``result`` is a JSON text once it is completed, ``error`` is for people once it failed."""

    job_id: str
    status: JobStatus
    result: str | None = None
    error: str | None = None


class JobService:
    """Starts jobs and tells their owner how they stand."""

    def __init__(self, *, cache: CacheStore, ids: IdSource, keep: timedelta = KEEP, lease: timedelta = LEASE) -> None:
        """Keeps its records in ``cache``, each for the time ``keep``."""
        self._cache = cache
        self._ids = ids
        self._keep = keep
        self._lease = lease
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(
        self, actor: Actor, operation: Callable[[], Awaitable[str]], explain: Callable[[Exception], str]
    ) -> Job:
        """Run ``operation`` in the background; it returns a JSON text. ``explain`` words its failure for the user."""
        job_id = self._ids.new("job", 32)
        await self._cache.set(_lease_key(job_id), "held", self._lease)
        await self._write(actor.user_id, job_id, JobStatus.RUNNING)
        task = asyncio.create_task(self._work(actor.user_id, job_id, operation, explain))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Job(job_id, JobStatus.RUNNING)

    async def get(self, actor: Actor, job_id: str) -> Job:
        """How the job stands.

        Raises:
            NotFound: there is none, or it belongs to somebody else.
        """
        alive = await self._cache.exists(_lease_key(job_id))
        raw = await self._cache.get(_key(job_id))
        record = json.loads(raw) if raw else {}
        if record.get("owner") != actor.user_id:
            raise NotFound("job", job_id)
        job = Job(job_id, JobStatus(record["status"]), record["result"], record["error"])
        if job.status is JobStatus.RUNNING and not alive:
            return Job(job_id, JobStatus.FAILED, error="The server stopped while it worked on this. Please try again.")
        return job

    async def aclose(self, grace: timedelta = timedelta(0)) -> None:
        """Let the jobs end within ``grace``; those that do not are stopped and count as failed."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _work(
        self, owner: str, job_id: str, operation: Callable[[], Awaitable[str]], explain: Callable[[Exception], str]
    ) -> None:
        async def hold() -> None:
            await self._cache.set(_lease_key(job_id), "held", self._lease)

        try:
            async with renewing(hold, self._lease):
                try:
                    result = await operation()
                except Exception as error:  # noqa: BLE001 - `explain` logs and words it: the job must end in any case
                    await self._write(owner, job_id, JobStatus.FAILED, error=explain(error))
                else:
                    await self._write(owner, job_id, JobStatus.COMPLETED, result=result)
        finally:
            await self._cache.delete(_lease_key(job_id))

    async def _write(
        self, owner: str, job_id: str, status: JobStatus, *, result: str | None = None, error: str | None = None
    ) -> None:
        record = {"owner": owner, "status": status, "result": result, "error": error}
        await self._cache.set(_key(job_id), json.dumps(record), self._keep)


def _key(job_id: str) -> str:
    return f"job:{job_id}"


def _lease_key(job_id: str) -> str:
    return f"job-lease:{job_id}"
