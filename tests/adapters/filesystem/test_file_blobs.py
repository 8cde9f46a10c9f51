"""Blobs in files."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapters.filesystem.blobs import FileBlobStore
from tests.contract.blob_store import BlobStoreContractTests, DurableBlobStoreContractTests


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
