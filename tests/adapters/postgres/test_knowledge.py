"""Knowledge documents in PostgreSQL."""

from collections.abc import Awaitable, Callable

import pytest

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from tests.contract.knowledge_repository import KnowledgeRepositoryContractTests

Open = Callable[[], Awaitable[PostgresDatabase]]


class TestPostgresKnowledgeRepository(KnowledgeRepositoryContractTests):
    """The contract, on a server."""

    adapter = "postgres"

    @pytest.fixture
    def repository(self, database: PostgresDatabase) -> PostgresKnowledgeRepository:
        """An empty store."""
        return PostgresKnowledgeRepository(database)

    @pytest.fixture
    def reopen(self, open_again: Open) -> Callable[[], Awaitable[PostgresKnowledgeRepository]]:
        """Close the database and open it again."""

        async def close_and_open() -> PostgresKnowledgeRepository:
            return PostgresKnowledgeRepository(await open_again())

        return close_and_open

    @pytest.fixture
    def close(self, database: PostgresDatabase) -> Callable[[], Awaitable[None]]:
        """Close the database: it may serve several repositories, so none of them closes it."""
        return database.aclose
