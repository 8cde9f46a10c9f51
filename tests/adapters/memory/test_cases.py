"""The in-memory case repository keeps the contract."""

import pytest

from adapters.memory.cases import InMemoryCaseRepository
from tests.contract.case_repository import CaseRepositoryContractTests
from tests.stateful.cases import CaseRepositoryMachine, CaseValuesMachine
from tests.stateful.machine import ONE_STEP


class TestInMemoryCaseRepository(CaseRepositoryContractTests):
    """The contract, in memory."""

    adapter = "memory"

    @pytest.fixture
    def repository(self) -> InMemoryCaseRepository:
        """An empty store."""
        return InMemoryCaseRepository()


class InMemoryCaseMachine(CaseRepositoryMachine):
    """The state machine, in memory."""

    async def open(self) -> InMemoryCaseRepository:
        """An empty store."""
        return InMemoryCaseRepository()


class InMemoryCaseValues(CaseValuesMachine):
    """Any legal content, in memory."""

    async def open(self) -> InMemoryCaseRepository:
        """An empty store."""
        return InMemoryCaseRepository()


TestInMemoryCaseMachine = InMemoryCaseMachine.TestCase
TestInMemoryCaseValues = InMemoryCaseValues.TestCase
TestInMemoryCaseValues.settings = ONE_STEP
