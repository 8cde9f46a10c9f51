"""Sessions and caches in files."""

import asyncio
import errno
import hashlib
import os
import re
import shutil
import stat
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.filesystem.checkpoints import CHECKPOINTS_NAME
from adapters.filesystem.durable import STAGING_NAME
from adapters.filesystem.session_file import DamagedFile, Entry
from adapters.filesystem.sessions import FileSessionStore
from ports.errors import OutcomeUnknown, StorageCorrupt, StorageFull, StorageUnavailable
from tests.contract.session_store import (
    CacheStoreContractTests,
    DurableSessionStoreContractTests,
    SessionStoreContractTests,
)
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[FileSessionStore]:
    store = FileSessionStore(tmp_path / "sessions", clock)
    yield store
    await store.aclose()


@pytest.fixture
async def neighbour(tmp_path: Path, clock: FakeClock) -> AsyncIterator[FileSessionStore]:
    store = FileSessionStore(tmp_path / "caches", clock)
    yield store
    await store.aclose()


@pytest.fixture
async def reopen(
    tmp_path: Path, clock: FakeClock, store: FileSessionStore
) -> AsyncIterator[Callable[[], Awaitable[FileSessionStore]]]:
    opened = [store]

    async def reopen_store() -> FileSessionStore:
        await opened[-1].aclose()
        opened.append(FileSessionStore(tmp_path / "sessions", clock))
        return opened[-1]

    yield reopen_store
    await opened[-1].aclose()


class TestFileSessionStore(SessionStoreContractTests):
    adapter = "file"


class TestDurableFileSessionStore(DurableSessionStoreContractTests):
    adapter = "file"


class TestFileCacheStore(CacheStoreContractTests):
    adapter = "file"


def the_file(tmp_path: Path) -> Path:
    """The file of the only key."""
    (path,) = (tmp_path / "sessions").glob("??/*")
    return path


def test_an_entry_is_read_back_as_it_was_written() -> None:
    for entry in (Entry("k\N{PILE OF POO}", "", None), Entry("k", "v" * 1000, 0), Entry("k", "\N{SNOWMAN}", 2**62)):
        assert Entry.decode(entry.encode()) == entry


@pytest.mark.parametrize("content", [b"", b"\0\0", struct.pack(">qI", 0, 1) + b"\xff"])
def test_content_that_never_was_an_entry_is_damaged_even_with_a_right_checksum(content: bytes) -> None:
    with pytest.raises(DamagedFile):
        Entry.decode(b"FMKV1\n" + hashlib.sha256(content).digest() + content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit_of_the_expiry(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def replace_by_a_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def replace_by_the_value_of_another_key(path: Path) -> None:
    path.write_bytes(Entry("other", "value", None).encode())


@pytest.mark.parametrize(
    "damage",
    [truncate, empty, flip_a_bit_of_the_expiry, replace_by_a_link, replace_by_the_value_of_another_key],
    ids=lambda damage: damage.__name__,
)
async def test_a_damaged_file_reads_as_absent_and_is_reported_until_it_is_written_again(
    tmp_path: Path, store: FileSessionStore, damage: Callable[[Path], None]
) -> None:
    await store.set("key", "value")
    path = the_file(tmp_path)
    damage(path)
    assert await store.get("key") is None
    assert await store.keys("*") == []
    assert await store.expire("key", timedelta(1)) is False
    assert await store.sweep() == 0
    assert f"{path}: damaged; its value is lost" in await store.check_integrity()
    assert await store.add("key", "again") is True
    assert await store.get("key") == "again"
    assert f"{path}: damaged; its value is lost" not in await store.check_integrity()
    damage(path)
    assert await store.delete("key") is False
    assert not path.is_symlink()
    assert not path.exists()


async def test_foreign_files_are_reported_and_left_alone(tmp_path: Path, store: FileSessionStore) -> None:
    await store.set("key", "value")
    foreign = [tmp_path / "sessions" / "README", the_file(tmp_path).with_name("notes.txt")]
    for path in foreign:
        path.write_text("mine")
    assert list(await store.check_integrity()) == [f"{path}: not part of the store" for path in foreign]
    assert await store.keys("*") == ["key"]
    assert await store.clear() == 1
    assert all(path.read_text() == "mine" for path in foreign)


async def test_clear_removes_damaged_files_but_does_not_count_them(tmp_path: Path, store: FileSessionStore) -> None:
    await store.set("key", "value")
    truncate(the_file(tmp_path))
    await store.set("other", "value")
    assert await store.clear() == 1
    assert not list((tmp_path / "sessions").glob("??/*"))


async def test_expired_files_vanish_with_the_sweep(tmp_path: Path, store: FileSessionStore, clock: FakeClock) -> None:
    await store.set("key", "value", timedelta(seconds=1))
    clock.advance(timedelta(seconds=1))
    assert the_file(tmp_path).exists()
    assert await store.sweep() == 1
    assert not list((tmp_path / "sessions").glob("??/*"))


async def test_a_file_that_vanishes_while_its_folder_is_read_is_no_problem(
    tmp_path: Path, store: FileSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.set("key", "value")
    path, real = the_file(tmp_path), os.open

    def vanish(opened: Path, *args: Any) -> int:
        path.unlink(missing_ok=True)
        return real(opened, *args)

    monkeypatch.setattr(os, "open", vanish)
    assert list(await store.check_integrity()) == []
    assert not path.exists()


async def test_files_are_for_their_owner_alone(tmp_path: Path, store: FileSessionStore) -> None:
    await store.set("key", "value")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "sessions").rglob("*")}
    assert stat.S_IMODE((tmp_path / "sessions").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o700, 0o600}
    assert modes[the_file(tmp_path)] == 0o600


async def test_no_path_holds_text_of_a_key(tmp_path: Path, store: FileSessionStore) -> None:
    await store.set("../../escape", "value")
    assert re.fullmatch(r"sessions/([0-9a-f]{2})/\1[0-9a-f]{62}", str(the_file(tmp_path).relative_to(tmp_path)))


async def test_stale_files_are_removed_at_the_start(tmp_path: Path, clock: FakeClock) -> None:
    stale = tmp_path / "sessions" / STAGING_NAME / "7"
    stale.parent.mkdir(parents=True)
    stale.write_text("half of a")
    store = FileSessionStore(tmp_path / "sessions", clock)
    assert not stale.exists()
    await store.aclose()


def failing(error: int, calls: list[str]) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        calls.append(str(args[0]))
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize(
    ("function", "error", "expected"),
    [
        ("write", errno.ENOSPC, StorageFull),
        ("write", errno.EDQUOT, StorageFull),
        ("fsync", errno.ENOSPC, StorageFull),
        ("fsync", errno.EIO, StorageUnavailable),
        ("rename", errno.EROFS, StorageUnavailable),
        ("open", errno.EMFILE, StorageUnavailable),
    ],
)
async def test_a_write_that_fails_changes_nothing(
    tmp_path: Path,
    store: FileSessionStore,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    error: int,
    expected: type[Exception],
) -> None:
    await store.set("key", "old")
    calls: list[str] = []
    monkeypatch.setattr(os, function, failing(error, calls))
    with pytest.raises(expected):
        await store.set("key", "new")
    monkeypatch.undo()
    assert len(calls) == 1, "a write that failed is not tried again"
    assert await store.get("key") == "old"
    assert not list((tmp_path / "sessions" / STAGING_NAME).iterdir())


@pytest.mark.quirk("file system", "a renamed file is safe only once its folder is on the disk too")
async def test_a_write_whose_folder_cannot_be_synchronised_has_an_unknown_outcome(
    store: FileSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.set("key", "old")
    real = os.fsync

    def fail_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    with pytest.raises(OutcomeUnknown):
        await store.set("key", "new")
    assert await store.get("key") == "new"
    with pytest.raises(OutcomeUnknown):
        await store.delete("key")
    assert await store.get("key") is None


async def test_a_store_whose_folder_has_vanished_is_not_healthy(tmp_path: Path, store: FileSessionStore) -> None:
    shutil.rmtree(tmp_path / "sessions")
    with pytest.raises(StorageUnavailable):
        await store.check_health()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="file"):
        FileSessionStore(tmp_path / "file" / "sessions", clock)


async def test_a_slow_disk_holds_up_neither_the_event_loop_nor_readers(
    store: FileSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.set("key", "old")
    real, goes_on = os.fsync, threading.Event()

    def slow(descriptor: int) -> None:
        assert goes_on.wait(timeout=60)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    writing = asyncio.create_task(store.set("key", "new"))
    for _ in range(20):
        assert await store.get("key") == "old"
    assert not writing.done()
    goes_on.set()
    assert await writing is True
    assert await store.get("key") == "new"


async def test_a_cancelled_change_ends_before_the_next_one_of_its_key(
    store: FileSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.set("key", "0")
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = os.fsync

    def tell(descriptor: int) -> None:
        loop.call_soon_threadsafe(begun.set)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", tell)
    first = asyncio.create_task(store.increment("key"))
    await begun.wait()
    first.cancel()
    assert await store.increment("key") == 2
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_checkpoints_lie_beside_the_values(tmp_path: Path, store: FileSessionStore) -> None:
    await store.write_checkpoint("copy", "text")
    assert (tmp_path / "sessions" / CHECKPOINTS_NAME / "copy").read_text() == "text"
    assert store.location == f"file:{tmp_path / 'sessions'}"
    assert list(await store.check_integrity()) == []


async def test_a_damaged_checkpoint_is_reported(tmp_path: Path, store: FileSessionStore) -> None:
    await store.write_checkpoint("copy", "text")
    path = tmp_path / "sessions" / CHECKPOINTS_NAME / "copy"
    path.write_bytes(b"\xff")
    with pytest.raises(StorageCorrupt, match=str(path)):
        await store.read_checkpoint("copy")
    await store.write_checkpoint("copy", None)
    assert await store.read_checkpoint("copy") is None


async def test_a_folder_has_one_location_however_it_is_named(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "sessions")
    stores = [FileSessionStore(tmp_path / name, clock) for name in ("sessions", "link", "caches")]
    first, second, third = (store.location for store in stores)
    assert first == second != third
    for store in stores:
        await store.aclose()
