"""Errors of the driver become errors of the port that say where to look, and never show the password."""

import asyncio
import socket
import ssl
from collections.abc import Callable

import asyncpg
import pytest

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.errors import Taken, translate
from adapters.postgres.options import PostgresOptions
from adapters.postgres.sql import Sql
from domain.errors import InvalidInput
from ports.errors import OutcomeUnknown, StorageCorrupt, StorageFull, StorageUnavailable
from tests.adapters.postgres.conftest import address, execute
from tests.servers.process import free_port

pytestmark = pytest.mark.postgres

SECRET = "hunter2secret"
OPTIONS = PostgresOptions(f"postgresql://me:{SECRET}@db.example:6432/cases_db", settings_prefix="USERS_DB")


@pytest.mark.parametrize(
    ("error", "expected", "hint"),
    [
        (asyncpg.InvalidPasswordError("x"), StorageUnavailable, "USERS_DB_PASSWORD"),
        (asyncpg.InvalidAuthorizationSpecificationError("x"), StorageUnavailable, "USERS_DB_USER"),
        (asyncpg.InvalidCatalogNameError("x"), StorageUnavailable, "USERS_DB_NAME"),
        (asyncpg.InsufficientPrivilegeError("x"), StorageUnavailable, "USERS_DB_USER"),
        (asyncpg.TooManyConnectionsError("x"), StorageUnavailable, "DB_POOL_SIZE"),
        (asyncpg.CannotConnectNowError("x"), StorageUnavailable, "starting up"),
        (asyncpg.ReadOnlySQLTransactionError("x"), StorageUnavailable, "USERS_DB_HOST"),
        (asyncpg.QueryCanceledError("x"), StorageUnavailable, "DB_STATEMENT_TIMEOUT"),
        (asyncpg.InFailedSQLTransactionError("x"), StorageUnavailable, "repeat it as a whole"),
        (asyncpg.DeadlockDetectedError("x"), StorageUnavailable, "40P01"),
        (asyncpg.OutOfMemoryError("x"), StorageUnavailable, "memory"),
        (asyncpg.AdminShutdownError("x"), StorageUnavailable, "USERS_DB_PORT"),
        (asyncpg.ProtocolViolationError("x"), StorageUnavailable, "DB_PGBOUNCER"),
        (asyncpg.ConnectionDoesNotExistError("x"), StorageUnavailable, "USERS_DB_HOST"),
        (asyncpg.DiskFullError("x"), StorageFull, "disk"),
        (asyncpg.UndefinedTableError("x"), StorageCorrupt, "structure"),
        (asyncpg.UndefinedColumnError("x"), StorageCorrupt, "structure"),
        (asyncpg.DataCorruptedError("x"), StorageCorrupt, "backup"),
        (asyncpg.UniqueViolationError("x"), Taken, "23505"),
        (asyncpg.CheckViolationError("x"), InvalidInput, "refuses the data"),
        (asyncpg.DataError(SECRET), InvalidInput, "type or range"),
        (asyncpg.ClientConfigurationError("no such sslmode"), InvalidInput, "no such sslmode"),
        (asyncpg.InterfaceError("x"), StorageUnavailable, "USERS_DB_HOST"),
        (ConnectionRefusedError(111, "Connection refused"), StorageUnavailable, "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), StorageUnavailable, "Name or service not known"),
        (ssl.SSLError(1, "certificate verify failed"), StorageUnavailable, "certificate verify failed"),
        (TimeoutError(), StorageUnavailable, "DB_STATEMENT_TIMEOUT"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_translate(error: Exception, expected: type[Exception], hint: str) -> None:
    """Each names the database and what to look at."""
    translated = translate(error, OPTIONS)
    assert type(translated) is expected
    assert hint in str(translated)
    assert "PostgreSQL database 'cases_db' at db.example:6432" in str(translated)
    assert SECRET not in str(translated)


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), TimeoutError(), asyncpg.AdminShutdownError("x"), asyncpg.InterfaceError("x")]
)
def test_translate_after_a_change_was_sent(error: Exception) -> None:
    """Without an answer of the server nobody knows what became of a change."""
    assert type(translate(error, OPTIONS, unknown=True)) is OutcomeUnknown


@pytest.mark.parametrize("error", [asyncpg.DiskFullError("x"), asyncpg.QueryCanceledError("x")])
def test_translate_an_answer_to_a_change(error: Exception) -> None:
    """A server that answers with an error has undone the change."""
    assert type(translate(error, OPTIONS, unknown=True)) is not OutcomeUnknown


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://me:{SECRET}/x@host/db",
        f"postgresql://me@host:{SECRET}/db",
        f"mysql://me:{SECRET}@host/db",
        f"{SECRET}",
        f"postgresql://[{SECRET}/db",
    ],
)
def test_options_refuse_a_broken_address(dsn: str) -> None:
    """The error names the settings, and shows nothing of the address: it may hold the password anywhere."""
    with pytest.raises(InvalidInput, match="CASES_DB_") as refused:
        PostgresOptions(dsn)
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("field", "value"), [("pool_size", 0), ("max_overflow", -1), ("statement_timeout", 0), ("acquire_timeout", -1.0)]
)
def test_options_refuse_limits_out_of_range(field: str, value: float) -> None:
    """A pool without connections and a wait without time cannot work."""
    with pytest.raises(InvalidInput, match="CASES_DB"):
        PostgresOptions("postgresql://localhost/x", **{field: value})  # type: ignore[arg-type]


def test_options_hide_the_password() -> None:
    """Printing the options in a log gives nothing away."""
    assert SECRET not in repr(OPTIONS)


@pytest.mark.parametrize(
    ("dsn", "where"),
    [
        ("postgresql://host/name", "'name' at host:5432"),
        ("postgres://u:p@host:1/a%20b", "'a b' at host:1"),
        ("postgresql:///name?host=/run/postgresql", "'name' at /run/postgresql:5432"),
        ("postgresql://[::1]:5433/name", "'name' at ::1:5433"),
    ],
)
def test_options_say_where(dsn: str, where: str) -> None:
    """The name of the database for errors."""
    assert PostgresOptions(dsn).where == f"PostgreSQL database {where}"


# ---------------------------------------------------------------- from a server


async def test_nobody_listens() -> None:
    """A refused connection is reported at once."""
    with pytest.raises(StorageUnavailable, match="CASES_DB_HOST and CASES_DB_PORT"):
        await PostgresDatabase.open(PostgresOptions(f"postgresql://me:{SECRET}@127.0.0.1:{free_port()}/x"))


async def test_unknown_database(postgres_dsn: str) -> None:
    """A database that does not exist."""
    with pytest.raises(StorageUnavailable, match=r"'missing' at .* correct CASES_DB_NAME"):
        await PostgresDatabase.open(PostgresOptions(address(postgres_dsn, "missing")))


async def test_statement_takes_too_long(dsn: str) -> None:
    """The server cancels it, and the connection serves on."""
    database = await PostgresDatabase.open(PostgresOptions(dsn, statement_timeout=0.2))
    with pytest.raises(StorageUnavailable, match=r"0\.2 s.*DB_STATEMENT_TIMEOUT"):
        await database.read(Sql("SELECT pg_sleep(10)"))
    assert database.checked_out == 0
    await database.check_health()
    await database.aclose()


@pytest.mark.parametrize("value", ["not a number", 2**31])
async def test_refused_value(database: PostgresDatabase, value: object) -> None:
    """A value that does not fit is the caller's mistake; its text stays out of the error."""
    with pytest.raises(InvalidInput, match="type or range") as refused:
        await database.read(Sql("SELECT $1::int", ("number",)), {"number": value})
    assert str(value) not in str(refused.value)


async def test_taken_value(dsn: str, database: PostgresDatabase) -> None:
    """A violated unique constraint is named, the value is not shown."""
    await database.write(Sql("CREATE TEMP TABLE scratch (name text CONSTRAINT once UNIQUE)"))
    insert = Sql("INSERT INTO scratch VALUES ($1)", ("name",))
    await database.write(insert, {"name": SECRET})
    with pytest.raises(Taken) as taken:
        await database.write(insert, {"name": SECRET})
    assert taken.value.constraint == "once"
    assert SECRET not in str(taken.value)


async def test_read_only_database(dsn: str, database: PostgresDatabase) -> None:
    """A standby answers reads; health says that it takes no writes."""
    async with database.transaction():
        await database.read(Sql("SET LOCAL transaction_read_only = on"))
        await database.read(Sql("SET LOCAL default_transaction_read_only = on"))
        with pytest.raises(StorageUnavailable, match="CASES_DB_HOST"):
            await database.check_health()
        with pytest.raises(StorageUnavailable, match="standby"):
            await database.write(Sql("INSERT INTO users SELECT * FROM users"), savepoint=True)


async def test_missing_table(new_database: Callable[..., str], migrated: str) -> None:
    """A database that lost a table is reported as such, not as an empty one."""
    dsn = await asyncio.to_thread(new_database, like=migrated)
    await execute(dsn, "DROP TABLE users")
    database = await PostgresDatabase.open(PostgresOptions(dsn))
    with pytest.raises(StorageCorrupt, match="42P01"):
        await database.read(Sql("SELECT user_id FROM users"))
    await database.aclose()


async def test_all_connections_in_use(dsn: str) -> None:
    """Who waits too long for a connection is told which setting to raise."""
    database = await PostgresDatabase.open(PostgresOptions(dsn, pool_size=1, max_overflow=1, acquire_timeout=0.2))
    async with asyncio.TaskGroup() as group:
        sleepers = [group.create_task(database.read(Sql("SELECT pg_sleep(1)"))) for _ in range(2)]
        await asyncio.sleep(0.1)
        with pytest.raises(StorageUnavailable, match=r"all 2 connections .* DB_POOL_SIZE"):
            await database.read(Sql("SELECT 1"))
        assert not any(sleeper.done() for sleeper in sleepers)
    assert (await database.read(Sql("SELECT 1")))[0][0] == 1
    await database.aclose()
