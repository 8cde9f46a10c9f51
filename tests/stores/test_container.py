"""The container gets the same stores from the factory, and gets at the adapters themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.users import PostgresUserRepository
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.users import SqliteUserRepository
from bootstrap.build import opened_ports
from bootstrap.configuration import load_configuration
from bootstrap.settings import Settings
from bootstrap.stores import StoreFactory
from tests.builders import a_case


def settings_of(folder: Path, **chosen: str) -> Settings:
    environment = {"FAULTMAVEN_PROFILE": "development", "FAULTMAVEN_DATA_DIR": str(folder / "data"), **chosen}
    return load_configuration(environment, folder).settings


async def test_records_in_one_file_share_its_connections(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, CASE_STORAGE_TYPE="sqlite", USER_STORAGE_TYPE="sqlite")
    async with opened_ports(settings, "a test") as ports:
        records = ports.records
        assert isinstance(records.cases, SqliteCaseRepository)
        assert isinstance(records.users, SqliteUserRepository)
        assert isinstance(records.documents, SqliteKnowledgeRepository)
        assert records.cases._database is records.users._database is records.documents._database


@pytest.mark.postgres
async def test_records_in_one_database_share_a_pool(tmp_path: Path, database: str) -> None:
    chosen = {"CASE_STORAGE_TYPE": "postgres", "USER_STORAGE_TYPE": "postgres", "CASES_DB_URL": database}
    async with opened_ports(settings_of(tmp_path, **chosen, USERS_DB_URL=database), "a test") as ports:
        records = ports.records
        assert isinstance(records.cases, PostgresCaseRepository)
        assert isinstance(records.users, PostgresUserRepository)
        assert isinstance(records.documents, PostgresKnowledgeRepository)
        shared = records.cases._database
        assert shared is records.users._database is records.documents._database
        assert (shared.options.settings_prefix, shared.options.pool_size) == ("CASES_DB", 10)
    # Another address of the same database is another one, to which its own settings lead.
    elsewhere = f"{database}?application_name=users"
    async with opened_ports(settings_of(tmp_path, **chosen, USERS_DB_URL=elsewhere), "a test") as ports:
        assert isinstance(ports.records.users, PostgresUserRepository)
        assert ports.records.users._database.options.settings_prefix == "USERS_DB"


async def test_the_factory_finds_what_the_container_has_written(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, CASE_STORAGE_TYPE="sqlite", SESSION_STORAGE_TYPE="sqlite")
    async with opened_ports(settings, "a test") as ports:
        case = await ports.records.cases.save(a_case())
        await ports.sessions.set("key", "value")
    async with (
        StoreFactory.create_case_repository({"type": "sqlite", "path": str(settings.sqlite_file)}) as cases,
        StoreFactory.create_session_store({"type": "sqlite", "path": str(settings.session_database)}) as sessions,
    ):
        assert await cases.get(case.case_id) == case
        assert await sessions.get("key") == "value"
