"""The in-memory vector store keeps the contract."""

import pytest

from adapters.memory.vectors import InMemoryVectorStore
from tests.contract.vector_store import VectorStoreContractTests
from tests.contract.vectors.data import SPACE


class TestInMemoryVectorStore(VectorStoreContractTests):
    """The contract, in memory."""

    adapter = "memory"

    @pytest.fixture
    def store(self) -> InMemoryVectorStore:
        """An empty store."""
        return InMemoryVectorStore(SPACE)
