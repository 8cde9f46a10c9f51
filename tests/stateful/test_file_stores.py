"""The state machines of the stores in files."""

import tempfile
from pathlib import Path

from adapters.filesystem.blobs import FileBlobStore
from adapters.filesystem.sessions import FileSessionStore
from ports.blobs import BlobStore
from ports.sessions import CacheStore
from tests.stateful.blobs import DurableBlobMachine
from tests.stateful.key_value import DurableKeyValueMachine
from tests.stateful.profiles import MACHINE_SETTINGS


class FileKeyValueMachine(DurableKeyValueMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    async def open_store(self) -> CacheStore:
        return FileSessionStore(Path(self.folder.name), self.clock)

    async def close_store(self, store: CacheStore) -> None:
        assert isinstance(store, FileSessionStore)
        await store.aclose()

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class FileBlobMachine(DurableBlobMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    def open_store(self) -> BlobStore:
        return FileBlobStore(Path(self.folder.name))

    async def close_store(self, store: BlobStore) -> None:
        assert isinstance(store, FileBlobStore)
        await store.aclose()

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestFileKeyValue = FileKeyValueMachine.TestCase
TestFileKeyValue.settings = MACHINE_SETTINGS
TestFileBlobs = FileBlobMachine.TestCase
TestFileBlobs.settings = MACHINE_SETTINGS
