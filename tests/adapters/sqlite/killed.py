"""Processes that write into a file until they are killed."""

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Writer = Callable[[Path, int, Connection], None]


def acknowledged_until_killed(write: Writer, path: Path, first: int, *, writes: int) -> Iterator[Any]:
    """What the process ``write(path, first, acknowledge)`` acknowledges that is killed after some writes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["adapters.sqlite.cases", "adapters.sqlite.sessions", "tests.builders"])
    ours, theirs = context.Pipe(duplex=False)
    writer = context.Process(target=write, args=(path, first, theirs), daemon=True)
    writer.start()
    theirs.close()
    with ours, suppress(EOFError):
        for _ in range(writes):
            yield ours.recv()
        writer.kill()
        while True:
            yield ours.recv()
    writer.join()
    writer.close()


def copy_files(path: Path) -> Path:
    """A copy of the file and its log to examine, so that the next writer finds the log as the killed one left it."""
    copy = path.parent / "copy"
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, copy.with_name(copy.name + file.name.removeprefix(path.name)))
    return copy
