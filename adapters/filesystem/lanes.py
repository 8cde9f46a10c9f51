"""Threads for file work, so that the event loop never waits for a slow disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar, TypeVarTuple

from adapters.filesystem.durable import storage_errors
from adapters.system.quick_reads import QuickReads
from ports.errors import StorageUnavailable

A = TypeVarTuple("A")
P = ParamSpec("P")
T = TypeVar("T")


class Lanes:
    """Several queues with one thread each.

    The jobs of a lane run one after the other in the order in which they came, so they need no lock against each other,
    and a job whose caller was cancelled still ends before the next one begins.
    """

    def __init__(self, count: int, name: str) -> None:
        self._executors = [ThreadPoolExecutor(1, f"{name}-{number}") for number in range(count)]
        self._quick_reads = QuickReads()
        self._closed = False

    async def run(self, lane: int, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of the job. Any number is a lane; equal numbers are the same one.

        Raises:
            PortError: the job met an error of the operating system, or the lanes are closed.
        """
        if self._closed:
            raise StorageUnavailable("the store is closed")

        def work() -> T:
            with storage_errors():
                return job(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._executor(lane), work)

    async def read(self, lane: int, job: Callable[[*A], T], *args: *A) -> T:
        """The result of a job that reads a small file and needs no order: without a thread, while that is quick.

        Raises:
            PortError: see `run`.
        """
        if self._closed or (began := self._quick_reads.begin()) is None:
            return await self.run(lane, job, *args)
        try:
            with storage_errors():
                return job(*args)
        finally:
            if self._quick_reads.end(began):
                await asyncio.sleep(0)

    def post(self, lane: int, job: Callable[[], None]) -> None:
        """Run the job behind those that wait; nobody hears of its result. It must not matter if it fails."""
        if self._closed:
            job()
        else:
            self._executor(lane).submit(job)

    async def aclose(self) -> None:
        """Let all the jobs end that were given."""
        self._closed = True
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        for executor in self._executors:
            executor.shutdown()

    def _executor(self, lane: int) -> ThreadPoolExecutor:
        return self._executors[lane % len(self._executors)]
