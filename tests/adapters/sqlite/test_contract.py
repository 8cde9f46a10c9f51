"""The SQLite repositories keep the contracts."""

from collections.abc import Awaitable, Callable

import pytest

from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.users import SqliteUserRepository
from tests.contract.case_repository import CaseRepositoryContractTests
from tests.contract.knowledge_repository import KnowledgeRepositoryContractTests
from tests.contract.user_repository import UserRepositoryContractTests

Open = Callable[[], Awaitable[SqliteDatabase]]


class TestSqliteCaseRepository(CaseRepositoryContractTests):
    """The contract, in a file."""

    adapter = "sqlite"

    @pytest.fixture
    def repository(self, database: SqliteDatabase) -> SqliteCaseRepository:
        """An empty store."""
        return SqliteCaseRepository(database)

    @pytest.fixture
    def reopen(self, open_again: Open) -> Callable[[], Awaitable[SqliteCaseRepository]]:
        """Close the file and open it again."""

        async def close_and_open() -> SqliteCaseRepository:
            return SqliteCaseRepository(await open_again())

        return close_and_open

    @pytest.fixture
    def close(self, database: SqliteDatabase) -> Callable[[], Awaitable[None]]:
        """Close the file: it may serve several repositories, so none of them closes it."""
        return database.aclose


class TestSqliteUserRepository(UserRepositoryContractTests):
    """The contract, in a file."""

    adapter = "sqlite"

    @pytest.fixture
    def repository(self, database: SqliteDatabase) -> SqliteUserRepository:
        """An empty store."""
        return SqliteUserRepository(database)

    @pytest.fixture
    def reopen(self, open_again: Open) -> Callable[[], Awaitable[SqliteUserRepository]]:
        """Close the file and open it again."""

        async def close_and_open() -> SqliteUserRepository:
            return SqliteUserRepository(await open_again())

        return close_and_open

    @pytest.fixture
    def close(self, database: SqliteDatabase) -> Callable[[], Awaitable[None]]:
        """Close the file: it may serve several repositories, so none of them closes it."""
        return database.aclose


class TestSqliteKnowledgeRepository(KnowledgeRepositoryContractTests):
    """The contract, in a file."""

    adapter = "sqlite"

    @pytest.fixture
    def repository(self, database: SqliteDatabase) -> SqliteKnowledgeRepository:
        """An empty store."""
        return SqliteKnowledgeRepository(database)

    @pytest.fixture
    def reopen(self, open_again: Open) -> Callable[[], Awaitable[SqliteKnowledgeRepository]]:
        """Close the file and open it again."""

        async def close_and_open() -> SqliteKnowledgeRepository:
            return SqliteKnowledgeRepository(await open_again())

        return close_and_open

    @pytest.fixture
    def close(self, database: SqliteDatabase) -> Callable[[], Awaitable[None]]:
        """Close the file: it may serve several repositories, so none of them closes it."""
        return database.aclose
