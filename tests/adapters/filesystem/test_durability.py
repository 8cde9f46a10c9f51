"""The order of the system calls, and what is left after a kill.

A kill leaves what the process had handed to the operating system, so it proves that nothing is torn and nothing
acknowledged is lost with the process. That it is not lost with the power is shown by the order of the calls alone.
"""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.filesystem.blobs import FileBlobStore
from adapters.filesystem.durable import STAGING_NAME
from adapters.filesystem.sessions import FileSessionStore
from adapters.system.clock import SystemClock
from tests.fakes import FakeClock
from tests.stateful.profiles import NIGHTLY

KILLS = 20 if NIGHTLY else 8
REPOSITORY = Path(__file__).parents[3]


@dataclass
class Recorder:
    """Names of the calls, with the kind of what they were made on."""

    root: Path
    calls: list[str] = field(default_factory=list)

    def name(self, place: Any) -> str:
        path = Path(f"/proc/self/fd/{place}").readlink() if isinstance(place, int) else Path(place)
        if path.is_dir():
            return "root" if path == self.root else "folder"
        return "staged" if path.parent.name == STAGING_NAME else "file"


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "store")

    def record(function: str) -> None:
        real: Callable[..., Any] = getattr(os, function)

        def recorded(place: Any, *args: Any, **kwargs: Any) -> Any:
            recorder.calls.append(f"{function} {recorder.name(place)}")
            return real(place, *args, **kwargs)

        monkeypatch.setattr(os, function, recorded)

    for function in ("write", "pwrite", "fsync", "rename", "unlink"):
        record(function)
    yield recorder
    monkeypatch.undo()


async def piece(data: bytes) -> AsyncIterator[bytes]:
    yield data


SAVED = ["write staged", "fsync staged", "rename staged", "fsync folder"]


async def test_a_session_is_synchronised_before_and_after_its_renaming(recorder: Recorder, clock: FakeClock) -> None:
    store = FileSessionStore(recorder.root, clock)
    await store.set("key", "old")
    recorder.calls.clear()
    await store.set("key", "1")
    assert recorder.calls == SAVED
    await store.increment("key")
    await store.compare_and_set("key", "2", "3")
    assert recorder.calls == SAVED * 3
    recorder.calls.clear()
    await store.delete("key")
    assert recorder.calls == ["unlink file", "fsync folder"]
    await store.aclose()


async def test_a_new_folder_is_synchronised_with_the_one_above(recorder: Recorder, clock: FakeClock) -> None:
    store = FileSessionStore(recorder.root, clock)
    recorder.calls.clear()
    await store.add("key", "value")
    assert recorder.calls == [*SAVED[:3], "fsync root", *SAVED[2:]]
    await store.aclose()


async def test_a_blob_is_synchronised_before_and_after_its_renaming(recorder: Recorder) -> None:
    store = FileBlobStore(recorder.root)
    await store.put("case/file", piece(b"old"))
    recorder.calls.clear()
    await store.put("case/file", piece(b"new"))
    assert recorder.calls == ["write staged", "write staged", "pwrite staged", *SAVED[1:]]
    recorder.calls.clear()
    await store.delete("case/file")
    assert recorder.calls == ["unlink file", "fsync folder"]
    await store.aclose()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.slow
def test_a_kill_tears_nothing_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """Each child goes on where the one before was killed, and says what is stored only after the store has said so."""
    pause = random.Random(2)
    acknowledged: dict[str, int] = {}
    found_staged = 0
    for kill in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.adapters.filesystem.writer", str(tmp_path), str(kill)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout
        with child.stdout:
            for _ in range(pause.randrange(5, 120)):
                note(acknowledged, child.stdout.readline())
            child.kill()
            for line in child.stdout:
                note(acknowledged, line)
        child.wait()
        found_staged += len(staged_files(tmp_path))
        asyncio.run(check(tmp_path, acknowledged))
        assert staged_files(tmp_path) == []
    assert len(acknowledged) > KILLS
    assert found_staged, "no kill hit a write: the test has lost its meaning"


def note(acknowledged: dict[str, int], line: str) -> None:
    if line.endswith("\n"):
        name, number = line.split()
        acknowledged[name] = int(number)


def staged_files(folder: Path) -> list[Path]:
    return list(folder.glob(f"*/{STAGING_NAME}/*"))


async def check(folder: Path, acknowledged: dict[str, int]) -> None:
    """Everything acknowledged is there, as it was or as a later write made it."""
    sessions, blobs = FileSessionStore(folder / "sessions", SystemClock()), FileBlobStore(folder / "blobs")
    assert list(await sessions.check_integrity()) == []
    assert list(await blobs.check_integrity()) == []
    for name, number in acknowledged.items():
        if name.startswith("blob"):
            stored = b"".join([piece async for piece in await blobs.open(name)])
            found = int(stored[:20])
            assert hashlib.shake_256(stored[:20]).digest(len(stored) - 20) == stored[20:]
        else:
            value = await sessions.get(name)
            assert value is not None
            found = int(value[:20])
        assert found >= number
    await sessions.aclose()
    await blobs.aclose()
