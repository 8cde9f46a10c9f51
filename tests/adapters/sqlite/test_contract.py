"""The SQLite repositories keep the contracts."""

from collections.abc import Awaitable, Callable

import pytest

from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from tests.contract.case_repository import CaseRepositoryContractTests


class TestSqliteCaseRepository(CaseRepositoryContractTests):
    """The contract, in a file."""

    adapter = "sqlite"

    @pytest.fixture
    def repository(self, database: SqliteDatabase) -> SqliteCaseRepository:
        """An empty store."""
        return SqliteCaseRepository(database)

    @pytest.fixture
    def reopen(
        self, open_again: Callable[[], Awaitable[SqliteDatabase]]
    ) -> Callable[[], Awaitable[SqliteCaseRepository]]:
        """Close the file and open it again."""

        async def close_and_open() -> SqliteCaseRepository:
            return SqliteCaseRepository(await open_again())

        return close_and_open

    @pytest.fixture
    def close(self, database: SqliteDatabase) -> Callable[[], Awaitable[None]]:
        """The file may serve several repositories, so it is what is closed."""
        return database.aclose
