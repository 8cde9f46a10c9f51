"""The state machines of the stores in memory."""

from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.sessions import InMemorySessionStore
from ports.blobs import BlobStore
from ports.sessions import CacheStore
from tests.stateful.blobs import BlobMachine
from tests.stateful.key_value import KeyValueMachine
from tests.stateful.profiles import MACHINE_SETTINGS


class MemoryKeyValueMachine(KeyValueMachine):
    async def open_store(self) -> CacheStore:
        return InMemorySessionStore(self.clock)


class MemoryBlobMachine(BlobMachine):
    def open_store(self) -> BlobStore:
        return InMemoryBlobStore()


TestMemoryKeyValue = MemoryKeyValueMachine.TestCase
TestMemoryKeyValue.settings = MACHINE_SETTINGS
TestMemoryBlobs = MemoryBlobMachine.TestCase
TestMemoryBlobs.settings = MACHINE_SETTINGS
