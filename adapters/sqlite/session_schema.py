"""Making a SQLite file for sessions and caches."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from adapters.sql.schema import SchemaTooNew
from adapters.sqlite.database import atomic
from adapters.sqlite.schema import existing
from ports.errors import StorageCorrupt

VERSION = 1
"""Stands in the file, as its user version. A file that a release makes has the newest version from the start."""

_TABLE = (
    "CREATE TABLE entries (namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " expires_at INTEGER NOT NULL, UNIQUE (namespace, key))"
)
_INDEX = "CREATE INDEX ix_entries_expiry ON entries (namespace, expires_at)"


def prepare_sessions(path: Path, *, busy_timeout: float) -> None:
    """See to it that the file exists and has the schema of sessions.

    Blocks. It is made as a whole or not at all.

    Raises:
        SchemaTooNew: a newer release wrote the file.
        StorageCorrupt: it is a database for something else.
        PortError: the file cannot be opened or written, or is no database.
    """
    with existing(path, busy_timeout) as connection:
        version = _version(connection)
        if version == 0:
            with atomic(connection):
                _make(connection, path)
        elif version != VERSION:
            raise SchemaTooNew(f"database {path}", str(version), str(VERSION))


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _make(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
        raise StorageCorrupt(f"database {path} holds no sessions but something else; name another file")
    connection.execute(_TABLE)
    connection.execute(_INDEX)
    connection.execute(f"PRAGMA user_version={VERSION}")
