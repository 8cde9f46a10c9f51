"""Errors of the driver become errors of the ports, by their codes."""

import sqlite3
from pathlib import Path

import pytest

from adapters.sqlite.errors import translate
from domain.errors import InvalidInput
from ports.errors import StorageCorrupt, StorageFull, StorageUnavailable

PATH = Path("/data/faultmaven.db")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, StorageFull),
        (sqlite3.SQLITE_IOERR_WRITE, StorageFull),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StorageFull),
        (sqlite3.SQLITE_IOERR_READ, StorageUnavailable),
        (sqlite3.SQLITE_BUSY, StorageUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StorageUnavailable),
        (sqlite3.SQLITE_LOCKED, StorageUnavailable),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, StorageUnavailable),
        (sqlite3.SQLITE_READONLY_DBMOVED, StorageUnavailable),
        (sqlite3.SQLITE_CORRUPT_VTAB, StorageCorrupt),
        (sqlite3.SQLITE_NOTADB, StorageCorrupt),
        (sqlite3.SQLITE_ERROR, StorageCorrupt),
        (sqlite3.SQLITE_CONSTRAINT_NOTNULL, InvalidInput),
        (sqlite3.SQLITE_TOOBIG, InvalidInput),
    ],
)
def test_code(code: int, expected: type[Exception]) -> None:
    """The code decides, also the extended one; the file is named."""
    error = sqlite3.OperationalError("what the engine says")
    error.sqlite_errorcode = code
    translated = translate(error, PATH)
    assert type(translated) is expected
    assert str(PATH) in str(translated)
    assert "what the engine says" in str(translated)


def test_without_code() -> None:
    """Errors of the Python module have no code: a connection that is gone, or bytes that are no text."""
    assert type(translate(sqlite3.ProgrammingError("closed"), PATH)) is StorageUnavailable
    assert type(translate(sqlite3.OperationalError("Could not decode to UTF-8"), PATH)) is StorageCorrupt
