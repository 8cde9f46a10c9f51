"""With the option for PgBouncer no connection keeps anything between transactions."""

import asyncio

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.postgres.pool import connect_arguments
from adapters.postgres.sql import Sql
from ports.errors import StorageUnavailable
from tests.builders import a_case
from tests.contract.cases.messages import CaseMessageTests
from tests.contract.cases.transactions import CaseTransactionTests
from tests.contract.cases.transfer import CasePutTests

pytestmark = pytest.mark.postgres

KEPT = """
    SELECT (SELECT count(*) FROM pg_prepared_statements),
           (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
           (SELECT count(*) FROM pg_settings WHERE source = 'session')
"""


@pytest.fixture
def options(dsn: str) -> PostgresOptions:
    """How the tests open the database."""
    return PostgresOptions(dsn, pgbouncer=True, statement_timeout=2)


class TestBehindPgBouncer(CasePutTests, CaseMessageTests, CaseTransactionTests):
    """Parts of the contract of cases, without prepared statements."""

    @pytest.fixture
    def repository(self, database: PostgresDatabase) -> PostgresCaseRepository:
        """An empty store."""
        return PostgresCaseRepository(database)


@pytest.mark.quirk(
    "PgBouncer",
    "in transaction mode the next statement may meet another connection, which knows no prepared statement of ours",
)
async def test_nothing_is_kept(database: PostgresDatabase) -> None:
    """After reads, writes and transactions the server connection has no statement, no lock and no setting left."""
    repository = PostgresCaseRepository(database)
    await repository.save(a_case())
    await repository.search("checkout")
    async with repository.begin_transaction():
        await repository.delete(a_case().case_id)
    assert [tuple(row) for row in await database.read(Sql(KEPT))] == [(0, 0, 0)]


async def test_statements_are_kept_without_pgbouncer(dsn: str) -> None:
    """The test above would notice prepared statements."""
    database = await PostgresDatabase.open(PostgresOptions(dsn))
    assert (await database.read(Sql(KEPT)))[0][0] > 0
    await database.aclose()


def test_startup_parameters() -> None:
    """PgBouncer refuses a connection with a parameter that it does not know; these it does."""
    arguments = connect_arguments(PostgresOptions("postgresql://localhost/x", pgbouncer=True))
    assert arguments["server_settings"] == {"application_name": "faultmaven"}
    assert arguments["statement_cache_size"] == 0


async def test_statement_takes_too_long(database: PostgresDatabase) -> None:
    """Without a setting of the session the client ends it, and the server stops working on it."""
    with pytest.raises(StorageUnavailable, match="did not answer in time"):
        await database.read(Sql("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.2)
    running = Sql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active'"
        " AND pid <> pg_backend_pid()"
    )
    assert (await database.read(running))[0][0] == 0
