"""The in-memory user repository keeps the contract."""

import pytest

from adapters.memory.users import InMemoryUserRepository
from tests.contract.user_repository import UserRepositoryContractTests


class TestInMemoryUserRepository(UserRepositoryContractTests):
    """The contract, in memory."""

    adapter = "inmemory"

    @pytest.fixture
    def repository(self) -> InMemoryUserRepository:
        """An empty store."""
        return InMemoryUserRepository()
