"""Opens stores of uploaded files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from bootstrap.stores.configurations import FileConfiguration, InMemoryConfiguration
from bootstrap.stores.kinds import Opening
from ports.blobs import BlobStore


@asynccontextmanager
async def in_memory(_: InMemoryConfiguration, __: Opening) -> AsyncIterator[BlobStore]:
    """In memory."""
    from adapters.memory.blobs import InMemoryBlobStore

    yield InMemoryBlobStore()


@asynccontextmanager
async def files(configuration: FileConfiguration, _: Opening) -> AsyncIterator[BlobStore]:
    """In a folder, which several processes may use."""
    from adapters.filesystem.blobs import FileBlobStore

    async with aclosing(FileBlobStore(configuration.path)) as store:
        yield store
