"""Blobs in files."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.filesystem.blobs import FileBlobStore
from adapters.filesystem.durable import STAGING_NAME
from ports.errors import NotFound, StorageCorrupt, StorageFull, StorageUnavailable
from tests.contract.blob_store import (
    KIB,
    BlobStoreContractTests,
    DurableBlobStoreContractTests,
    pieces,
    put_all,
    read,
    scan_keys,
    some_bytes,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FileBlobStore]:
    store = FileBlobStore(tmp_path / "blobs")
    yield store
    await store.aclose()


@pytest.fixture
async def reopen(tmp_path: Path, store: FileBlobStore) -> AsyncIterator[Callable[[], Awaitable[FileBlobStore]]]:
    opened = [store]

    async def reopen_store() -> FileBlobStore:
        await opened[-1].aclose()
        opened.append(FileBlobStore(tmp_path / "blobs"))
        return opened[-1]

    yield reopen_store
    await opened[-1].aclose()


class TestFileBlobStore(BlobStoreContractTests):
    adapter = "file"


class TestDurableFileBlobStore(DurableBlobStoreContractTests):
    adapter = "file"


def staged(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "blobs" / STAGING_NAME).iterdir())


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_the_header(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


def replace_by_a_link(path: Path) -> None:
    path.rename(path.with_name("other.blob"))
    path.symlink_to(path.with_name("other.blob"))


def put_another_blob_in_its_place(path: Path) -> None:
    path.write_bytes(path.with_name("b.blob").read_bytes())


@pytest.mark.parametrize(
    "damage",
    [truncate, append, empty, damage_the_header, replace_by_a_link, put_another_blob_in_its_place],
    ids=lambda damage: damage.__name__,
)
async def test_a_damaged_file_is_never_given_out(
    tmp_path: Path, store: FileBlobStore, damage: Callable[[Path], None]
) -> None:
    await put_all(store, ["case/a", "case/b"])
    path = tmp_path / "blobs" / "case" / "a.blob"
    damage(path)
    for operation in (store.open("case/a"), store.stat("case/a"), store.scan()):
        with pytest.raises(StorageCorrupt, match="'case/a'"):
            await operation
    assert "case/a" in " ".join(await store.check_integrity())
    assert await store.delete("case/a") is True
    assert await read(store, "case/b") == b"case/b"


@pytest.mark.parametrize("size", [1, 64 * KIB, 64 * KIB + 1, 3 * 1024 * KIB])
async def test_a_changed_byte_is_found_before_the_last_piece(tmp_path: Path, store: FileBlobStore, size: int) -> None:
    data = some_bytes(size)
    await store.put("file", pieces(data))
    path = tmp_path / "blobs" / "file.blob"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    given_out = 0

    async def read_on() -> None:
        nonlocal given_out
        async for piece in await store.open("file"):
            given_out += len(piece)

    with pytest.raises(StorageCorrupt, match="'file'"):
        await read_on()
    assert given_out < size
    (problem,) = await store.check_integrity()
    assert "'file'" in problem


async def test_a_blob_that_vanishes_before_its_first_piece_is_not_found(store: FileBlobStore) -> None:
    await store.put("file", pieces(b"data"))
    content = await store.open("file")
    await store.delete("file")
    with pytest.raises(NotFound):
        await anext(content)


async def test_a_blob_that_vanishes_during_the_check_is_no_problem(
    tmp_path: Path, store: FileBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put("file", pieces(b"data"))
    path, real = tmp_path / "blobs" / "file.blob", os.open

    def vanish(opened: Path, *args: Any) -> int:
        path.unlink(missing_ok=True)
        return real(opened, *args)

    monkeypatch.setattr(os, "open", vanish)
    assert list(await store.check_integrity()) == []
    assert not path.exists()


async def test_links_that_lead_out_of_the_store_are_not_followed(tmp_path: Path, store: FileBlobStore) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = tmp_path / "blobs" / "case"
    link.symlink_to(outside)
    for operation in (store.put("case/file", pieces(b"data")), store.stat("case/file"), store.delete("case/file")):
        with pytest.raises(StorageCorrupt, match="symbolic link"):
            await operation
    assert not list(outside.iterdir())
    assert await store.scan() == ()
    assert list(await store.check_integrity()) == [f"{link}: not part of the store"]


async def test_foreign_files_are_reported_and_left_alone(tmp_path: Path, store: FileBlobStore) -> None:
    await put_all(store, ["case/a"])
    foreign = [tmp_path / "blobs" / name for name in ("Backup", "README.txt", "case/Upper.blob", "notes")]
    foreign[0].mkdir()
    for path in foreign[1:]:
        path.write_text("mine")
    assert list(await store.check_integrity()) == [f"{path}: not part of the store" for path in sorted(foreign)]
    assert await scan_keys(store) == ["case/a"]


@pytest.mark.quirk("file system", "some disks take Case and case for one name")
async def test_names_on_disk_differ_by_more_than_case(tmp_path: Path, store: FileBlobStore) -> None:
    await put_all(store, ["Case/A", "case/a", "CASE/a"])
    names = [str(path).lower() for path in (tmp_path / "blobs").rglob("*.blob")]
    assert len(set(names)) == 3


async def test_files_are_for_their_owner_alone(tmp_path: Path, store: FileBlobStore) -> None:
    await put_all(store, ["case/a"])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "blobs").rglob("*")}
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700
    assert modes == {0o700, 0o600}


async def test_the_last_blob_takes_its_folders_along(tmp_path: Path, store: FileBlobStore) -> None:
    await put_all(store, ["case/a/b", "case/c"])
    await store.delete("case/a/b")
    assert [path.name for path in (tmp_path / "blobs" / "case").iterdir()] == ["c.blob"]
    await store.delete("case/c")
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == [STAGING_NAME]


@pytest.mark.parametrize(
    ("function", "error", "expected"),
    [
        ("write", errno.ENOSPC, StorageFull),
        ("pwrite", errno.EDQUOT, StorageFull),
        ("fsync", errno.ENOSPC, StorageFull),
        ("fsync", errno.EIO, StorageUnavailable),
        ("rename", errno.EACCES, StorageUnavailable),
    ],
)
async def test_a_write_that_fails_leaves_nothing(
    tmp_path: Path,
    store: FileBlobStore,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    error: int,
    expected: type[Exception],
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(error, os.strerror(error))

    await store.put("file", pieces(b"old"))
    monkeypatch.setattr(os, function, fail)
    with pytest.raises(expected):
        await store.put("file", pieces(some_bytes(1024 * KIB)))
    monkeypatch.undo()
    assert await read(store, "file") == b"old"
    assert staged(tmp_path) == []


async def test_a_header_that_is_not_written_whole_is_an_error(
    store: FileBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: 3)
    with pytest.raises(StorageUnavailable):
        await store.put("file", pieces(b"data"))
    assert await store.stat("file") is None


async def test_interrupted_writes_leave_no_staged_file(tmp_path: Path, store: FileBlobStore) -> None:
    begun = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield some_bytes(300 * KIB)
        begun.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(store.put("file", stuck()))
    await begun.wait()
    assert len(staged(tmp_path)) == 1
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await store.stat("file") is None, "and the lane has come to what removes the staged file"
    assert staged(tmp_path) == []


async def test_a_store_that_is_closed_during_a_write_removes_the_staged_file(tmp_path: Path) -> None:
    store = FileBlobStore(tmp_path / "blobs")
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield some_bytes(300 * KIB)
        begun.set()
        await go_on.wait()

    writing = asyncio.create_task(store.put("file", slow()))
    await begun.wait()
    await store.aclose()
    go_on.set()
    with pytest.raises(StorageUnavailable):
        await writing
    assert staged(tmp_path) == []


async def test_stale_files_are_removed_at_the_start(tmp_path: Path) -> None:
    stale = tmp_path / "blobs" / STAGING_NAME / "7"
    stale.parent.mkdir(parents=True)
    stale.write_text("half of a")
    store = FileBlobStore(tmp_path / "blobs")
    assert not stale.exists()
    await store.aclose()


async def test_a_store_that_opens_leaves_what_another_one_is_writing(tmp_path: Path) -> None:
    """Several processes share the folder; locks belong to open files, so two stores in one process show it."""
    writing, started, go_on = FileBlobStore(tmp_path / "blobs"), asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 300_000
        # It is asked for more once the first part is written.
        started.set()
        await go_on.wait()
        yield b"end"

    put = asyncio.create_task(writing.put("case_1/file_1", slow()))
    await started.wait()
    opening = FileBlobStore(tmp_path / "blobs")
    assert len(staged(tmp_path)) == 1
    go_on.set()
    assert (await put).size == 300_003
    stored = await opening.stat("case_1/file_1")
    assert stored is not None
    assert stored.size == 300_003
    await writing.aclose()
    await opening.aclose()


async def test_stores_on_one_folder_do_not_trip_each_other(tmp_path: Path) -> None:
    """A folder that one empties and removes is the one into which another one writes."""
    stores = [FileBlobStore(tmp_path / "blobs") for _ in range(4)]

    async def content() -> AsyncIterator[bytes]:
        yield b"some bytes"

    async def come_and_go(store: FileBlobStore, number: int) -> None:
        for _ in range(50):
            await store.put(f"case_1/file_{number}", content())
            assert await store.delete(f"case_1/file_{number}") is True

    await asyncio.gather(*(come_and_go(store, number) for number, store in enumerate(stores)))
    assert staged(tmp_path) == []
    for store in stores:
        await store.aclose()
