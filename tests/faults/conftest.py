"""The case repositories that have to stand the same faults, each on an empty store of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ports.cases import CaseRepository
from tests.adapters.postgres.conftest import migrated as migrated  # noqa: PLC0414
from tests.adapters.postgres.conftest import new_database as new_database  # noqa: PLC0414
from tests.faults.case_stores import CaseStore, InMemory, OnPostgres, OnSqlite


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CaseStore:
    """A store that is not open yet."""
    if request.param == "memory":
        return InMemory()
    if request.param == "sqlite":
        return OnSqlite(tmp_path / "faultmaven.db")
    return request.getfixturevalue("on_postgres")


@pytest.fixture
def on_postgres(request: pytest.FixtureRequest) -> OnPostgres:
    """A database that is not open yet."""
    new_database = request.getfixturevalue("new_database")
    return OnPostgres(new_database(like=request.getfixturevalue("migrated")))


@pytest.fixture
async def repository(store: CaseStore) -> AsyncIterator[CaseRepository]:
    """The open store."""
    async with store.open() as repository:
        yield repository
        store.assert_at_rest()
