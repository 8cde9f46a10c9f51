"""Single rows are read without a thread, and still seen as by any other read."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from adapters.sqlite.database import SqliteDatabase
from adapters.system import quick_reads
from ports.errors import StorageCorrupt, StorageUnavailable
from tests.adapters.system.turns import another_task

MAIN = threading.main_thread()


@pytest.fixture
async def table(database: SqliteDatabase) -> SqliteDatabase:
    await database.write(sqlite3.Connection.execute, "CREATE TABLE note (text TEXT)")
    await database.write(sqlite3.Connection.execute, "INSERT INTO note VALUES ('first')")
    return database


def look(connection: sqlite3.Connection) -> tuple[threading.Thread, list[str]]:
    """Where it is read, and what."""
    rows = connection.execute("SELECT text FROM note ORDER BY rowid").fetchall()
    return threading.current_thread(), [text for (text,) in rows]


async def test_without_a_thread(table: SqliteDatabase) -> None:
    assert await table.read_few(look) == (MAIN, ["first"])
    await table.write(sqlite3.Connection.execute, "INSERT INTO note VALUES ('second')")
    assert await table.read_few(look) == (MAIN, ["first", "second"])
    assert (await table.read(look))[0] is not MAIN


async def test_in_a_thread_while_the_disk_is_slow(table: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_reads, "SLOW", -1.0)
    assert (await table.read_few(look))[0] is MAIN
    assert (await table.read_few(look))[0] is not MAIN


@pytest.mark.parametrize("error", [sqlite3.OperationalError, StorageCorrupt])
async def test_in_a_thread_after_a_slow_one_that_failed(
    table: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Be it the file that is at fault, or what stands there."""

    def fail(_: sqlite3.Connection) -> None:
        raise error("damaged")

    monkeypatch.setattr(quick_reads, "SLOW", -1.0)
    with pytest.raises(Exception, match="damaged"):
        await table.read_few(fail)
    assert (await table.read_few(look))[0] is not MAIN


async def test_reads_that_fail_let_others_have_their_turn(table: SqliteDatabase) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise StorageCorrupt("damaged")

    async with another_task() as turns:
        for _ in range(10 * quick_reads.AT_ONCE):
            with pytest.raises(StorageCorrupt):
                await table.read_few(fail)
    assert turns.count >= 10


async def test_a_row_of_reads_lets_others_have_their_turn(table: SqliteDatabase) -> None:
    async with another_task() as turns:
        for _ in range(10 * quick_reads.AT_ONCE):
            await table.read_few(look)
    assert turns.count >= 10


async def test_own_transaction_is_seen_by_its_task(table: SqliteDatabase) -> None:
    async with table.transaction():
        await table.write(sqlite3.Connection.execute, "INSERT INTO note VALUES ('mine')")
        assert (await table.read_few(look))[1] == ["first", "mine"]


async def test_transaction_of_another_task_is_not_seen(table: SqliteDatabase) -> None:
    async with table.transaction():
        await table.write(sqlite3.Connection.execute, "INSERT INTO note VALUES ('mine')")
        assert await asyncio.create_task(table.read_few(look)) == (MAIN, ["first"])


async def test_snapshot_stays_as_it_was(table: SqliteDatabase, path: Path) -> None:
    async with table.snapshot():
        with sqlite3.connect(path) as other:
            other.execute("INSERT INTO note VALUES ('later')")
        other.close()
        assert (await table.read_few(look))[1] == ["first"]
    assert (await table.read_few(look))[1] == ["first", "later"]


async def test_what_cannot_be_read_at_once_is_read_by_a_thread_that_waits(table: SqliteDatabase) -> None:
    """As when the file is locked for a moment."""

    def only_elsewhere(connection: sqlite3.Connection) -> str:
        if threading.current_thread() is MAIN:
            raise sqlite3.OperationalError("database is locked")
        return "read"

    assert await table.read_few(only_elsewhere) == "read"


async def test_nothing_can_be_changed(table: SqliteDatabase) -> None:
    with pytest.raises(StorageUnavailable, match="readonly"):
        await table.read_few(sqlite3.Connection.execute, "INSERT INTO note VALUES ('never')")


async def test_closed(table: SqliteDatabase) -> None:
    await table.aclose()
    with pytest.raises(StorageUnavailable, match="closed"):
        await table.read_few(look)
