"""The state machines of the repositories in PostgreSQL."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.options import PostgresOptions
from adapters.postgres.users import PostgresUserRepository
from tests.adapters.postgres.conftest import EMPTY
from tests.stateful.cases import CaseRepositoryMachine, CaseValuesMachine
from tests.stateful.knowledge import KnowledgeRepositoryMachine
from tests.stateful.machine import ONE_STEP
from tests.stateful.profiles import MACHINE_SETTINGS
from tests.stateful.users import UserRepositoryMachine

pytestmark = pytest.mark.postgres


class OnServer:
    """Opens a repository on the module's database, which each machine empties first."""

    durable = True
    dsn: ClassVar[str]
    repository: type[Any]

    def __init__(self) -> None:
        self._emptied = False
        super().__init__()

    async def open(self) -> Any:
        """The repository, with what the machine has written before."""
        self._database = await PostgresDatabase.open(PostgresOptions(self.dsn))
        if not self._emptied:
            async with self._database.atomic() as connection:
                await connection.execute(EMPTY)
            self._emptied = True
        return self.repository(self._database)

    @rule(chance=st.integers(0, 3))
    def reopen(self, chance: int) -> None:
        """Open the database again, one time in four: connecting takes longer than all other steps."""
        if chance == 0:
            super().reopen()  # type: ignore[misc]

    async def close(self) -> None:
        """Close the database; no step may leave a connection in use."""
        in_use = self._database.checked_out
        await self._database.aclose()
        assert in_use == 0


@pytest.fixture(autouse=True, scope="module")
def _database_of_the_machines(module_dsn: str) -> None:
    OnServer.dsn = module_dsn


class PostgresCaseMachine(OnServer, CaseRepositoryMachine):
    repository = PostgresCaseRepository


class PostgresCaseValuesMachine(OnServer, CaseValuesMachine):
    repository = PostgresCaseRepository


class PostgresUserMachine(OnServer, UserRepositoryMachine):
    repository = PostgresUserRepository


class PostgresKnowledgeMachine(OnServer, KnowledgeRepositoryMachine):
    repository = PostgresKnowledgeRepository

    def teardown(self) -> None:
        """The index fits whatever the steps have left."""
        try:
            assert self.run(self.repository(self._database).check_integrity()) == []
        finally:
            super().teardown()


TestPostgresCases = PostgresCaseMachine.TestCase
TestPostgresCases.settings = MACHINE_SETTINGS
TestPostgresCaseValues = PostgresCaseValuesMachine.TestCase
TestPostgresCaseValues.settings = ONE_STEP
TestPostgresUsers = PostgresUserMachine.TestCase
TestPostgresUsers.settings = MACHINE_SETTINGS
TestPostgresKnowledge = PostgresKnowledgeMachine.TestCase
TestPostgresKnowledge.settings = MACHINE_SETTINGS
