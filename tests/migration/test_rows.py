"""Between stores with the same tables, cases are copied as rows; what arrives is what would arrive as values."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from application.transfer.collections import collection_of, row_stores
from application.transfer.items import Kind
from application.transfer.migrator import StoreMigrator
from domain.message import Message
from ports.errors import StorageCorrupt, StorageUnavailable
from ports.transfer import CaseRows
from tests.builders import a_case, a_message, an_id
from tests.migration.content import content, everything, fill
from tests.stateful.server_adapters import new_postgres_database

MESSAGES = (3, 0, 7, 1, 4)
"""Of each case."""


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """A file with a few cases."""
    database = await SqliteDatabase.open(tmp_path / "source.db", synchronous="NORMAL")
    repository = SqliteCaseRepository(database)
    for number, count in enumerate(MESSAGES, start=1):
        await repository.save(a_case(number))
        await repository.add_messages([a_numbered_message(number, place) for place in range(1, count + 1)])
    yield database
    await database.aclose()


@pytest.fixture
async def target(request: pytest.FixtureRequest) -> AsyncIterator[PostgresCaseRepository]:
    """An empty store in PostgreSQL."""
    async with new_postgres_database(request.getfixturevalue) as dsn:
        database = await PostgresDatabase.open(PostgresOptions(dsn))
        yield PostgresCaseRepository(database)
        await database.aclose()


def a_numbered_message(case: int, place: int) -> Message:
    """The message at this place of the case."""
    message = a_message(an_id("case", case))
    return message.model_copy(update={"message_id": f"msg_{case:04x}{place:012x}", "content": f"{case}.{place}"})


@pytest.mark.parametrize("limit", range(1, 17))
async def test_pages_of_rows(file: SqliteDatabase, limit: int) -> None:
    """Whatever the size of the pages, each row comes once, cases by id and messages in their order."""
    repository = SqliteCaseRepository(file)
    pages: list[CaseRows] = []
    after = None
    while page := await repository.read_rows(after, limit):
        assert len(page.messages) <= limit
        pages.append(page)
        after = page.position
    assert [row["case_id"] for page in pages for row in page.cases] == [an_id("case", n) for n in range(1, 6)]
    said = [Message.model_validate_json(row["json"]).content for page in pages for row in page.messages]
    assert said == [
        f"{number}.{place}" for number, count in enumerate(MESSAGES, start=1) for place in range(1, count + 1)
    ]


async def test_no_rows(tmp_path: Path) -> None:
    """An empty store has no page."""
    database = await SqliteDatabase.open(tmp_path / "empty.db")
    assert await SqliteCaseRepository(database).read_rows(None, 10) is None
    await database.aclose()


@pytest.mark.postgres
async def test_rows_in_many_pages(
    file: SqliteDatabase, target: PostgresCaseRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case whose messages are spread over pages arrives in one piece."""
    monkeypatch.setattr("application.transfer.batches.BATCH_ITEMS", 2)
    source = SqliteCaseRepository(file)
    migrator = StoreMigrator(source, target)
    migration = await migrator.migrate_all()
    assert (migration.read, migration.written) == (5, 5)
    assert (await migrator.verify()).is_clean
    assert await everything(collection_of(target)) == await everything(collection_of(source))
    assert not await target.check_integrity()


class Failing(PostgresCaseRepository):
    """Fails to write its second page, after it has written the third one."""

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database)
        self.pages: list[object] = []
        self.third = asyncio.Event()

    async def prepare_rows(self, rows: CaseRows) -> object:
        self.pages.append(await super().prepare_rows(rows))
        return self.pages[-1]

    async def put_rows(self, prepared: object) -> None:
        # Pages are prepared in their order, but it is not said which of two that are written at once comes first.
        page = self.pages.index(prepared) + 1
        if page == 2:
            await self.third.wait()
            raise StorageUnavailable("the server is away")
        await super().put_rows(prepared)
        if page == 3:
            self.third.set()


@pytest.mark.postgres
async def test_page_that_fails(tmp_path: Path, target: PostgresCaseRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are written side by side, but none is kept without those before it; the next migration goes on there."""
    monkeypatch.setattr("application.transfer.batches.BATCH_ITEMS", 2)
    async with aclosing(await SqliteDatabase.open(tmp_path / "pages.db", synchronous="NORMAL")) as database:
        source = SqliteCaseRepository(database)
        for number in range(1, 6):
            await source.save(a_case(number))
            await source.add_messages([a_numbered_message(number, place) for place in (1, 2)])
        async with asyncio.timeout(60):
            with pytest.raises(StorageUnavailable, match="away"):
                await StoreMigrator(source, Failing(target._database)).migrate_all()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert [case.case_id for case in await target.scan()] == [an_id("case", 1)]
        migrator = StoreMigrator(source, target)
        assert (await migrator.migrate_all()).resumed == 1
        assert (await migrator.verify()).is_clean


@pytest.mark.postgres
@pytest.mark.parametrize("row_format", ["sql 0000", None])
async def test_rows_and_values_are_the_same(
    tmp_path: Path, target: PostgresCaseRepository, monkeypatch: pytest.MonkeyPatch, row_format: str | None
) -> None:
    """A source whose rows another release would write is copied by its values, with the same result."""
    database = await SqliteDatabase.open(tmp_path / "source.db", synchronous="NORMAL")
    source = SqliteCaseRepository(database)
    items = content(Kind.CASES)
    await fill(source, items)
    if row_format is not None:
        monkeypatch.setattr(source, "row_format", row_format, raising=False)
    as_rows = row_stores(collection_of(source), collection_of(target))
    assert (as_rows is None) == (row_format is not None)
    await StoreMigrator(source, target).migrate_all()
    assert await everything(collection_of(target)) == list(items)
    await database.aclose()


@pytest.mark.postgres
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE cases SET document = replace(document, '3', '4')",
        "UPDATE case_messages SET document = replace(document, '3', '4')",
    ],
)
async def test_damaged_rows_are_not_copied(file: SqliteDatabase, target: PostgresCaseRepository, damage: str) -> None:
    """A row that does not match its checksum stops the copy before it is written."""
    await file.write(sqlite3.Connection.execute, damage)
    with pytest.raises(StorageCorrupt, match="does not match its checksum"):
        await StoreMigrator(SqliteCaseRepository(file), target).migrate_all()
    assert (await target.list()).total == 0
