"""The driver's errors as the errors of the ports."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from domain.errors import DomainError, InvalidInput
from ports.errors import PortError, StorageCorrupt, StorageFull, StorageUnavailable

# A full disk shows as FULL; a quota, a limit on the file's size or no room for the shared memory as one of the others.
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_SCHEMA}
_UNAVAILABLE = {
    sqlite3.SQLITE_ABORT,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
_REFUSED = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_TOOBIG}


def translate(error: sqlite3.Error, path: Path) -> PortError | DomainError:
    """The port's error for an error of the driver, told apart by its code."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Without a code it does not come from the engine: a text that is no UTF-8, or a connection that is gone.
        if isinstance(error, sqlite3.ProgrammingError):
            return StorageUnavailable(f"database {path} cannot be used: {error}")
        return StorageCorrupt(f"database {path} holds text that cannot be read: {error}")
    primary = code & 0xFF
    if code in _FULL or primary in _FULL:
        return StorageFull(f"database {path} cannot grow ({error}); free space on its volume or raise its quota")
    if primary in _CORRUPT:
        return StorageCorrupt(f"database {path} is damaged ({error}); restore it from a backup")
    if primary in _UNAVAILABLE:
        return StorageUnavailable(f"database {path} cannot be used now: {error}")
    if primary in _REFUSED:
        return InvalidInput(f"database {path} refuses the data: {error}")
    return StorageCorrupt(f"database {path} does not have the expected structure: {error}")
