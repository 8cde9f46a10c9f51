"""The PostgreSQL repositories keep the contracts."""

from collections.abc import Awaitable, Callable

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.users import PostgresUserRepository
from tests.contract.case_repository import CaseRepositoryContractTests
from tests.contract.knowledge_repository import KnowledgeRepositoryContractTests
from tests.contract.user_repository import UserRepositoryContractTests

pytestmark = pytest.mark.postgres

Open = Callable[[], Awaitable[PostgresDatabase]]


class TestPostgresCaseRepository(CaseRepositoryContractTests):
    """The contract, on a server."""

    adapter = "postgres"

    @pytest.fixture
    def repository(self, database: PostgresDatabase) -> PostgresCaseRepository:
        """An empty store."""
        return PostgresCaseRepository(database)

    @pytest.fixture
    def reopen(self, open_again: Open) -> Callable[[], Awaitable[PostgresCaseRepository]]:
        """Close the database and open it again."""

        async def close_and_open() -> PostgresCaseRepository:
            return PostgresCaseRepository(await open_again())

        return close_and_open

    @pytest.fixture
    def close(self, database: PostgresDatabase) -> Callable[[], Awaitable[None]]:
        """Close the database: it may serve several repositories, so none of them closes it."""
        return database.aclose


class TestPostgresUserRepository(UserRepositoryContractTests):
    """The contract, on a server."""

    adapter = "postgres"

    @pytest.fixture
    def repository(self, database: PostgresDatabase) -> PostgresUserRepository:
        """An empty store."""
        return PostgresUserRepository(database)

    @pytest.fixture
    def reopen(self, open_again: Open) -> Callable[[], Awaitable[PostgresUserRepository]]:
        """Close the database and open it again."""

        async def close_and_open() -> PostgresUserRepository:
            return PostgresUserRepository(await open_again())

        return close_and_open

    @pytest.fixture
    def close(self, database: PostgresDatabase) -> Callable[[], Awaitable[None]]:
        """Close the database: it may serve several repositories, so none of them closes it."""
        return database.aclose


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
