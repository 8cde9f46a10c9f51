"""Several processes that serve one address: `supervise` starts them, replaces one that dies, and ends them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from adapters.http.metrics import SHARED_FOLDER
from bootstrap.settings import Settings

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
END_SECONDS = 15.0
"""How long the processes get to end: longer than the largest SHUTDOWN_TIMEOUT."""

READY = b"r"

log = logging.getLogger("faultmaven")


@dataclass(slots=True)
class _Workers:
    """The processes by their number. The first one leads: it speaks to the operator and works in the background."""

    settings: Settings
    listener: socket.socket
    folder: Path
    running: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, number: int) -> tuple[asyncio.subprocess.Process, asyncio.Event]:
        """Start one; the event is set when it answers requests."""
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "bootstrap.worker"),
                *(str(self.listener.fileno()), str(writing), "lead" if number == 0 else "follow"),
                pass_fds=(self.listener.fileno(), writing),
                # Nothing is written to it: its end tells the process that this one is gone.
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, SHARED_FOLDER: str(self.folder)},
            )
        finally:
            os.close(writing)
        self.running[number] = process
        return process, self._when_ready(reading)

    def _when_ready(self, reading: int) -> asyncio.Event:
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()

        def read() -> None:
            if os.read(reading, 1) == READY:
                ready.set()
            loop.remove_reader(reading)
            os.close(reading)

        loop.add_reader(reading, read)
        return ready

    async def keep(self, number: int, process: asyncio.subprocess.Process) -> None:
        """Replace the process whenever it dies, after a pause that grows while its successors do not come up."""
        pause = FIRST_PAUSE
        while True:
            code = await process.wait()
            mark_process_dead(process.pid, str(self.folder))  # type: ignore[no-untyped-call]
            log.error("worker_died", extra={"worker": number, "exit_code": code, "restart_in_seconds": pause})
            await asyncio.sleep(pause)
            process, ready = await self.start(number)
            came_up = await _first(ready.wait(), process.wait())
            pause = FIRST_PAUSE if came_up else min(2 * pause, LONGEST_PAUSE)

    async def end(self) -> None:
        """Let all finish what they are doing, and wait for it."""
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        waits = [asyncio.create_task(process.wait()) for process in self.running.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=END_SECONDS)
            if late:
                for process in self.running.values():
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                await asyncio.wait(late)


async def supervise(settings: Settings) -> int:
    """Serve with several processes until SIGTERM or SIGINT; returns the exit code.

    One starts alone, so that it can bring the databases to the current schema and tell what is wrong. If it ends
    before it has come up, nothing else is tried and its exit code is returned.

    Raises:
        PortInUse: nothing can be bound to the address.
    """
    from bootstrap.serve import bind, stop_signal

    stop = stop_signal()
    with (
        contextlib.closing(bind(settings)) as listener,
        tempfile.TemporaryDirectory(prefix="faultmaven-metrics-") as folder,
    ):
        workers = _Workers(settings, listener, Path(folder))
        keepers: list[asyncio.Task[None]] = []
        try:
            for number in range(settings.faultmaven_workers):
                process, ready = await workers.start(number)
                if not await _first(ready.wait(), process.wait(), stop.wait()):
                    return 0 if stop.is_set() else await process.wait()
                keepers.append(asyncio.create_task(workers.keep(number, process)))
            await stop.wait()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await workers.end()
    return 0


async def _first(wanted: object, *others: object) -> bool:
    """True if ``wanted`` comes before the ``others``."""
    tasks = [asyncio.ensure_future(item) for item in (wanted, *others)]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return bool(tasks[0].done())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
