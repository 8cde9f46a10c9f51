"""Bringing a PostgreSQL database to the current schema, by one process at a time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import cast

import asyncpg

from adapters.postgres.pool import Connection
from adapters.sql.migrations import HEAD
from adapters.sql.schema import SELECT_REVISION, upgrade
from ports.errors import NotSupported

logger = logging.getLogger(__name__)

OLDEST = 14
"""The oldest major version of PostgreSQL that is supported."""

# Any number will do, as long as every release takes the same.
_MIGRATION_LOCK = 4_652_311_905

_HAS_REVISION = "SELECT to_regclass('alembic_version') IS NOT NULL"

_TRIGRAM_SCHEMA = """
    SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'pg_trgm' AND has_schema_privilege(extnamespace, 'USAGE')
"""

# Asked first, so that a database whose user has no such right sees no refused statement in its log.
_MAY_ADD_TRIGRAMS = """
    SELECT has_database_privilege(current_database(), 'CREATE')
    AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm' AND installed_version IS NULL)
"""

SEARCH_INDEXES = {
    "ix_cases_title_text_trigrams": "cases USING gin (title_text {schema}.gin_trgm_ops)",
    "ix_cases_description_text_trigrams": "cases USING gin (description_text {schema}.gin_trgm_ops)",
    "ix_case_messages_content_text_trigrams": "case_messages USING gin (content_text {schema}.gin_trgm_ops)",
}
"""The indexes that serve the search where the extension pg_trgm is there."""

_PRESENT_INDEXES = "SELECT count(*) FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL"

_OWNS_TABLES = """
    SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class
    WHERE oid IN ('cases'::regclass, 'case_messages'::regclass)
"""


def check_server(connection: Connection, where: str) -> None:
    """Refuse a server that cannot keep the promises.

    Raises:
        NotSupported: the server is too old, or the database is not in UTF-8.
    """
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise NotSupported(
            f"{where} runs PostgreSQL {version.major}.{version.minor}; version {OLDEST} or newer is needed: "
            "upgrade the server or choose another one"
        )
    encoding = connection.get_settings().server_encoding
    if encoding.upper() not in ("UTF8", "UTF-8"):
        raise NotSupported(
            f"{where} is encoded in {encoding}, which cannot hold every text; create it with ENCODING 'UTF8'"
        )


async def is_current(connection: Connection) -> bool:
    """True if there is nothing to do for `migrate`."""
    if not await connection.fetchval(_HAS_REVISION) or await connection.fetchval(SELECT_REVISION) != HEAD:
        return False
    if not await has_trigrams(connection):
        return not await connection.fetchval(_MAY_ADD_TRIGRAMS)
    return bool(await connection.fetchval(_PRESENT_INDEXES, list(SEARCH_INDEXES)) == len(SEARCH_INDEXES))


async def migrate(connect: Callable[[], Awaitable[asyncpg.Connection[asyncpg.Record]]], where: str) -> None:
    """Run the missing migrations and make the missing search indexes, all or nothing.

    Processes that do this at once take turns. ``connect`` opens a connection to the database that ``where`` names.

    Raises:
        SchemaTooNew: a newer release wrote the database.
        asyncpg.PostgresError: the server refuses a statement.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.begin() as core:
            await core.execute(text("SET LOCAL statement_timeout = 0"))
            # It ends with the transaction, so it works behind a pooler that deals out connections by transaction.
            await core.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            await core.run_sync(upgrade, where)
            driver = (await core.get_raw_connection()).driver_connection
            await _make_search_indexes(cast("asyncpg.Connection[asyncpg.Record]", driver))
    except DBAPIError as error:
        # The dialect wraps the driver's error twice.
        raise (error.orig.__cause__ if error.orig else None) or error from error
    finally:
        await engine.dispose()


async def drop_search_indexes(connection: Connection) -> bool:
    """Drop the search indexes; `make_search_indexes` makes them again, and `migrate` too. False if the tables do not
    belong to this user, who could not do either.
    """
    if not await connection.fetchval(_OWNS_TABLES):
        return False
    await connection.execute(f"DROP INDEX IF EXISTS {', '.join(SEARCH_INDEXES)}")
    return True


async def make_search_indexes(connection: Connection) -> None:
    """Make the search indexes that are missing, all or nothing. Processes that do this at once take turns."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        await _make_search_indexes(connection)


async def has_trigrams(connection: Connection) -> bool:
    """True if the search has its indexes."""
    return await connection.fetchval(_TRIGRAM_SCHEMA) is not None


async def _make_search_indexes(connection: Connection) -> None:
    if not await has_trigrams(connection) and await connection.fetchval(_MAY_ADD_TRIGRAMS):
        try:
            # A savepoint: a refusal leaves the migrations alone.
            async with connection.transaction():
                await connection.execute("CREATE EXTENSION pg_trgm")
        except asyncpg.PostgresError as error:
            logger.info("the extension pg_trgm cannot be created: SQLSTATE %s", error.sqlstate)
    schema = await connection.fetchval(_TRIGRAM_SCHEMA)
    if schema is None:
        return
    for name, definition in SEARCH_INDEXES.items():
        await connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {definition.format(schema=schema)}")
