"""Making a SQLite file for cases, or bringing an older one to the current schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.sql.migrations import HEAD
from adapters.sql.schema import SELECT_REVISION, upgrade
from adapters.sqlite.errors import translate
from ports.errors import StorageUnavailable


def prepare(path: Path, *, busy_timeout: float) -> None:
    """See to it that the file exists and has the current schema; every missing migration runs, or none does.

    Blocks. Two processes that do this at once take turns.

    Raises:
        SchemaTooNew: a newer release wrote the file.
        PortError: the file cannot be opened or written, or is no database.
    """
    with existing(path, busy_timeout) as connection:
        if _revision(connection) != HEAD:
            connection.execute("PRAGMA journal_mode=WAL")
            _migrate(connection, path)


@contextmanager
def existing(path: Path, busy_timeout: float) -> Iterator[sqlite3.Connection]:
    """A connection to the file, which is made if it is missing; errors of the driver leave as errors of the ports."""
    try:
        # Nobody else may read the texts; the files that SQLite puts beside this one get the same permissions.
        path.touch(mode=0o600)
    except OSError as error:
        raise StorageUnavailable(f"database {path} cannot be created: {error.strerror}") from error
    try:
        connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translate(error, path) from error


def _revision(connection: sqlite3.Connection) -> str | None:
    has_table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'alembic_version'"
    if connection.execute(has_table).fetchone() == (0,):
        return None
    row = connection.execute(SELECT_REVISION).fetchone()
    return str(row[0]) if row else None


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as core:
        # The driver would begin late and leave the DDL out; with this lock a second process waits for the whole.
        core.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            upgrade(core, str(path))
        except DBAPIError as error:
            connection.rollback()
            raise translate(error.orig, path) if isinstance(error.orig, sqlite3.Error) else error from error
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
