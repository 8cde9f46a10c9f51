"""Snapshots of a whole database."""

import asyncio
from urllib.parse import urlsplit

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.options import PostgresOptions
from adapters.postgres.sql import Sql
from adapters.postgres.users import PostgresUserRepository
from domain.errors import InvalidInput
from ports.errors import StorageUnavailable
from tests.adapters.postgres.conftest import execute
from tests.builders import a_case, a_user, an_id
from tests.contract.cases.snapshots import CaseSnapshotTests
from tests.contract.knowledge.samples import a_document, chunks
from tests.contract.transfer.snapshots import by_another_task

pytestmark = pytest.mark.postgres


class TestSnapshotsBehindPgBouncer(CaseSnapshotTests):
    """Without prepared statements and settings of the session."""

    @pytest.fixture
    def options(self, dsn: str) -> PostgresOptions:
        """How the tests open the database."""
        return PostgresOptions(dsn, pgbouncer=True)

    @pytest.fixture
    def repository(self, database: PostgresDatabase) -> PostgresCaseRepository:
        """An empty store."""
        return PostgresCaseRepository(database)

    @pytest.fixture
    def content(self, repository: PostgresCaseRepository) -> object:
        """The store."""
        return repository

    @pytest.fixture
    def close(self, database: PostgresDatabase) -> object:
        """Close the database."""
        return database.aclose


async def test_all_repositories_show_the_same_moment(database: PostgresDatabase) -> None:
    """The snapshot that one repository takes is that of all on the database, and none of them writes."""
    cases, users = PostgresCaseRepository(database), PostgresUserRepository(database)
    knowledge = PostgresKnowledgeRepository(database)
    async with users.snapshot():
        await by_another_task(cases.save, a_case())
        await by_another_task(users.save, a_user())
        await by_another_task(knowledge.save, a_document(), chunks(1, "alpha"))
        assert await cases.scan() == await users.scan() == await knowledge.scan() == ()
        with pytest.raises(InvalidInput, match="snapshot"):
            await cases.save(a_case(2))
        with pytest.raises(InvalidInput, match="snapshot"):
            async with database.atomic():
                raise AssertionError("a transaction has begun inside of a snapshot")
        assert await cases.check_integrity() == []
        await cases.check_health()
    assert len(await cases.scan()) == len(await users.scan()) == len(await knowledge.scan()) == 1


async def test_long_snapshot(dsn: str) -> None:
    """Limits of the server for transactions do not end it, and are back in force behind it."""
    name = urlsplit(dsn).path.removeprefix("/")
    limits = ("idle_in_transaction_session_timeout", "transaction_timeout")
    await execute(dsn, *(f'ALTER DATABASE "{name}" SET {limit} = 200' for limit in limits))
    database = await PostgresDatabase.open(PostgresOptions(dsn))
    try:
        cases = PostgresCaseRepository(database)
        async with cases.snapshot():
            await asyncio.sleep(0.6)
            assert await cases.scan() == ()
        for limit in limits:
            assert (await database.read(Sql(f"SHOW {limit}")))[0][0] == "200ms"
    finally:
        await database.aclose()
        await execute(dsn, *(f'ALTER DATABASE "{name}" RESET {limit}' for limit in limits))


async def test_broken_connection(database: PostgresDatabase, dsn: str) -> None:
    """A snapshot whose connection breaks says so at every call, instead of showing something newer."""
    cases = PostgresCaseRepository(database)
    async with cases.snapshot():
        (row,) = await database.read(Sql("SELECT pg_backend_pid()"))
        await execute(dsn, f"SELECT pg_terminate_backend({row[0]}, 5000)")
        for _ in range(2):
            with pytest.raises(StorageUnavailable):
                await cases.scan()
    assert await cases.scan() == ()


async def test_read_that_is_given_up(database: PostgresDatabase) -> None:
    """After a read that was cancelled the snapshot is over; the rest of the block is told, the next one is whole."""
    cases = PostgresCaseRepository(database)
    await cases.save(a_case())
    async with cases.snapshot():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await database.read(Sql("SELECT pg_sleep(60)"))
        with pytest.raises(StorageUnavailable, match="earlier error"):
            await cases.scan()
    async with cases.snapshot():
        assert [case.case_id for case in await cases.scan()] == [an_id("case", 1)]
