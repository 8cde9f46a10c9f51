"""The in-memory case repository keeps the contract."""

import pytest

from adapters.memory.cases import InMemoryCaseRepository
from tests.contract.case_repository import CaseRepositoryContractTests


class TestInMemoryCaseRepository(CaseRepositoryContractTests):
    """The contract, in memory."""

    adapter = "inmemory"

    @pytest.fixture
    def repository(self) -> InMemoryCaseRepository:
        """An empty store."""
        return InMemoryCaseRepository()
