"""Snapshots of a whole file."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.users import SqliteUserRepository
from domain.errors import InvalidInput
from ports.errors import PortError, StorageUnavailable
from tests.builders import a_case, a_user
from tests.contract.knowledge.samples import a_document, chunks
from tests.contract.transfer.snapshots import by_another_task

PATIENCE = 20


async def test_all_repositories_show_the_same_moment(database: SqliteDatabase) -> None:
    """The snapshot that one repository takes is that of all on the file, and none of them writes."""
    cases, users = SqliteCaseRepository(database), SqliteUserRepository(database)
    knowledge = SqliteKnowledgeRepository(database)
    async with users.snapshot():
        await by_another_task(cases.save, a_case())
        await by_another_task(users.save, a_user())
        await by_another_task(knowledge.save, a_document(), chunks(1, "alpha"))
        assert await cases.scan() == await users.scan() == await knowledge.scan() == ()
        with pytest.raises(InvalidInput, match="snapshot"):
            await cases.save(a_case(2))
    assert len(await cases.scan()) == len(await users.scan()) == len(await knowledge.scan()) == 1


async def test_readers_stay_free(path: Path) -> None:
    """However many snapshots there are, others find a reader."""
    database = await SqliteDatabase.open(path, readers=1)
    cases = SqliteCaseRepository(database)
    leave = asyncio.Event()
    entered = asyncio.Semaphore(0)

    async def hold() -> None:
        async with cases.snapshot():
            entered.release()
            await leave.wait()

    async with asyncio.timeout(PATIENCE):
        holders = [asyncio.create_task(hold()) for _ in range(8)]
        for _ in holders:
            await entered.acquire()
        await cases.save(a_case())
        assert len(await cases.scan()) == 1
        leave.set()
        await asyncio.gather(*holders)
    await database.aclose()


async def test_thread_ends(database: SqliteDatabase) -> None:
    """A snapshot, also one that is cancelled while it begins, leaves no thread."""
    cases = SqliteCaseRepository(database)
    before = set(threading.enumerate())

    async def take() -> None:
        async with cases.snapshot():
            await cases.scan()

    await take()
    for turns in range(6):
        task = asyncio.create_task(take())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


async def test_closed_inside_of_a_snapshot(database: SqliteDatabase, path: Path) -> None:
    """Reading goes on until the file is closed, then it says so; the file is whole and alone."""
    cases = SqliteCaseRepository(database)
    await cases.save(a_case())
    async with cases.snapshot():
        assert len(await cases.scan()) == 1
        await database.aclose()
        with pytest.raises(StorageUnavailable):
            await cases.scan()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_lost_snapshot(database: SqliteDatabase) -> None:
    """If SQLite has ended the reading by itself, nothing newer is shown in its place."""
    cases = SqliteCaseRepository(database)
    async with cases.snapshot():
        await database.read(lambda connection: connection.rollback())
        with pytest.raises(StorageUnavailable, match="rolled back"):
            await cases.scan()
    assert await cases.scan() == ()


async def test_file_that_cannot_be_opened(database: SqliteDatabase, path: Path) -> None:
    """Without the file there is no snapshot, and no error of the driver."""
    cases = SqliteCaseRepository(database)
    with _replaced_by_a_folder(path), pytest.raises(PortError):
        async with cases.snapshot():
            raise AssertionError("a snapshot of nothing was taken")
    async with cases.snapshot():
        assert await cases.scan() == ()


@contextmanager
def _replaced_by_a_folder(path: Path) -> Iterator[None]:
    elsewhere = path.rename(path.with_name("elsewhere.db"))
    path.mkdir()
    yield
    path.rmdir()
    elsewhere.rename(path)
