"""The in-memory knowledge repository keeps the contract."""

import pytest

from adapters.memory.knowledge import InMemoryKnowledgeRepository
from tests.contract.knowledge_repository import KnowledgeRepositoryContractTests
from tests.stateful.knowledge import KnowledgeRepositoryMachine


class TestInMemoryKnowledgeRepository(KnowledgeRepositoryContractTests):
    """The contract, in memory."""

    adapter = "memory"

    @pytest.fixture
    def repository(self) -> InMemoryKnowledgeRepository:
        """An empty store."""
        return InMemoryKnowledgeRepository()


class InMemoryKnowledgeMachine(KnowledgeRepositoryMachine):
    """The state machine, in memory."""

    async def open(self) -> InMemoryKnowledgeRepository:
        """An empty store."""
        return InMemoryKnowledgeRepository()


TestInMemoryKnowledgeMachine = InMemoryKnowledgeMachine.TestCase
