"""Making a SQLite file for sessions and caches."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from adapters.sql.schema import SchemaTooNew
from adapters.sqlite.database import atomic
from adapters.sqlite.schema import existing
from ports.errors import StorageCorrupt

VERSION = 2
"""Stands in the file, as its user version. A file that a release makes has the newest version from the start."""

_TABLE = (
    "CREATE TABLE entries (namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " expires_at INTEGER NOT NULL, UNIQUE (namespace, key))"
)
# Each namespace is a content of its own, with checkpoints of its own.
_CHECKPOINTS = (
    "CREATE TABLE checkpoints (namespace TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,"
    " PRIMARY KEY (namespace, name)) WITHOUT ROWID"
)
_INDEX = "CREATE INDEX ix_entries_expiry ON entries (namespace, expires_at)"


def prepare_sessions(path: Path, *, busy_timeout: float) -> None:
    """See to it that the file exists and has the schema of sessions; an older one is brought to it.

    Blocks. All of that happens or nothing. Two processes that do this at once take turns.

    Raises:
        SchemaTooNew: a newer release wrote the file.
        StorageCorrupt: it is a database for something else.
        PortError: the file cannot be opened or written, or is no database.
    """
    with existing(path, busy_timeout) as connection:
        if _version(connection) == VERSION:
            return
        with atomic(connection):
            version = _version(connection)
            if version > VERSION:
                raise SchemaTooNew(f"database {path}", str(version), str(VERSION))
            if version < 1:
                _make(connection, path)
            if version < VERSION:
                connection.execute(_CHECKPOINTS)
                connection.execute(f"PRAGMA user_version={VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _make(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
        raise StorageCorrupt(f"database {path} holds no sessions but something else; name another file")
    connection.execute(_TABLE)
    connection.execute(_INDEX)
