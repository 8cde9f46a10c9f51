"""Files in memory."""

import pytest

from adapters.memory.blobs import InMemoryBlobStore
from tests.contract.blob_store import BlobStoreContractTests


class TestInMemoryBlobStore(BlobStoreContractTests):
    adapter = "memory"

    @pytest.fixture
    def store(self) -> InMemoryBlobStore:
        return InMemoryBlobStore()
