"""Migrations of the SQLite file."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from adapters.sql.documents import encode
from adapters.sql.migrations import HEAD
from adapters.sql.schema import SchemaTooNew, upgrade
from adapters.sql.tables import metadata
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.schema import prepare
from ports.errors import StorageCorrupt, StorageUnavailable
from tests.builders import a_case


def revisions() -> list[str]:
    """All revisions, the first one first."""
    config = Config()
    config.set_main_option("script_location", "adapters.sql:migrations")
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    return [script.revision for script in reversed(scripts)]


def migrate(path: Path, to: str) -> None:
    """Bring the file to a revision that need not be the newest."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, str(path), to=to)
    engine.dispose()


def stored_revision(path: Path) -> str:
    """The revision that the file says it has."""
    connection = sqlite3.connect(path)
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    return str(revision)


def schema_of(path: Path) -> dict[str, str]:
    """Every table, index and trigger with the text that made it."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return dict(rows)


def is_declared(_object: object, name: str | None, type_: str, _reflected: bool, _other: object) -> bool:
    """False for the tables in which FTS5 keeps its indexes, and for the mark of the chunks: PostgreSQL has neither."""
    return not (type_ == "table" and name is not None and ("_fts" in name or name == "knowledge_chunks_mark"))


def test_migrated_schema_is_the_declared_one(empty_file: Path) -> None:
    """No table, column, type, index or constraint differs between the migrations and the tables."""
    engine = create_engine(f"sqlite:///{empty_file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_declared, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_head_is_the_last_revision() -> None:
    """The constant that spares loading Alembic is the revision that Alembic finds."""
    assert revisions()[-1] == HEAD


def test_every_step_leads_to_the_same_schema(empty_file: Path, tmp_path: Path) -> None:
    """One revision at a time, with a new process in between, gives the schema that all at once give."""
    path = tmp_path / "steps.db"
    for revision in revisions():
        migrate(path, revision)
        assert stored_revision(path) == revision
    assert schema_of(path) == schema_of(empty_file)


async def test_older_file_keeps_its_data(tmp_path: Path) -> None:
    """A file of the first revision is upgraded when it is opened, and its cases are there and found."""
    path = tmp_path / "old.db"
    migrate(path, revisions()[0])
    document, digest = encode(a_case(version=1))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "INSERT INTO cases (case_id, version, user_id, organization_id, status, message_count, created_at,"
            " updated_at, last_activity_at, title_text, description_text, document_sha256, document)"
            " VALUES (?, 1, 'u', 'u', 'consulting', 0, 0, 0, 1740830400000000, 'checkout fails (1)', '', ?, ?)",
            (a_case().case_id, digest, document),
        )
    connection.close()
    database = await SqliteDatabase.open(path)
    repository = SqliteCaseRepository(database)
    assert await repository.get(a_case().case_id) == a_case(version=1)
    assert (await repository.search("checkout")).total == 1
    assert await repository.check_integrity() == []
    await database.aclose()
    assert stored_revision(path) == HEAD


async def test_newer_file_is_refused(path: Path) -> None:
    """A revision that this release does not know is named, and the file is left alone."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SchemaTooNew, match=r"'9999'.*start the newer release"):
        await SqliteDatabase.open(path)
    assert stored_revision(path) == "9999"


def test_failed_migration_changes_nothing(tmp_path: Path) -> None:
    """A migration that stumbles over what is there leaves the file as it was."""
    path = tmp_path / "foreign.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (something TEXT)")
    connection.close()
    before = schema_of(path)
    with pytest.raises(StorageCorrupt):
        prepare(path, busy_timeout=5)
    assert schema_of(path) == before


async def test_file_that_is_no_database(tmp_path: Path) -> None:
    """Some other file is reported and not overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no database at all. " * 50)
    before = path.read_bytes()
    with pytest.raises(StorageCorrupt, match=r"notes\.txt"):
        await SqliteDatabase.open(path)
    assert path.read_bytes() == before


async def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(StorageUnavailable, match=r"missing.*No such file"):
        await SqliteDatabase.open(tmp_path / "missing" / "faultmaven.db")


async def test_files_are_private(tmp_path: Path) -> None:
    """Other accounts of the machine can read neither the file nor what stands beside it while it is open."""
    database = await SqliteDatabase.open(tmp_path / "faultmaven.db")
    await SqliteCaseRepository(database).save(a_case())
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}  # noqa: ASYNC240
    assert modes == dict.fromkeys(["faultmaven.db", "faultmaven.db-shm", "faultmaven.db-wal"], 0o600)
    await database.aclose()


def test_current_file_needs_no_alembic(path: Path) -> None:
    """Opening a file with the current schema does not load Alembic, which would double the time of a start."""
    code = (
        "import sys, pathlib; from adapters.sqlite.schema import prepare;"
        f"prepare(pathlib.Path({str(path)!r}), busy_timeout=5); print('alembic' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
