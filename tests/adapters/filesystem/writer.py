"""Writes sessions and blobs until it is killed, and prints ``NAME NUMBER`` for each write that was acknowledged.

    python -m tests.adapters.filesystem.writer FOLDER ROUND

The numbers grow from write to write and from round to round.
"""

import asyncio
import hashlib
import itertools
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from adapters.filesystem.blobs import FileBlobStore
from adapters.filesystem.sessions import FileSessionStore
from adapters.system.clock import SystemClock

WRITERS = 4
NAMES = 10


async def content(number: int) -> AsyncIterator[bytes]:
    head = f"{number:020}".encode()
    yield head
    body = hashlib.shake_256(head).digest(700_000)
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


async def write_sessions(store: FileSessionStore, writer: int, first: int) -> None:
    for number in itertools.count(first):
        name = f"session-{writer}-{number % NAMES}"
        await store.set(name, f"{number:020}" * 50)
        print(name, number, flush=True)  # noqa: T201


async def write_blobs(store: FileBlobStore, writer: int, first: int) -> None:
    for number in itertools.count(first):
        name = f"blob-{writer}/{number % NAMES}"
        await store.put(name, content(number))
        print(name, number, flush=True)  # noqa: T201


async def main(folder: Path, first: int) -> None:
    sessions, blobs = FileSessionStore(folder / "sessions", SystemClock()), FileBlobStore(folder / "blobs")
    async with asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(write_sessions(sessions, writer, first))
            tasks.create_task(write_blobs(blobs, writer, first))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) * 1_000_000))
