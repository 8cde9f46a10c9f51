"""Databases for the tests: copies of one empty file, since making the schema takes a while."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.schema import prepare


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the current schema and no data."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    prepare(path, busy_timeout=5)
    return path


@pytest.fixture
def path(empty_file: Path, tmp_path: Path) -> Path:
    """A database file of the test's own."""
    return Path(shutil.copy(empty_file, tmp_path / "faultmaven.db"))


@pytest.fixture
async def open_again(path: Path) -> AsyncIterator[Callable[[], Awaitable[SqliteDatabase]]]:
    """Closes the file if it is open, and opens it."""
    opened: list[SqliteDatabase] = []

    async def close_and_open() -> SqliteDatabase:
        for database in opened:
            await database.aclose()
        opened.append(await SqliteDatabase.open(path))
        return opened[-1]

    yield close_and_open
    for database in opened:
        await database.aclose()


@pytest.fixture
async def database(open_again: Callable[[], Awaitable[SqliteDatabase]]) -> SqliteDatabase:
    """The file, opened."""
    return await open_again()
