"""The schema is made and brought up to date, by several at once, with and without the extension for the search."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.postgres.cases import PostgresCaseRepository, _searching
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.postgres.schema import SEARCH_INDEXES, check_server
from adapters.sql.migrations import HEAD
from adapters.sql.schema import SELECT_REVISION, SchemaTooNew, upgrade
from adapters.sql.tables import metadata
from domain.errors import InvalidInput
from ports.errors import NotSupported, StorageCorrupt
from tests.adapters.postgres.conftest import address, execute
from tests.adapters.sqlite.test_schema import revisions
from tests.builders import a_case
from tests.contract.cases.search import CaseSearchTests

pytestmark = pytest.mark.postgres

NewDatabase = Callable[..., str]

FULL_TEXT_TABLES = ("knowledge_postings", "knowledge_totals")
"""Made by a migration for this dialect alone, as SQLite keeps its indexes in tables of FTS5."""

SCHEMA = """
    SELECT relname, relkind::text, attname, format_type(atttypid, atttypmod), attnotnull, collname,
           pg_get_expr(adbin, adrelid), pg_get_indexdef(pg_class.oid)
    FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation
    LEFT JOIN pg_attrdef ON adrelid = pg_class.oid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace
    ORDER BY 1, 2, 3
"""


async def fetch(dsn: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def run_sync(dsn: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Do work on a connection of SQLAlchemy, and commit."""
    engine = create_async_engine(dsn.replace("postgresql:", "postgresql+asyncpg:"))
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work, *arguments)
    finally:
        await engine.dispose()


async def open_and_close(dsn: str) -> bool:
    """Open the database; True if the search has its index."""
    database = await PostgresDatabase.open(PostgresOptions(dsn))
    await database.aclose()
    return database.has_trigrams


@pytest.fixture
async def empty(new_database: NewDatabase) -> str:
    """The address of a database without tables."""
    return await asyncio.to_thread(new_database)


@pytest.fixture
async def current(new_database: NewDatabase, migrated: str) -> str:
    """The address of a database with the current schema."""
    return await asyncio.to_thread(new_database, like=migrated)


async def test_migrated_schema_is_the_declared_one(current: str) -> None:
    """No table, column, type, index or constraint differs between the migrations and the tables."""

    def differences(connection: Connection) -> list[Any]:
        def is_declared(_object: object, name: str | None, *_: object) -> bool:
            return name not in SEARCH_INDEXES and not any(table in (name or "") for table in FULL_TEXT_TABLES)

        options = {"include_object": is_declared, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await run_sync(current, differences) == []


async def test_every_step_leads_to_the_same_schema(empty: str, current: str) -> None:
    """One revision at a time gives the schema that all at once give."""
    for revision in revisions():

        def step(connection: Connection, to: str = revision) -> None:
            upgrade(connection, "", to=to)

        await run_sync(empty, step)
        assert await fetch(empty, SELECT_REVISION) == [(revision,)]
    assert await open_and_close(empty)
    assert await fetch(empty, SCHEMA) == await fetch(current, SCHEMA)


@pytest.mark.quirk(
    "PostgreSQL", "text is ordered by the locale of the database, so pages by id would differ from those of others"
)
async def test_ids_are_ordered_by_code_points(current: str) -> None:
    """Every id that pages are ordered by has the collation C, whatever the locale of the database is."""
    ids = ("case_id", "message_id", "user_id", "document_id", "chunk_id")
    columns = [row for row in await fetch(current, SCHEMA) if row[2] in ids and row[1] == "r"]
    assert len(columns) >= len(ids)
    assert {row[5] for row in columns} == {"C"}


async def test_newer_database_is_refused(current: str) -> None:
    """A revision that this release does not know is named, and the database is left alone."""
    await execute(current, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match=r"at 127.*'9999'.*start the newer release"):
        await open_and_close(current)
    assert await fetch(current, SELECT_REVISION) == [("9999",)]


async def test_failed_migration_changes_nothing(empty: str) -> None:
    """A migration that stumbles over what is there leaves the database as it was."""
    await execute(empty, "CREATE TABLE users (something TEXT)")
    before = await fetch(empty, SCHEMA)
    with pytest.raises(StorageCorrupt, match="42P07"):
        await open_and_close(empty)
    assert await fetch(empty, SCHEMA) == before


async def test_tasks_open_at_once(empty: str) -> None:
    """One migrates, the others wait and find the current schema."""
    assert all(await asyncio.gather(*(open_and_close(empty) for _ in range(4))))
    assert await fetch(empty, SELECT_REVISION) == [(HEAD,)]


async def test_processes_open_at_once(empty: str) -> None:
    """Processes that start together take turns as well."""
    code = (
        "import asyncio, sys; from adapters.postgres.database import PostgresDatabase, PostgresOptions;"
        "print(asyncio.run(PostgresDatabase.open(PostgresOptions(sys.argv[1]))).has_trigrams)"
    )
    starts = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, empty, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    outputs = [(await process.communicate())[0].strip() for process in starts]
    assert outputs == [b"True"] * 4
    assert await fetch(empty, SELECT_REVISION) == [(HEAD,)]


async def test_current_database_needs_no_alembic(current: str) -> None:
    """Opening a database with the current schema does not load Alembic, which would double the time of a start."""
    code = (
        "import asyncio, sys; from adapters.postgres.database import PostgresDatabase, PostgresOptions;"
        "asyncio.run(PostgresDatabase.open(PostgresOptions(sys.argv[1]))); print('alembic' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, current, stdout=subprocess.PIPE)
    assert (await process.communicate())[0].strip() == b"False"


@pytest.mark.parametrize(("major", "accepted"), [(13, False), (14, True), (18, True)])
def test_version_of_the_server(major: int, accepted: bool) -> None:
    """Servers that are too old are refused with both versions named."""
    connection: Any = SimpleNamespace(
        get_server_version=lambda: SimpleNamespace(major=major, minor=7),
        get_settings=lambda: SimpleNamespace(server_encoding="UTF8"),
    )
    if accepted:
        check_server(connection, "database x")
    else:
        with pytest.raises(NotSupported, match=r"database x runs PostgreSQL 13\.7; version 14 or newer"):
            check_server(connection, "database x")


async def test_encoding_of_the_database(new_database: NewDatabase) -> None:
    """A database that cannot hold every text is refused at the start, not at the first text."""
    dsn = await asyncio.to_thread(new_database, options="ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(NotSupported, match=r"LATIN1.*ENCODING 'UTF8'"):
        await open_and_close(dsn)


# ---------------------------------------------------------------- without the extension


@pytest.fixture(scope="module")
def limited(new_database: NewDatabase, postgres_dsn: str) -> str:
    """The address of a database whose user may make tables, but no extension."""
    dsn = new_database()
    name = dsn.rpartition("/")[2]
    user = f"limited_{name}"
    asyncio.run(execute(postgres_dsn, f'CREATE USER "{user}"', f'REVOKE CREATE ON DATABASE "{name}" FROM PUBLIC'))
    asyncio.run(execute(dsn, f'GRANT ALL ON SCHEMA public TO "{user}"'))
    return address(dsn, name).replace("//postgres@", f"//{user}@")


async def test_without_the_right_to_add_the_extension(limited: str, caplog: pytest.LogCaptureFixture) -> None:
    """The schema is made without the indexes, and one warning says what is missing."""
    with caplog.at_level(logging.INFO):
        assert not await open_and_close(limited)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "CREATE EXTENSION pg_trgm" in warnings[0]
    assert await fetch(limited, SELECT_REVISION) == [(HEAD,)]


async def test_refused_extension(empty: str) -> None:
    """A refusal of the extension leaves the migrations alone."""
    await execute(empty, "CREATE FUNCTION similarity(text, text) RETURNS real LANGUAGE sql AS 'SELECT 1'")
    assert not await open_and_close(empty)
    assert await fetch(empty, SELECT_REVISION) == [(HEAD,)]


async def test_extension_that_is_added_later(limited: str, postgres_dsn: str) -> None:
    """When an administrator adds the extension, in any schema, the next start makes the indexes."""
    await open_and_close(limited)
    as_administrator = address(postgres_dsn, limited.rpartition("/")[2])
    await execute(as_administrator, "CREATE SCHEMA extras", "CREATE EXTENSION pg_trgm SCHEMA extras")
    try:
        assert not await open_and_close(limited)
        await execute(as_administrator, "GRANT USAGE ON SCHEMA extras TO PUBLIC")
        assert await open_and_close(limited)
        indexes = {row[0] for row in await fetch(limited, "SELECT indexname FROM pg_indexes WHERE indexdef ~ 'gin'")}
        assert set(SEARCH_INDEXES) <= indexes
    finally:
        await execute(as_administrator, "DROP EXTENSION pg_trgm CASCADE")


class TestSearchWithoutTheExtension(CaseSearchTests):
    """The search finds the same without an index."""

    @pytest.fixture
    async def repository(self, limited: str) -> AsyncIterator[PostgresCaseRepository]:
        """An empty store in a database without the extension."""
        database = await PostgresDatabase.open(PostgresOptions(limited))
        assert not database.has_trigrams
        async with database.atomic() as connection:
            await connection.execute("DELETE FROM cases")
        yield PostgresCaseRepository(database)
        await database.aclose()


async def test_search_uses_the_indexes(database: PostgresDatabase) -> None:
    """Where the extension is there, no text is read that does not hold the pieces of the term."""
    repository = PostgresCaseRepository(database)
    await repository.put_many([a_case(number, version=1, description="x" * 200) for number in range(1, 1001)])
    statement = _searching((), 1)
    async with database.atomic() as connection:
        await connection.execute("ANALYZE cases, case_messages; SET LOCAL enable_seqscan = off")
        arguments = statement.arguments({"term_0": "%checkout%", "limit": 10, "offset": 0})
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement.text}", *arguments))
    for index in SEARCH_INDEXES:
        assert index in plan


class TestFilling:
    """While a store is filled, the search does without its indexes; afterwards they are there again."""

    async def test_indexes_are_made_at_the_end(self, database: PostgresDatabase, dsn: str) -> None:
        """They are missing in the block only, and what is written in it is found all the time."""
        repository = PostgresCaseRepository(database)
        async with repository.filling():
            assert not await present(dsn)
            await repository.put_many([a_case(1, version=1, title="Checkout fails")])
            assert (await repository.search("checkout")).total == 1
        assert await present(dsn) == set(SEARCH_INDEXES)
        assert (await repository.search("checkout")).total == 1

    async def test_next_start_makes_them_after_an_error(self, database: PostgresDatabase, dsn: str) -> None:
        """The error is that of the block, and what was written stays."""
        repository = PostgresCaseRepository(database)
        with suppress(ZeroDivisionError):
            async with repository.filling():
                await repository.put_many([a_case(1, version=1)])
                raise ZeroDivisionError
        assert not await present(dsn)
        assert await open_and_close(dsn)
        assert await present(dsn) == set(SEARCH_INDEXES)
        assert (await repository.list()).total == 1

    async def test_inside_of_a_transaction(self, database: PostgresDatabase, dsn: str) -> None:
        """It is refused, as nobody else could use the tables until the end; nothing is dropped."""
        repository = PostgresCaseRepository(database)
        with pytest.raises(InvalidInput, match="inside of a transaction"):
            async with repository.begin_transaction(), repository.filling():
                pass
        with pytest.raises(InvalidInput, match="inside of a snapshot"):
            async with repository.snapshot(), repository.filling():
                pass
        assert await present(dsn) == set(SEARCH_INDEXES)

    async def test_indexes_of_somebody_else_stay(self, database: PostgresDatabase, dsn: str) -> None:
        """A user who may write, but does not own the tables, fills them with the indexes in place."""
        user = f"writer_{dsn.rpartition('/')[2]}"
        rights = "GRANT ALL ON ALL {} IN SCHEMA public TO"
        await execute(
            dsn, f'CREATE USER "{user}"', *(f'{rights.format(what)} "{user}"' for what in ("TABLES", "SEQUENCES"))
        )
        theirs = await PostgresDatabase.open(PostgresOptions(dsn.replace("//postgres@", f"//{user}@")))
        try:
            repository = PostgresCaseRepository(theirs)
            async with repository.filling():
                assert await present(dsn) == set(SEARCH_INDEXES)
                await repository.put_many([a_case(1, version=1)])
        finally:
            await theirs.aclose()
            await execute(dsn, f'DROP OWNED BY "{user}"', f'DROP USER "{user}"')
        assert (await PostgresCaseRepository(database).list()).total == 1


async def present(dsn: str) -> set[str]:
    """Which of the search indexes there are."""
    return {row[0] for row in await fetch(dsn, "SELECT indexname FROM pg_indexes")} & set(SEARCH_INDEXES)
