"""Sessions and caches in SQLite."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.sql.schema import SchemaTooNew
from adapters.sqlite import sessions
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.session_schema import VERSION
from adapters.sqlite.sessions import SqliteSessionStore, open_session_database
from ports.errors import StorageCorrupt, StorageFull
from tests.contract.session_store import (
    CacheStoreContractTests,
    DurableSessionStoreContractTests,
    SessionStoreContractTests,
)
from tests.fakes import FakeClock

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[SqliteDatabase]:
    database = await open_session_database(path)
    yield database
    await database.aclose()


@pytest.fixture
def store(database: SqliteDatabase, clock: FakeClock) -> SqliteSessionStore:
    return SqliteSessionStore(database, clock)


@pytest.fixture
def neighbour(database: SqliteDatabase, clock: FakeClock) -> SqliteSessionStore:
    return SqliteSessionStore(database, clock, "caches")


@pytest.fixture
async def reopen(
    path: Path, clock: FakeClock, store: SqliteSessionStore
) -> AsyncIterator[Callable[[], Awaitable[SqliteSessionStore]]]:
    opened = [store]

    async def reopen_store() -> SqliteSessionStore:
        await opened[-1].aclose()
        opened.append(SqliteSessionStore(await open_session_database(path), clock))
        return opened[-1]

    yield reopen_store
    await opened[-1].aclose()


class TestSqliteSessionStore(SessionStoreContractTests):
    adapter = "sqlite"


class TestDurableSqliteSessionStore(DurableSessionStoreContractTests):
    adapter = "sqlite"


class TestSqliteCacheStore(CacheStoreContractTests):
    adapter = "sqlite"


def scalar(connection: sqlite3.Connection, sql: str, *values: object) -> object:
    return connection.execute(sql, values).fetchone()[0]


async def stored(database: SqliteDatabase) -> object:
    """How many rows there are, expired or not."""
    return await database.read(scalar, "SELECT count(*) FROM entries")


async def test_a_write_does_not_wait_for_the_disk_unless_it_is_told_to(path: Path) -> None:
    for arguments, level in (({}, 1), ({"synchronous": "FULL"}, 2)):
        database = await open_session_database(path, **arguments)  # type: ignore[arg-type]
        assert await database.write(scalar, "PRAGMA synchronous") == level
        await database.aclose()


async def test_writing_removes_what_has_expired(
    database: SqliteDatabase, clock: FakeClock, store: SqliteSessionStore
) -> None:
    """Each way to write a value that expires; two rows go for each that comes."""
    await store.set_many({f"old:{number}": "value" for number in range(20)}, SECOND)
    clock.advance(SECOND)
    await store.set("set", "value", SECOND)
    assert await stored(database) == 20 - 2 + 1
    await store.set_many({"one": "value", "two": "value"}, SECOND)
    assert await stored(database) == 19 - 4 + 2
    await store.add("add", "value", SECOND)
    assert await stored(database) == 17 - 2 + 1
    await store.compare_and_set("swap", None, "value", SECOND)
    assert await stored(database) == 16 - 2 + 1
    await store.increment("count", 1, SECOND)
    assert await stored(database) == 15 - 2 + 1


async def test_expired_values_do_not_accumulate(
    database: SqliteDatabase, clock: FakeClock, store: SqliteSessionStore
) -> None:
    for number in range(500):
        await store.set(f"key:{number}", "value", SECOND)
        clock.advance(SECOND / 10)
    assert await stored(database) == 10


async def test_a_sweep_takes_more_than_one_batch_and_leaves_the_neighbour_alone(
    database: SqliteDatabase,
    clock: FakeClock,
    store: SqliteSessionStore,
    neighbour: SqliteSessionStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "_SWEPT_AT_ONCE", 10)
    await store.set_many({f"key:{number}": "value" for number in range(25)}, SECOND)
    await neighbour.set("key", "value", SECOND)
    await store.set("longer", "value", SECOND * 2)
    clock.advance(SECOND)
    assert await store.sweep() == 25
    assert await stored(database) == 2
    assert await neighbour.sweep() == 1


@pytest.mark.parametrize(
    "sql",
    [
        (sessions._GET, "SEARCH entries USING INDEX sqlite_autoindex_entries_1 (namespace=? AND key=?)"),
        (sessions._KEYS, "SEARCH entries USING INDEX sqlite_autoindex_entries_1 (namespace=? AND key>? AND key<?)"),
        (sessions._SWEEP, "SEARCH entries USING COVERING INDEX ix_entries_expiry (namespace=? AND expires_at<?)"),
        (sessions._COUNT, "SEARCH entries USING COVERING INDEX ix_entries_expiry (namespace=? AND expires_at>?)"),
    ],
    ids=["get", "keys", "sweep", "count"],
)
async def test_no_statement_reads_the_whole_table(database: SqliteDatabase, sql: tuple[str, str]) -> None:
    def plan(connection: sqlite3.Connection) -> list[str]:
        names = ("namespace", "key", "now", "first", "last", "limit")
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql[0]}", dict.fromkeys(names, 0)).fetchall()
        return [row[3] for row in rows]

    steps = await database.read(plan)
    assert sql[1] in steps
    assert not [step for step in steps if step.startswith("SCAN")]
    assert not [step for step in steps if "TEMP B-TREE" in step]


async def test_a_prefix_of_the_last_characters_is_no_limit(store: SqliteSessionStore) -> None:
    keys = ["a", "a\U0010ffff", "a\U0010ffff" + "\U0010ffff" * 510, "b"]
    await store.set_many(dict.fromkeys(keys, "value"))
    assert await store.keys("a*") == keys[:3]
    assert await store.keys("a\U0010ffff*") == keys[1:3]


@pytest.mark.parametrize("expected", ["a\0b", "\ud800"], ids=ascii)
async def test_a_value_that_nobody_can_have_stored_is_not_there(store: SqliteSessionStore, expected: str) -> None:
    await store.set("key", "a")
    assert await store.compare_and_set("key", expected, "b") is False
    assert await store.get("key") == "a"


async def test_a_cancelled_change_ends_before_the_next_one(database: SqliteDatabase, store: SqliteSessionStore) -> None:
    """It has begun, so it is carried out to its end, and nobody else gets its answer."""
    begun, goes_on = threading.Event(), threading.Event()

    def hold(_connection: sqlite3.Connection) -> None:
        begun.set()
        assert goes_on.wait(timeout=60)

    holding = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(begun.wait, 60)
    cancelled = asyncio.create_task(store.increment("key"))
    await asyncio.sleep(0)
    cancelled.cancel()
    after = asyncio.create_task(store.increment("key", 10))
    await asyncio.sleep(0)
    goes_on.set()
    assert await after == 11
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await holding
    assert await store.get("key") == "11"


async def test_a_full_disk_changes_nothing_and_does_not_keep_anybody_from_reading(
    database: SqliteDatabase, store: SqliteSessionStore
) -> None:
    await store.set("key", "old")
    pages = await database.write(scalar, "PRAGMA page_count")
    await database.write(scalar, f"PRAGMA max_page_count={pages}")
    for operation in (
        store.set("key", "x" * 100_000, SECOND),
        store.set_many({"key": "new", "other": "x" * 100_000}),
        store.add("other", "x" * 100_000),
        store.compare_and_set("key", "old", "x" * 100_000),
    ):
        with pytest.raises(StorageFull, match="free space"):
            await operation
    assert await store.get("key") == "old"
    assert await store.keys("*") == ["key"]
    await database.write(scalar, "PRAGMA max_page_count=1000000")
    assert await store.set("key", "x" * 100_000) is True


async def test_damaged_text_is_reported_and_the_rest_is_readable(
    database: SqliteDatabase, store: SqliteSessionStore, neighbour: SqliteSessionStore
) -> None:
    await store.set_many({"bad": "value", "good": "value"})

    def damage(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE entries SET value = CAST(x'ff' AS TEXT) WHERE key = 'bad'")

    await database.write(damage)
    assert list(await store.check_integrity()) == ["entries, key b'bad': damaged; its value is lost"]
    assert list(await neighbour.check_integrity()) == []
    with pytest.raises(StorageCorrupt):
        await store.get("bad")
    assert await store.get("good") == "value"
    assert await store.set("bad", "again") is True
    assert list(await store.check_integrity()) == []


async def test_the_version_stands_in_the_file_and_a_newer_one_is_refused(path: Path, database: SqliteDatabase) -> None:
    assert await database.read(scalar, "PRAGMA user_version") == VERSION
    await database.aclose()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()
    with pytest.raises(SchemaTooNew, match=rf"'{VERSION + 1}'.*up to '{VERSION}'; start the newer release"):
        await open_session_database(path)


async def test_the_file_of_the_cases_is_refused_and_left_as_it_is(empty_file: Path, tmp_path: Path) -> None:
    content = empty_file.read_bytes()  # noqa: ASYNC240
    path = tmp_path / "cases.db"
    path.write_bytes(content)
    with pytest.raises(StorageCorrupt, match=r"cases\.db holds no sessions.*name another file"):
        await open_session_database(path)
    assert path.read_bytes() == content


async def test_a_file_of_the_release_before_gets_its_checkpoints(path: Path, clock: FakeClock) -> None:
    """Version 1 had no table for them; what it holds stays."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE entries (namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
            " expires_at INTEGER NOT NULL, UNIQUE (namespace, key))"
        )
        connection.execute("CREATE INDEX ix_entries_expiry ON entries (namespace, expires_at)")
        connection.execute("INSERT INTO entries VALUES ('sessions', 'key', 'value', ?)", (2**63 - 1,))
        connection.execute("PRAGMA user_version=1")
        connection.commit()
    for _ in range(2):
        database = await open_session_database(path)
        store = SqliteSessionStore(database, clock)
        assert await database.read(scalar, "PRAGMA user_version") == VERSION
        assert await store.get("key") == "value"
        await store.write_checkpoint("copy", "text")
        assert list(await store.check_integrity()) == []
        await database.aclose()


async def test_stores_on_one_file_tell_their_contents_apart(
    path: Path, store: SqliteSessionStore, neighbour: SqliteSessionStore
) -> None:
    assert store.location == f"sqlite:{path}#sessions"
    assert neighbour.location == f"sqlite:{path}#caches"
