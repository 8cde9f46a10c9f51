"""The statements that store many values as they are."""

# Written into them are names of tables and columns; values are bound.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Table

from adapters.postgres.bulk import given
from adapters.postgres.documents import other_columns
from adapters.postgres.sql import Sql
from adapters.sql.tables import case_messages, cases

_HASH = "sha256(convert_to(document::text, 'UTF8'))"


def put(table: Table, key: str, kept: Sequence[str] = (), latest: Sequence[str] = ()) -> Sql:
    """Insert rows as they are, or update those with a lower version; gives the keys of what was written.

    Of a row that is updated the columns ``kept`` stay, and the columns ``latest`` only rise.
    """
    columns = other_columns(table)
    changed = [name for name in columns if name not in (key, *kept, *latest)]
    changes = [f"{name} = excluded.{name}" for name in (*changed, "document_sha256", "document")]
    changes += [f"{name} = greatest(stored.{name}, excluded.{name})" for name in latest]
    names = ", ".join(columns)
    return Sql(
        f"""
        WITH given AS MATERIALIZED (
            SELECT {names}, json::jsonb AS document FROM {given(table, (*columns, "json"))}
        )
        INSERT INTO {table.name} AS stored ({names}, document_sha256, document)
        SELECT {names}, {_HASH}, document FROM given ORDER BY {key}
        ON CONFLICT ({key}) DO UPDATE SET {", ".join(changes)} WHERE excluded.version > stored.version
        RETURNING {key}
        """,
        (*columns, "json"),
    )


def delete_older(table: Table, key: str) -> Sql:
    """Delete the rows whose version is lower than the given one."""
    return Sql(
        f"""
        DELETE FROM {table.name} AS stored USING {given(table, (key, "version"))}
        WHERE stored.{key} = given.{key} AND stored.version < given.version
        """,
        (key, "version"),
    )


TOUCH_CASES = Sql(
    f"""
    UPDATE cases AS stored SET last_activity_at = given.last_activity_at
    FROM {given(cases, ("case_id", "last_activity_at"))}
    WHERE stored.case_id = given.case_id AND stored.last_activity_at < given.last_activity_at
    """,
    ("case_id", "last_activity_at"),
)

LOCK_CASES = Sql(
    "SELECT case_id FROM cases WHERE case_id = ANY($1::text[]) ORDER BY case_id FOR NO KEY UPDATE", ("ids",)
)

_MESSAGE = ("message_id", "case_id", "created_at", "content_text", "json")

# Runs behind LOCK_CASES, so it sees all messages of these cases.
ADD_MESSAGES = Sql(
    f"""
    WITH given AS MATERIALIZED (
        SELECT message_id, case_id, created_at, content_text, json::jsonb AS document, place
        FROM {given(case_messages, _MESSAGE)}
    ), known AS MATERIALIZED (
        SELECT message_id, case_messages.case_id <> given.case_id AS elsewhere
        FROM given JOIN case_messages USING (message_id)
    ), fresh AS MATERIALIZED (
        SELECT given.*, row_number() OVER (PARTITION BY case_id ORDER BY place) AS number
        FROM given WHERE NOT EXISTS (SELECT FROM known WHERE known.message_id = given.message_id)
    ), counted AS (
        UPDATE cases SET message_count = cases.message_count + more.count,
            last_activity_at = greatest(cases.last_activity_at, more.latest)
        FROM (SELECT case_id, count(*) AS count, max(created_at) AS latest FROM fresh GROUP BY case_id) AS more
        WHERE cases.case_id = more.case_id
        RETURNING cases.case_id, cases.message_count - more.count AS before
    ), appended AS (
        INSERT INTO case_messages (message_id, case_id, seq, created_at, content_text, document_sha256, document)
        SELECT message_id, case_id, before + number, created_at, content_text, {_HASH}, document
        FROM fresh JOIN counted USING (case_id)
    )
    SELECT count(*) FROM known WHERE elsewhere
    """,
    _MESSAGE,
)
