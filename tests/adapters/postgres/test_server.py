"""A server that refuses, falls silent, dies and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.postgres.sql import Sql
from ports.errors import OutcomeUnknown, StorageUnavailable
from tests.adapters.postgres.conftest import execute
from tests.builders import a_case, a_message, an_id
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.postgres

FAST = 5.0
"""Within how many seconds an operation fails when the server is away."""

SLEEP = Sql("SELECT pg_sleep(30)")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this module's own, with room for few; the user ``guarded`` needs a password."""
    server = PostgresServer(max_connections="12", superuser_reserved_connections="3")
    try:
        rules = server._data / "pg_hba.conf"
        rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        server.start()
        asyncio.run(execute(server.dsn(), "CREATE USER guarded PASSWORD 'right'"))
        yield server
    finally:
        server.remove()


@pytest.fixture
async def database(server: PostgresServer) -> AsyncIterator[PostgresDatabase]:
    """The database of the running server, in health before the test and after it."""
    database = await PostgresDatabase.open(PostgresOptions(server.dsn(), statement_timeout=10))
    async with database.atomic() as connection:
        await connection.execute("DELETE FROM cases")
    yield database
    await database.check_health()
    assert database.checked_out == 0
    await database.aclose()


async def restart(server: PostgresServer) -> None:
    """Kill the server and start it again."""
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


async def test_wrong_password(server: PostgresServer) -> None:
    """The error names the settings of user and password, and does not show the latter."""
    parts = urlsplit(server.dsn())
    dsn = urlunsplit(parts._replace(netloc=f"guarded:wrong-one@127.0.0.1:{server.port}"))
    with pytest.raises(StorageUnavailable, match="USERS_DB_USER and USERS_DB_PASSWORD") as refused:
        await PostgresDatabase.open(PostgresOptions(dsn, settings_prefix="USERS_DB"))
    assert "wrong-one" not in str(refused.value)


async def test_too_many_connections(server: PostgresServer) -> None:
    """A pool that is larger than what the server allows says which settings to change."""
    parts = urlsplit(server.dsn())
    dsn = urlunsplit(parts._replace(netloc=f"guarded:right@127.0.0.1:{server.port}"))
    await execute(server.dsn(), "GRANT ALL ON SCHEMA public TO guarded")
    database = await PostgresDatabase.open(PostgresOptions(dsn))
    results = await asyncio.gather(
        *(database.read(Sql("SELECT pg_sleep(0.3)")) for _ in range(20)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert refused
    assert len(refused) < len(results)
    for error in refused:
        assert isinstance(error, StorageUnavailable)
        assert "DB_POOL_SIZE" in str(error)
    assert database.checked_out == 0
    await database.check_health()
    await database.aclose()


async def test_first_call_after_a_restart(server: PostgresServer, database: PostgresDatabase) -> None:
    """All connections of the pool have died; reads and writes find new ones, from the first call on."""
    repository = PostgresCaseRepository(database)
    await asyncio.gather(*(repository.save(a_case(number)) for number in range(1, 9)))
    await restart(server)
    stored = await repository.get(an_id("case", 1))
    assert stored is not None
    await restart(server)
    assert await repository.add_message(a_message(stored.case_id)) is True
    await restart(server)
    async with repository.begin_transaction():
        await repository.delete(an_id("case", 2))
    await restart(server)
    cases = await asyncio.gather(*(repository.get(an_id("case", number)) for number in range(3, 9)))
    assert None not in cases


async def test_server_is_away(server: PostgresServer, database: PostgresDatabase) -> None:
    """Every call fails at once while the server is down, and the first one after it is back succeeds."""
    repository = PostgresCaseRepository(database)
    await repository.save(a_case())
    await asyncio.to_thread(server.kill)
    try:
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(StorageUnavailable, match="CASES_DB_HOST"):
                await repository.get(an_id("case", 1))
            with pytest.raises(StorageUnavailable):
                await repository.add_message(a_message(an_id("case", 1)))
            with pytest.raises(StorageUnavailable):
                async with repository.begin_transaction():
                    pass
            assert time.monotonic() - began < FAST
    finally:
        await asyncio.to_thread(server.start)
    assert await repository.get(an_id("case", 1)) == a_case(version=1)


async def test_write_is_cut(server: PostgresServer, database: PostgresDatabase) -> None:
    """Nobody knows what became of a write whose connection broke; a read is just repeated, and fails plainly."""
    write = asyncio.create_task(database.write(SLEEP))
    read = asyncio.create_task(database.read(SLEEP))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(server.kill)
    try:
        with pytest.raises(OutcomeUnknown):
            await write
        with pytest.raises(StorageUnavailable):
            await read
    finally:
        await asyncio.to_thread(server.start)


async def test_read_is_repeated(server: PostgresServer, database: PostgresDatabase) -> None:
    """A read whose connection an administrator ends is done again on another one."""
    slow = Sql("SELECT 7 FROM pg_sleep(0.5)")
    read = asyncio.create_task(database.read(slow))
    await asyncio.sleep(0.2)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.5)' AND pid <> $1"
    await database.read(Sql(end, ("own",)), {"own": -1})
    assert (await read)[0][0] == 7


async def test_transaction_is_cut(server: PostgresServer, database: PostgresDatabase) -> None:
    """What was written in a transaction without a commit has not happened, and that is known."""
    repository = PostgresCaseRepository(database)

    async def work() -> None:
        async with repository.begin_transaction():
            await repository.save(a_case())
            await restart(server)
            await repository.save(a_case(2))

    with pytest.raises(StorageUnavailable):
        await work()
    assert await repository.scan() == ()


async def test_commit_is_cut(server: PostgresServer, database: PostgresDatabase) -> None:
    """Nobody knows whether a commit took place whose answer did not come."""
    async with database.atomic() as connection:
        await connection.execute(
            "CREATE TABLE slow (n int);"
            "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END';"
            "CREATE CONSTRAINT TRIGGER doze AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION doze()"
        )

    async def work() -> None:
        async with database.transaction():
            await database.write(Sql("INSERT INTO slow VALUES (1)"))

    task = asyncio.create_task(work())
    await asyncio.sleep(0.3)
    await restart(server)
    with pytest.raises(OutcomeUnknown):
        await task


async def test_server_falls_silent(server: PostgresServer, database: PostgresDatabase) -> None:
    """A server that takes connections but answers nothing is unavailable within five seconds, and good afterwards."""
    await database.check_health()
    await asyncio.sleep(1.1)
    postmaster = psutil.Process(server.pid)
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        process.suspend()
    try:
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match="did not answer in time"):
            await database.check_health()
        assert time.monotonic() - began < FAST
    finally:
        for process in processes:
            process.resume()
    await database.check_health()


async def test_statement_is_never_answered(server: PostgresServer) -> None:
    """The client has a limit of its own for a server that falls silent in the middle of a statement."""
    database = await PostgresDatabase.open(PostgresOptions(server.dsn(), statement_timeout=0.5))
    backend = psutil.Process((await database.read(Sql("SELECT pg_backend_pid()")))[0][0])
    backend.suspend()
    try:
        with pytest.raises(OutcomeUnknown):
            await database.write(Sql("SELECT 1"))
    finally:
        backend.resume()
    await database.check_health()
    assert database.checked_out == 0
    await database.aclose()
