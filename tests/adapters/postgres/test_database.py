"""The pool, the transactions and the end of a `PostgresDatabase`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.postgres import pool
from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.postgres.sql import Sql
from adapters.postgres.users import PostgresUserRepository
from domain.errors import InvalidInput
from ports.errors import AlreadyExists, Conflict, StorageUnavailable
from tests.builders import a_case, a_message, a_user, an_id, later

pytestmark = pytest.mark.postgres

BACKEND = Sql("SELECT pg_backend_pid()")


async def backend(database: PostgresDatabase) -> int:
    """The server process that serves the next call."""
    return int((await database.read(BACKEND))[0][0])


def connections(database: PostgresDatabase) -> int:
    """How many connections are open."""
    return database._pool._pool.get_size()


async def sleep_together(database: PostgresDatabase, tasks: int) -> None:
    """Use as many connections at once."""
    await asyncio.gather(*(database.read(Sql("SELECT pg_sleep(0.1)")) for _ in range(tasks)))


async def test_answers(database: PostgresDatabase) -> None:
    """A fresh database is in health and has the extension for searching."""
    await database.check_health()
    assert database.has_trigrams
    assert database.checked_out == 0


async def test_closed(database: PostgresDatabase) -> None:
    """Closing twice is fine; any call afterwards says that the database is closed."""
    await database.aclose()
    await database.aclose()
    with pytest.raises(StorageUnavailable, match="is closed"):
        await database.check_health()


async def test_close_waits_for_what_is_under_way(database: PostgresDatabase) -> None:
    """An operation that has begun gets its reply."""
    slow = asyncio.create_task(database.read(Sql("SELECT 7 FROM pg_sleep(0.3)")))
    await asyncio.sleep(0.1)
    await database.aclose()
    assert (await slow)[0][0] == 7


async def test_close_does_not_wait_forever(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An operation that does not end is cut."""
    monkeypatch.setattr(pool, "_CLOSE_SECONDS", 0.2)
    slow = asyncio.create_task(database.read(Sql("SELECT pg_sleep(30)")))
    await asyncio.sleep(0.1)
    await database.aclose()
    with pytest.raises(StorageUnavailable):
        await slow
    assert "still under way" in caplog.text


# ---------------------------------------------------------------- pool


@pytest.fixture
async def small(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresDatabase]:
    """A pool of two connections that may grow to five; the surplus goes after half a second."""
    monkeypatch.setattr(pool, "_SURPLUS_SECONDS", 0.5)
    database = await PostgresDatabase.open(PostgresOptions(dsn, pool_size=2, max_overflow=3))
    yield database
    assert database.checked_out == 0
    await database.aclose()


async def test_pool_grows_and_shrinks(small: PostgresDatabase) -> None:
    """Connections are opened when they are needed, up to the limit, and the surplus is closed again."""
    assert connections(small) == 1
    await sleep_together(small, 8)
    assert connections(small) == 5
    await asyncio.sleep(1)
    assert connections(small) == 2
    await asyncio.sleep(1)
    assert connections(small) == 2


async def test_pool_keeps_no_more_than_it_needs(small: PostgresDatabase) -> None:
    """Calls one after the other use one connection."""
    assert len({await backend(small) for _ in range(20)}) == 1


async def test_connection_at_rest_is_kept_aside(small: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes through the driver's pool once in a while only, or when its operation did not end well."""
    await backend(small)
    given_back = 0
    release = small._pool._pool.release

    async def count(*arguments: Any, **options: Any) -> None:
        nonlocal given_back
        given_back += 1
        await release(*arguments, **options)

    monkeypatch.setattr(type(small._pool._pool), "release", lambda _, *given, **options: count(*given, **options))
    for _ in range(20):
        await backend(small)
    async with small.transaction():
        await backend(small)
    assert given_back == 0
    with pytest.raises(InvalidInput):
        await small.read(Sql("SELECT 1 / 0"))
    assert given_back == 1
    monkeypatch.setattr(pool, "_PASSED_ON", 1)
    await backend(small)
    assert given_back == 2


async def test_dead_connection_is_replaced(small: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was cut while it was idle is found out before a write goes over it, which is never repeated."""
    before = await backend(small)
    await asyncio.sleep(1.1)
    (connection,) = [holder._con for holder in small._pool._pool._holders if holder._con is not None]
    # The driver has not noticed yet: nothing is read from the socket.
    connection._transport.pause_reading()
    killer = await PostgresDatabase.open(small.options)
    await killer.read(Sql("SELECT pg_terminate_backend($1)", ("pid",)), {"pid": before})
    await killer.aclose()
    monkeypatch.setattr(pool, "PING_SECONDS", 0.3)
    assert int((await small.write(BACKEND))[0][0]) != before


async def test_connection_in_use_is_not_asked(small: PostgresDatabase) -> None:
    """The question whether a connection is alive is not put before each call, only after a rest."""
    sent = Sql("SELECT query FROM pg_stat_activity WHERE pid = $1", ("pid",))
    first = await backend(small)
    other = await PostgresDatabase.open(small.options)
    assert (await other.read(sent, {"pid": first}))[0][0] == BACKEND.text
    await other.aclose()


# ---------------------------------------------------------------- transactions


async def test_transaction_spoilt_by_an_error(database: PostgresDatabase) -> None:
    """A transaction in which a statement failed says so at its end, though the server takes the COMMIT."""

    async def work() -> None:
        async with database.transaction():
            with pytest.raises(InvalidInput):
                await database.read(Sql("SELECT 1 / 0"))
            with pytest.raises(StorageUnavailable, match="repeat it as a whole"):
                await database.read(Sql("SELECT 1"))

    with pytest.raises(StorageUnavailable, match="repeat it as a whole"):
        await work()
    assert database.checked_out == 0


async def test_atomic_inside_a_transaction(database: PostgresDatabase) -> None:
    """A part that fails is undone by itself, and the rest of the transaction happens."""

    async def insert(number: int, divisor: int) -> None:
        async with database.atomic() as connection:
            await connection.execute("INSERT INTO scratch VALUES ($1)", number)
            await connection.execute("SELECT 1 / $1::int", divisor)

    await database.write(Sql("CREATE TABLE scratch (n int)"))
    async with database.transaction():
        await insert(1, 1)
        with pytest.raises(InvalidInput):
            await insert(2, 0)
        await insert(3, 1)
    rows = await database.read(Sql("SELECT n FROM scratch ORDER BY n"))
    await database.write(Sql("DROP TABLE scratch"))
    assert [row[0] for row in rows] == [1, 3]


async def test_repositories_share_a_transaction(database: PostgresDatabase) -> None:
    """Cases and users of one database are written together or not at all."""
    cases, users = PostgresCaseRepository(database), PostgresUserRepository(database)

    async def work() -> None:
        async with cases.begin_transaction():
            await cases.save(a_case())
            await users.save(a_user())
            raise Conflict("case", "x", 1, 2)

    with pytest.raises(Conflict):
        await work()
    assert await cases.scan() == ()
    assert await users.scan() == ()


async def test_transaction_outlives_errors_of_users(database: PostgresDatabase) -> None:
    """A name that is taken, found out by an insert or an update, leaves the transaction usable."""
    users = PostgresUserRepository(database)
    await users.save(a_user(1))
    second = await users.save(a_user(2))
    async with database.transaction():
        with pytest.raises(AlreadyExists, match="username"):
            await users.save(a_user(3, username=a_user(1).username))
        with pytest.raises(AlreadyExists, match="email"):
            await users.save(second.replace(email=a_user(1).email))
        with pytest.raises(Conflict):
            await users.save(second.replace(version=7))
        await users.save(a_user(4))
    assert [user.user_id for user in await users.scan()] == [an_id("user", number) for number in (1, 2, 4)]


async def test_deadlock_of_transactions(database: PostgresDatabase) -> None:
    """One of two transactions that wait for each other is told to repeat, and the other one commits."""
    cases = PostgresCaseRepository(database)
    stored = {number: await cases.save(a_case(number)) for number in (1, 2)}
    met = asyncio.Barrier(2)

    async def work(first: int, second: int) -> None:
        async with cases.begin_transaction():
            await cases.save(stored[first].rename(f"{first} before {second}", later(1)))
            await met.wait()
            await cases.save(stored[second].rename(f"{first} before {second}", later(1)))

    results = await asyncio.gather(work(1, 2), work(2, 1), return_exceptions=True)
    (error,) = [result for result in results if result is not None]
    assert isinstance(error, StorageUnavailable)
    assert "40P01" in str(error)
    assert len({case.title for case in await cases.scan()}) == 1


async def test_deadlock_of_a_statement_is_repeated(database: PostgresDatabase) -> None:
    """A statement of its own that the server undoes because of a deadlock is sent again."""
    cases = PostgresCaseRepository(database)
    for number in (1, 2):
        await cases.save(a_case(number))
    lock = Sql("SELECT case_id FROM cases WHERE case_id = $1 FOR UPDATE", ("key",))
    both = Sql(
        "WITH first AS (UPDATE cases SET version = version + 1 WHERE case_id = $1 RETURNING pg_sleep(0.3)),"
        " waited AS MATERIALIZED (SELECT count(*) AS n FROM first)"
        " UPDATE cases SET version = version + (SELECT n FROM waited) WHERE case_id = $2 RETURNING case_id",
        ("first", "second"),
    )
    parameters = {"first": an_id("case", 1), "second": an_id("case", 2)}
    async with database.transaction():
        await database.read(lock, {"key": an_id("case", 2)})
        # The server ends whoever has waited for a second, which is the statement.
        await database.read(Sql("SET LOCAL deadlock_timeout = '10s'"))
        statement = asyncio.create_task(database.write(both, parameters))
        await asyncio.sleep(0.6)
        await database.read(lock, {"key": an_id("case", 1)})
    assert len(await statement) == 1
    rows = await database.read(Sql("SELECT version FROM cases ORDER BY case_id"))
    assert [row[0] for row in rows] == [2, 2]


async def test_message_of_two_cases_at_once(database: PostgresDatabase) -> None:
    """Of two cases that get a message of the same id at once, one has it, and neither counts wrong."""
    cases = PostgresCaseRepository(database)
    for number in (1, 2):
        await cases.save(a_case(number))
    for message in range(1, 21):
        results = await asyncio.gather(
            *(cases.add_message(a_message(an_id("case", number), message)) for number in (1, 2, 1, 2)),
            return_exceptions=True,
        )
        assert results.count(True) == 2
        assert sum(isinstance(result, AlreadyExists) for result in results) == 2
    assert await cases.check_integrity() == []
    assert sum([case.message_count for case in await cases.scan()]) == 20


async def test_page_and_total_describe_one_moment(database: PostgresDatabase) -> None:
    """While cases come and go, no list has more or fewer items than its total says."""
    cases = PostgresCaseRepository(database)
    done = asyncio.Event()

    async def come_and_go() -> None:
        for number in range(150):
            await cases.save(a_case(number % 7 + 1))
            await cases.delete(an_id("case", (number + 3) % 7 + 1))
        done.set()

    async def look() -> int:
        looks = 0
        while not done.is_set():
            for page in (await cases.list(), await cases.search("checkout")):
                assert len(page.items) == page.total
            looks += 1
        return looks

    async def write() -> None:
        try:
            await come_and_go()
        finally:
            done.set()

    looks, _ = await asyncio.gather(look(), write())
    assert looks > 10


def test_location() -> None:
    """It tells databases apart, also on other hosts and ports, and shows neither user nor password."""
    addresses = ("db/one", "db/two", "db:5433/one", "other/one")
    locations = [PostgresOptions(f"postgresql://somebody:s3cret@{address}").location for address in addresses]
    assert len(set(locations)) == 4
    assert PostgresOptions("postgresql://somebody:s3cret@db:5432/one").location == locations[0]
    assert not [location for location in locations if "s3cret" in location or "somebody" in location]
