"""What every `BlobStore` does.

A subclass names its ``adapter`` and gives the fixture ``store``, which is empty; a durable adapter also subclasses
`DurableBlobStoreContractTests` and gives ``reopen``.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import pytest

from ports.blobs import BlobInfo, BlobStore
from ports.capabilities import Closeable, SupportsHealth, SupportsIntegrityCheck
from ports.errors import InvalidInput, NotFound, StorageUnavailable
from ports.transfer import SupportsCheckpoints
from tests.contract.guard import ContractTests
from tests.contract.transfer.checkpoints import DurableCheckpointTests, OpenCheckpointTests

Reopen = Callable[[], Awaitable[BlobStore]]

KIB = 1024
PIECE = 64 * KIB
SIZES = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 1024 * KIB, 3 * 1024 * KIB + 7]

REFUSED_KEYS = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a.b",
    "a b",
    "a\n",
    "a\0",
    "a\\b",
    "*",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}",
    "\u0663",
    "\ud800",
    "x" * 65,
    "/".join("abcdefghi"),
]

KEYS_IN_ORDER = ["Case", "case", "case/A", "case/a", "case-1", "case-1/a", "case/a/b", "case1/a", "case_1", "x" * 64]
KEYS_IN_ORDER.sort()


def some_bytes(size: int) -> bytes:
    """Bytes that do not repeat from piece to piece."""
    return hashlib.shake_256(b"blob").digest(size)


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def read(store: BlobStore, key: str) -> bytes:
    return b"".join([piece async for piece in await store.open(key)])


async def put_all(store: BlobStore, keys: Iterable[str]) -> None:
    for key in keys:
        await store.put(key, pieces(key.encode()))


async def scan_keys(store: BlobStore, prefix: str = "", after: str | None = None, limit: int = 100) -> list[str]:
    return [info.key for info in await store.scan(prefix=prefix, after=after, limit=limit)]


class BlobStoreContractTests(OpenCheckpointTests, ContractTests):
    """Raw bytes under a key."""

    contract = "BlobStore"

    @pytest.fixture
    def content(self, store: BlobStore) -> object:
        """The store, for the tests of what every kind of store may be able to do."""
        return store

    @pytest.fixture
    def close(self, store: BlobStore) -> Callable[[], Awaitable[None]]:
        """Let go of the store."""
        if not isinstance(store, Closeable):
            pytest.skip("nothing is held open")
        return store.aclose

    @pytest.mark.parametrize("size", SIZES)
    async def test_put_and_open(self, store: BlobStore, size: int) -> None:
        data = some_bytes(size)
        expected = BlobInfo(key="case/file", size=size, sha256=hashlib.sha256(data).hexdigest())
        assert await store.put("case/file", pieces(data)) == expected
        assert await store.stat("case/file") == expected
        got = [piece async for piece in await store.open("case/file")]
        assert b"".join(got) == data
        assert all(0 < len(piece) <= PIECE for piece in got)

    @pytest.mark.parametrize("step", [1000, PIECE, 700 * KIB])
    async def test_how_the_content_was_cut_does_not_matter(self, store: BlobStore, step: int) -> None:
        data = some_bytes(1500 * KIB)
        cut = [data[start : start + step] for start in range(0, len(data), step)]
        await store.put("file", pieces(b"", *cut, b""))
        assert await read(store, "file") == data

    async def test_open_of_a_missing_blob(self, store: BlobStore) -> None:
        await store.put("case/file", pieces(b"data"))
        for key in ("missing", "case", "case/file/x", "case/fil"):
            with pytest.raises(NotFound):
                await store.open(key)

    async def test_stat_of_a_missing_blob_is_none(self, store: BlobStore) -> None:
        await store.put("case/file", pieces(b"data"))
        for key in ("missing", "case", "case/file/x"):
            assert await store.stat(key) is None

    async def test_put_replaces(self, store: BlobStore) -> None:
        await store.put("file", pieces(some_bytes(100_000)))
        replaced = await store.put("file", pieces(b"new"))
        assert await read(store, "file") == b"new"
        assert await store.scan() == (replaced,)

    async def test_a_reader_is_not_disturbed_by_a_replacement(self, store: BlobStore) -> None:
        data = some_bytes(3 * 1024 * KIB)
        await store.put("file", pieces(data))
        content = await store.open("file")
        first = await anext(content)
        await store.put("file", pieces(b"new"))
        assert first + b"".join([piece async for piece in content]) == data

    async def test_an_abandoned_reader_leaves_nothing_open(self, store: BlobStore) -> None:
        """The test run turns an unclosed file into a failure."""
        await store.put("file", pieces(some_bytes(3 * 1024 * KIB)))
        async with aclosing(await store.open("file")) as content:  # type: ignore[type-var]
            await anext(content)
        await store.open("file")
        assert await store.delete("file") is True

    async def test_content_that_fails_is_not_stored(self, store: BlobStore) -> None:
        async def failing() -> AsyncIterator[bytes]:
            yield some_bytes(3 * 1024 * KIB)
            raise LookupError("the upload broke off")

        await store.put("old", pieces(b"old"))
        for key in ("old", "new"):
            with pytest.raises(LookupError, match="the upload broke off"):
                await store.put(key, failing())
        assert await read(store, "old") == b"old"
        assert await scan_keys(store) == ["old"]

    async def test_a_blob_is_visible_only_once_it_is_complete(self, store: BlobStore) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield some_bytes(3 * 1024 * KIB)
            begun.set()
            await go_on.wait()
            yield b"end"

        writing = asyncio.create_task(store.put("file", slow()))
        await begun.wait()
        assert await store.stat("file") is None
        assert await store.scan() == ()
        with pytest.raises(NotFound):
            await store.open("file")
        go_on.set()
        assert (await writing).size == 3 * 1024 * KIB + 3
        assert await read(store, "file") == some_bytes(3 * 1024 * KIB) + b"end"

    async def test_a_cancelled_write_is_not_stored(self, store: BlobStore) -> None:
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield some_bytes(100 * KIB)
                begun.set()
                await asyncio.sleep(0)

        await store.put("file", pieces(b"old"))
        writing = asyncio.create_task(store.put("file", endless()))
        await begun.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await read(store, "file") == b"old"

    async def test_delete_is_honest(self, store: BlobStore) -> None:
        assert await store.delete("case/file") is False
        await put_all(store, ["case/file", "case/other"])
        assert await store.delete("case/file") is True
        assert await store.delete("case/file") is False
        assert await store.delete("case") is False
        assert await store.stat("case/file") is None
        assert await scan_keys(store) == ["case/other"]

    async def test_a_deleted_blob_can_be_put_again(self, store: BlobStore) -> None:
        for content in (b"one", b"two"):
            await store.put("case/file", pieces(content))
            assert await read(store, "case/file") == content
            assert await store.delete("case/file") is True
        assert await store.scan() == ()

    async def test_similar_keys_are_kept_apart(self, store: BlobStore) -> None:
        """A blob beside others below it, and keys that differ in case only."""
        await put_all(store, KEYS_IN_ORDER)
        assert [await read(store, key) for key in KEYS_IN_ORDER] == [key.encode() for key in KEYS_IN_ORDER]
        assert await store.delete("case") is True
        assert await scan_keys(store) == [key for key in KEYS_IN_ORDER if key != "case"]

    async def test_scan_gives_what_is_stored_in_the_order_of_the_keys(self, store: BlobStore) -> None:
        assert await store.scan() == ()
        await put_all(store, reversed(KEYS_IN_ORDER))
        expected = [BlobInfo(key, len(key), hashlib.sha256(key.encode()).hexdigest()) for key in KEYS_IN_ORDER]
        assert list(await store.scan()) == expected

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
    async def test_pages_visit_every_blob_once(self, store: BlobStore, limit: int) -> None:
        await put_all(store, KEYS_IN_ORDER)
        visited: list[str] = []
        while page := await scan_keys(store, after=visited[-1] if visited else None, limit=limit):
            assert len(page) <= limit
            assert page[0] not in visited
            visited += page
        assert visited == KEYS_IN_ORDER

    async def test_pages_go_on_where_the_last_blob_is_gone(self, store: BlobStore) -> None:
        await put_all(store, KEYS_IN_ORDER)
        visited: list[str] = []
        while page := await scan_keys(store, after=visited[-1] if visited else None, limit=2):
            assert page[0] not in visited
            visited += page
            for key in page:
                await store.delete(key)
        assert visited == KEYS_IN_ORDER

    @pytest.mark.parametrize("prefix", ["case", "case/a", "case-1", "cas", "Case", "case1", "missing", "case/a/b"])
    async def test_scan_of_a_prefix_gives_whole_segments(self, store: BlobStore, prefix: str) -> None:
        await put_all(store, KEYS_IN_ORDER)
        expected = [key for key in KEYS_IN_ORDER if key == prefix or key.startswith(prefix + "/")]
        assert await scan_keys(store, prefix=prefix) == expected
        for after in KEYS_IN_ORDER:
            assert await scan_keys(store, prefix=prefix, after=after) == [key for key in expected if key > after]

    @pytest.mark.parametrize("limit", [-1, 201])
    async def test_scan_refuses_unbounded_limits(self, store: BlobStore, limit: int) -> None:
        with pytest.raises(InvalidInput):
            await store.scan(limit=limit)

    async def test_scan_of_no_more_than_nothing_is_empty(self, store: BlobStore) -> None:
        await put_all(store, ["file"])
        assert await store.scan(limit=0) == ()

    @pytest.mark.parametrize("key", REFUSED_KEYS, ids=ascii)
    async def test_malformed_keys_are_refused(self, store: BlobStore, key: str) -> None:
        operations: list[Awaitable[Any]] = [
            store.put(key, pieces(b"data")),
            store.open(key),
            store.stat(key),
            store.delete(key),
        ]
        if key:
            operations.append(store.scan(prefix=key))
        for operation in operations:
            with pytest.raises(InvalidInput):
                await operation
        assert await store.scan() == ()

    async def test_concurrent_writes_leave_one_whole_blob(self, store: BlobStore) -> None:
        contents = [bytes([number]) * 200_000 for number in range(20)]
        await asyncio.gather(*(store.put("file", pieces(content[:99], content[99:])) for content in contents))
        assert await read(store, "file") in contents
        assert await scan_keys(store) == ["file"]

    async def test_writing_beside_deleting_in_one_folder(self, store: BlobStore) -> None:
        """The folder of the last deleted blob may vanish just when another one is written into it."""
        for _ in range(20):
            await store.put("case/files/a", pieces(b"a"))
            deleted, _ = await asyncio.gather(store.delete("case/files/a"), store.put("case/files/b", pieces(b"b")))
            assert deleted is True
            assert await read(store, "case/files/b") == b"b"
            await store.delete("case/files/b")

    async def test_a_working_store_is_healthy(self, store: BlobStore) -> None:
        if not isinstance(store, SupportsHealth):
            pytest.skip("there is no backend that could fail")
        await store.check_health()
        assert await store.scan() == ()

    async def test_what_was_written_has_integrity(self, store: BlobStore) -> None:
        if not isinstance(store, SupportsIntegrityCheck):
            pytest.skip("there is no stored form that could be damaged")
        await put_all(store, KEYS_IN_ORDER)
        assert list(await store.check_integrity()) == []

    async def test_checkpoints_are_no_blobs(self, store: BlobStore) -> None:
        """Nothing that lists or removes blobs meets them."""
        if not isinstance(store, SupportsCheckpoints):
            pytest.skip("the adapter keeps no checkpoints")
        await store.write_checkpoint("copy", "text")
        assert await store.scan() == ()
        assert await store.stat("copy") is None
        assert await store.delete("copy") is False
        await store.put("copy", pieces(b"data"))
        assert await scan_keys(store) == ["copy"]
        assert await store.delete("copy") is True
        assert await store.read_checkpoint("copy") == "text"

    async def test_closing_twice_does_nothing_and_use_afterwards_is_an_error(self, store: BlobStore) -> None:
        if not isinstance(store, Closeable):
            pytest.skip("nothing is held open")
        await store.put("file", pieces(b"data"))
        await store.aclose()
        await store.aclose()
        operations: list[Awaitable[Any]] = [
            store.put("file", pieces(b"data")),
            store.open("file"),
            store.stat("file"),
            store.delete("file"),
            store.scan(),
        ]
        for operation in operations:
            with pytest.raises(StorageUnavailable):
                await operation


class DurableBlobStoreContractTests(DurableCheckpointTests, ContractTests):
    """Blobs outlive the process. The fixture ``reopen`` closes ``store`` and opens another one on the same data."""

    contract = "BlobStore, durable"

    @pytest.fixture
    def content(self, store: BlobStore) -> object:
        """The store, for the tests of what every kind of store may be able to do."""
        return store

    async def test_blobs_survive(self, store: BlobStore, reopen: Reopen) -> None:
        await put_all(store, KEYS_IN_ORDER)
        infos = await store.scan()
        store = await reopen()
        assert await store.scan() == infos
        assert [await read(store, key) for key in KEYS_IN_ORDER] == [key.encode() for key in KEYS_IN_ORDER]

    async def test_deletions_survive(self, store: BlobStore, reopen: Reopen) -> None:
        await put_all(store, KEYS_IN_ORDER)
        await store.delete("case/a")
        store = await reopen()
        assert await scan_keys(store) == [key for key in KEYS_IN_ORDER if key != "case/a"]
