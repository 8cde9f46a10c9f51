"""The database file: transactions, cancellation, limits and health."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import pytest
from sqlalchemy import select

from adapters.sql.tables import cases
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase, atomic
from adapters.sqlite.sql import compile_sql
from domain.case import Case
from ports.capabilities import SupportsHealth, SupportsIntegrityCheck
from ports.errors import Conflict, StorageCorrupt, StorageFull, StorageUnavailable
from ports.transfer import SupportsCaseTransfer
from tests.builders import a_case, a_message, an_evidence, an_id, an_investigating_case, later

PATIENCE = 20
"""Seconds after which a test that waits for a lock is taken to hang."""


def a_large_case(number: int = 1) -> Case:
    """A case whose document has more than 20 KB."""
    evidence = tuple(an_evidence(index, extract="12:01 upstream closed " * 60) for index in range(1, 13))
    case = an_investigating_case(number, evidence=evidence)
    assert len(case.model_dump_json()) > 20_000
    return case


@pytest.fixture
def repository(database: SqliteDatabase) -> SqliteCaseRepository:
    return SqliteCaseRepository(database)


@pytest.fixture
async def impatient(path: Path) -> AsyncIterator[SqliteDatabase]:
    """The file, opened by somebody who waits for a tenth of a second only."""
    database = await SqliteDatabase.open(path, busy_timeout=0.1)
    yield database
    await database.aclose()


async def test_abilities(repository: SqliteCaseRepository) -> None:
    """The repository is found to have its optional abilities."""
    assert isinstance(repository, SupportsHealth)
    assert isinstance(repository, SupportsIntegrityCheck)
    assert isinstance(repository, SupportsCaseTransfer)
    await repository.check_health()


@pytest.mark.parametrize(("synchronous", "level"), [("FULL", 2), ("NORMAL", 1)])
async def test_settings_of_the_connections(path: Path, synchronous: str, level: int) -> None:
    """What an acknowledged write survives is what was asked for, and no reader can write."""

    def pragma(connection: sqlite3.Connection, name: str) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    database = await SqliteDatabase.open(path, synchronous=synchronous)  # type: ignore[arg-type]
    assert await database.write(pragma, "synchronous") == level
    assert await database.write(pragma, "journal_mode") == "wal"
    assert await database.write(pragma, "foreign_keys") == 1
    assert await database.read(pragma, "query_only") == 1
    await database.aclose()


async def test_close_leaves_one_file_and_no_thread(path: Path) -> None:
    """After closing, the write-ahead log is part of the file and every thread has ended."""
    await asyncio.to_thread(int)
    before = set(threading.enumerate())
    database = await SqliteDatabase.open(path)
    await SqliteCaseRepository(database).save(a_case())
    assert path.with_name(f"{path.name}-wal").exists()
    threads = set(threading.enumerate()) - before
    assert len(threads) == 1 + 4
    await database.aclose()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


async def test_close_finishes_what_is_queued(database: SqliteDatabase, path: Path) -> None:
    """Writes that were accepted before the end are carried out."""
    repository = SqliteCaseRepository(database)
    saves = [asyncio.create_task(repository.save(a_case(number))) for number in range(1, 21)]
    await asyncio.sleep(0)
    await database.aclose()
    assert len(await asyncio.gather(*saves)) == 20
    again = await SqliteDatabase.open(path)
    assert (await SqliteCaseRepository(again).list()).total == 20
    await again.aclose()


async def test_cancelled_transaction_frees_the_writer(repository: SqliteCaseRepository) -> None:
    """A task that is cancelled again while it rolls back gives the writer back as well."""
    inside = asyncio.Event()

    async def work() -> None:
        async with repository.begin_transaction():
            await repository.save(a_case(1))
            inside.set()
            await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await repository.get(an_id("case", 1)) is None
        assert (await repository.save(a_case(1))).version == 1


async def test_cancelling_many_tasks(repository: SqliteCaseRepository) -> None:
    """A hundred tasks are cancelled at different points; nobody gets the answer of another, and the store goes on."""
    for number in range(1, 101):
        await repository.save(a_case(number))

    async def work(number: int) -> list[Case | None]:
        case_id = an_id("case", number)
        read = [await repository.get(case_id)]
        await repository.add_message(a_message(case_id, number))
        async with repository.begin_transaction():
            case = await repository.get(case_id)
            assert case is not None
            read.append(await repository.save(case.rename(f"Case {number}", later(number))))
            read.append(await repository.get(case_id))
        return read

    async with asyncio.timeout(PATIENCE):
        tasks = [asyncio.create_task(work(number)) for number in range(1, 101)]
        for number, task in enumerate(tasks):
            if number % 4:
                await asyncio.sleep(0)
            if number % 3:
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for number, result in enumerate(results, 1):
            if isinstance(result, list):
                assert [case.case_id for case in result if case] == [an_id("case", number)] * 3
            else:
                assert isinstance(result, asyncio.CancelledError)
        assert sum(isinstance(result, list) for result in results) == 34
        for number in range(1, 101):
            case = await repository.get(an_id("case", number))
            assert case is not None
            assert case.message_count == (await repository.get_messages(case.case_id)).total
            await repository.save(case.rename("Afterwards", later(200)))
    assert await repository.check_integrity() == []


async def test_child_task_cannot_wait_for_its_parent(impatient: SqliteDatabase) -> None:
    """A task started inside of a transaction is not part of it; a write of it is an error instead of a deadlock."""
    repository = SqliteCaseRepository(impatient)
    async with repository.begin_transaction():
        await repository.save(a_case(1))
        with pytest.raises(StorageUnavailable, match=r"another transaction has been open for 0\.1 s"):
            await asyncio.create_task(repository.save(a_case(2)))
        await repository.save(a_case(3))
    assert [case.case_id for case in await repository.scan()] == [an_id("case", 1), an_id("case", 3)]


async def test_lock_of_another_process(impatient: SqliteDatabase, path: Path) -> None:
    """While another program writes, reading works, writing is unavailable, and afterwards it works again."""
    repository = SqliteCaseRepository(impatient)
    await repository.save(a_case(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable):
        await repository.save(a_case(2))
    with pytest.raises(StorageUnavailable):
        async with repository.begin_transaction():
            pass
    with pytest.raises(StorageUnavailable):
        await repository.check_health()
    assert await repository.get(an_id("case", 1)) is not None
    other.execute("ROLLBACK")
    other.close()
    assert (await repository.save(a_case(2))).version == 1
    await repository.check_health()


async def test_full_disk(database: SqliteDatabase) -> None:
    """Without room a write says so and changes nothing, reading goes on, and with room writing does too."""
    repository = SqliteCaseRepository(database)

    def limit(connection: sqlite3.Connection, more: int) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages + more}")

    saved: list[Case] = []

    async def fill() -> None:
        while len(saved) < 200:
            saved.append(await repository.save(a_large_case(len(saved) + 1)))

    await database.write(limit, 100)
    with pytest.raises(StorageFull, match="free space"):
        await fill()
    assert 5 < len(saved) < 100
    assert [await repository.get(case.case_id) for case in saved] == saved
    assert (await repository.list(limit=200)).total == len(saved)
    assert await repository.check_integrity() == []
    await database.write(limit, 1000)
    assert (await repository.save(a_large_case(199))).version == 1


@pytest.mark.quirk(
    "SQLite", "a full disk ends a transaction by itself, and the next statement would be committed alone"
)
async def test_full_disk_inside_of_a_transaction(database: SqliteDatabase) -> None:
    """Once SQLite has rolled the transaction back by itself, nothing of it can slip in as a write of its own."""
    repository = SqliteCaseRepository(database)

    def roll_back(connection: sqlite3.Connection) -> None:
        connection.rollback()

    async def work() -> None:
        async with repository.begin_transaction():
            await repository.save(a_case(1))
            await database.write(roll_back)
            with pytest.raises(StorageUnavailable, match="repeat it as a whole"):
                await repository.save(a_case(2))

    with pytest.raises(StorageUnavailable, match="repeat it as a whole"):
        await work()
    assert (await repository.list()).total == 0
    assert (await repository.save(a_case(3))).version == 1


async def test_failed_operation_inside_of_a_transaction(database: SqliteDatabase) -> None:
    """An operation of several statements that fails half way is undone alone; the transaction goes on."""
    repository = SqliteCaseRepository(database)

    def fail_half_way(connection: sqlite3.Connection) -> None:
        with atomic(connection):
            connection.execute("DELETE FROM cases")
            raise Conflict("case", "x", 1, 2)

    async with repository.begin_transaction():
        await repository.save(a_case(1))
        with pytest.raises(Conflict):
            await database.write(fail_half_way)
        await repository.save(a_case(2))
    assert (await repository.list()).total == 2


async def test_missing_table(database: SqliteDatabase) -> None:
    """An error of the engine that nobody expects is still an error of the ports."""

    def ask(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT * FROM nothing")

    with pytest.raises(StorageCorrupt, match="expected structure"):
        await database.read(ask)


@pytest.mark.quirk(
    "SQLite",
    "a transaction that reads first and then writes fails at once with `database is locked`, whatever its timeout is",
)
async def test_two_databases_on_one_file(path: Path) -> None:
    """Eight writers on two sets of connections make 125 changes each: with a retry on conflict all 1,000 arrive."""
    databases = [await SqliteDatabase.open(path, synchronous="NORMAL", readers=1) for _ in range(2)]
    repositories = [SqliteCaseRepository(database) for database in databases]
    await repositories[0].save(a_case(title="0"))

    async def change(repository: SqliteCaseRepository) -> int:
        conflicts = 0
        for _ in range(125):
            while True:
                case = await repository.get(an_id("case", 1))
                assert case is not None
                try:
                    await repository.save(case.rename(str(int(case.title) + 1), later(1)))
                    break
                except Conflict:
                    conflicts += 1
        return conflicts

    conflicts = await asyncio.gather(*(change(repositories[number % 2]) for number in range(8)))
    case = await repositories[1].get(an_id("case", 1))
    assert case is not None
    assert (case.title, case.version) == ("1000", 1001)
    assert sum(conflicts) > 0
    for database in databases:
        await database.aclose()


async def test_event_loop_is_never_blocked(repository: SqliteCaseRepository) -> None:
    """While large cases are saved and read, the loop goes round at least every 25 ms."""

    async def longest_gap() -> float:
        longest, last, working = 0.0, perf_counter(), True

        async def watch() -> None:
            nonlocal longest, last
            while working:
                await asyncio.sleep(0.001)
                longest, last = max(longest, perf_counter() - last), perf_counter()

        watcher = asyncio.create_task(watch())
        case = await repository.get(a_large_case().case_id) or a_large_case()
        for _ in range(200):
            case = await repository.save(case)
        await repository.list(limit=200)
        working = False
        await watcher
        return longest

    # Whatever else runs on the machine can delay a round; what the store itself blocks is blocked in every round.
    gaps = [await longest_gap()]
    while gaps[-1] >= 0.025 and len(gaps) < 10:
        gaps.append(await longest_gap())
    assert min(gaps) < 0.025


async def test_open_fails_after_the_schema_was_checked(tmp_path: Path) -> None:
    """If a connection cannot be opened, those before it are closed, and the error is one of the ports."""
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no database at all. " * 50)
    threads = set(threading.enumerate())
    with pytest.raises(StorageCorrupt, match=r"notes\.txt"):
        await SqliteDatabase.open(path, prepare=lambda path, *, busy_timeout: None)
    for thread in set(threading.enumerate()) - threads:
        if not thread.name.startswith("asyncio"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


async def test_transaction_that_the_engine_ended(database: SqliteDatabase) -> None:
    """An operation whose transaction SQLite has already rolled back reports the cause, not that there is none."""

    def fail(connection: sqlite3.Connection) -> None:
        with atomic(connection):
            connection.rollback()
            raise Conflict("case", "x", 1, 2)

    with pytest.raises(Conflict):
        await database.write(fail)


def test_statement_with_a_value_in_it() -> None:
    """A statement that would lose a value when it becomes text is refused."""
    with pytest.raises(ValueError, match="named parameter"):
        compile_sql(select(cases).where(cases.c.version == 1))
