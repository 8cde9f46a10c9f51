"""The parent's side of the child process: starts it, sends requests, matches answers, notices its death."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from adapters.chroma.frames import LENGTHS, pack
from ports.errors import InvalidInput, OutcomeUnknown, PortError, StorageFull, StorageUnavailable

STARTING_SECONDS = 60.0
STOPPING_SECONDS = 5.0
RESTART_PAUSE_SECONDS = 1.0

Answer = tuple[dict[str, Any], bytes]


@dataclass(slots=True)
class _Child:
    """A running child and the requests that it has not answered yet."""

    process: asyncio.subprocess.Process
    waiting: dict[int, tuple[asyncio.Future[Answer], bool]]
    listener: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        return self.listener is not None and not self.listener.done()


_ahead: list[asyncio.subprocess.Process] = []
"""Those that wait for the folder that they are to open."""


@asynccontextmanager
async def started_ahead() -> AsyncIterator[None]:
    """A child for the first `ChromaProcess` that starts in the block.

    It loads its modules, which takes a second, while its parent does something else. One that nobody took ends with the
    block.
    """
    process = await _new_process()
    _ahead.append(process)
    try:
        yield
    finally:
        if process in _ahead:
            _ahead.remove(process)
            process.kill()
            await process.wait()


async def _new_process() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        # Nothing is imported from the folder in which the server happens to be started.
        "-P",
        "-m",
        "adapters.chroma.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # In a process group of its own, so that Ctrl-C in a terminal leaves it to its parent to end it.
        start_new_session=True,
    )


class ChromaProcess:
    """One child for one folder. A child that dies is started again by the next request, at most once a second."""

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        """``options`` are those of the engine: collection, model_id, dimension."""
        self._folder = folder
        self._options = dict(options)
        self._numbers = itertools.count(1)
        self.opened: Mapping[str, Any] = {}
        """What the last child said when it had opened the folder: see `adapters.chroma.worker.main`."""
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._started_at = float("-inf")
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id of the child, None while there is none."""
        return self._child.process.pid if self._child else None

    async def start(self) -> None:
        """Start the child unless it runs.

        Raises:
            InvalidInput: the folder belongs to another embedding space.
            PortError: the engine cannot be opened.
        """
        await self._running()

    async def call(
        self, operation: str, header: Mapping[str, Any], floats: bytes = b"", *, writes: bool = False
    ) -> Answer:
        """The answer to one request.

        Raises:
            OutcomeUnknown: the child died after a request that ``writes`` was sent.
            PortError: the child refused, or there is none.
        """
        child = await self._running()
        return await self._ask(child, {**header, "operation": operation}, floats, writes=writes)

    async def aclose(self) -> None:
        """End the child, which finishes what it is doing; a second call does nothing."""
        self._closed = True
        async with self._starting:
            if self._child:
                await self._end(self._child)
                self._child = None

    async def _running(self) -> _Child:
        if self._closed:
            raise StorageUnavailable("the vector store is closed")
        if self._child and self._child.is_alive:
            return self._child
        async with self._starting:
            if self._closed:
                raise StorageUnavailable("the vector store is closed")
            if self._child is None or not self._child.is_alive:
                await self._restart()
            if self._child is None:
                raise StorageUnavailable("the vector engine did not start")
            return self._child

    async def _restart(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._started_at < RESTART_PAUSE_SECONDS:
            raise StorageUnavailable("the vector engine stopped; it is started again in a moment")
        self._started_at = loop.time()
        if self._child:
            await self._end(self._child)
            self._child = None
        child = await self._spawn()
        try:
            async with asyncio.timeout(STARTING_SECONDS):
                self.opened, _ = await self._ask(child, {"folder": str(self._folder), **self._options}, writes=False)
        except TimeoutError:
            await self._end(child)
            raise StorageUnavailable(f"the vector engine did not start within {STARTING_SECONDS:g} s") from None
        except BaseException:
            await self._end(child)
            raise
        self._child = child

    async def _spawn(self) -> _Child:
        child = _Child(_ahead.pop() if _ahead else await _new_process(), {})
        child.listener = asyncio.create_task(self._listen(child))
        return child

    async def _ask(self, child: _Child, header: Mapping[str, Any], floats: bytes = b"", *, writes: bool) -> Answer:
        number = next(self._numbers)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        child.waiting[number] = (future, writes)
        stdin = child.process.stdin
        try:
            if stdin is None or not child.is_alive:
                raise StorageUnavailable("the vector engine stopped")
            stdin.write(pack({**header, "number": number}, floats))
            # If the child is gone, the listener says what that means for the request.
            with suppress(ConnectionError):
                await stdin.drain()
            answer, out = await future
        finally:
            child.waiting.pop(number, None)
        if "error" in answer:
            raise _error(answer["error"], answer["message"])
        return answer, out

    async def _listen(self, child: _Child) -> None:
        stdout = child.process.stdout
        try:
            while stdout is not None:
                header_length, floats_length = LENGTHS.unpack(await stdout.readexactly(LENGTHS.size))
                header = orjson.loads(await stdout.readexactly(header_length))
                floats = await stdout.readexactly(floats_length)
                future, _ = child.waiting.get(header["number"], (None, False))
                if future and not future.done():
                    future.set_result((header, floats))
        except asyncio.IncompleteReadError:
            pass
        finally:
            for future, writes in child.waiting.values():
                if not future.done():
                    future.set_exception(
                        OutcomeUnknown("the vector engine stopped during a write; repeat it")
                        if writes
                        else StorageUnavailable("the vector engine stopped")
                    )

    async def _end(self, child: _Child) -> None:
        process = child.process
        if process.stdin:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOPPING_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if child.listener:
            await asyncio.gather(child.listener, return_exceptions=True)


def _error(kind: str, message: str) -> PortError | InvalidInput:
    if kind == "space":
        return InvalidInput(message)
    if kind == "full":
        return StorageFull(message)
    if kind == "folder":
        return StorageUnavailable(message)
    return StorageUnavailable(f"the vector engine failed: {message}")
