"""The state machine of knowledge documents in PostgreSQL."""

from typing import ClassVar

import pytest

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.options import PostgresOptions
from tests.adapters.postgres.conftest import EMPTY, execute
from tests.stateful.knowledge import KnowledgeRepositoryMachine
from tests.stateful.profiles import MACHINE_SETTINGS

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def _database_of_the_machine(module_dsn: str) -> None:
    PostgresKnowledgeMachine.dsn = module_dsn


class PostgresKnowledgeMachine(KnowledgeRepositoryMachine):
    """Runs in one database, emptied before each example, and examines it at the end."""

    durable = True
    dsn: ClassVar[str]

    def __init__(self) -> None:
        self._is_empty = False
        super().__init__()

    async def open(self) -> PostgresKnowledgeRepository:
        """The repository, with what the database holds."""
        if not self._is_empty:
            await execute(self.dsn, EMPTY)
            self._is_empty = True
        self._database = await PostgresDatabase.open(PostgresOptions(self.dsn))
        return PostgresKnowledgeRepository(self._database)

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.aclose()

    def teardown(self) -> None:
        """The index fits whatever the steps have left."""
        try:
            assert isinstance(self.store, PostgresKnowledgeRepository)
            assert self.run(self.store.check_integrity()) == []
        finally:
            super().teardown()


TestPostgresKnowledge = PostgresKnowledgeMachine.TestCase
TestPostgresKnowledge.settings = MACHINE_SETTINGS
