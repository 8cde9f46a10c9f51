"""The in-memory user repository keeps the contract."""

import pytest

from adapters.memory.users import InMemoryUserRepository
from tests.contract.user_repository import UserRepositoryContractTests
from tests.stateful.users import UserRepositoryMachine


class TestInMemoryUserRepository(UserRepositoryContractTests):
    """The contract, in memory."""

    adapter = "memory"

    @pytest.fixture
    def repository(self) -> InMemoryUserRepository:
        """An empty store."""
        return InMemoryUserRepository()


class InMemoryUserMachine(UserRepositoryMachine):
    """The state machine, in memory."""

    async def open(self) -> InMemoryUserRepository:
        """An empty store."""
        return InMemoryUserRepository()


TestInMemoryUserMachine = InMemoryUserMachine.TestCase
