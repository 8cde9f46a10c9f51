"""Cases, their messages and the index that finds pieces of their texts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Document, Key, RowId, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The texts are folded before they are stored, so the index compares letters as they are. It holds no copy of a text:
# the triggers keep it equal to the columns, also where a foreign key deletes the row.
SQLITE_SEARCH = (
    """CREATE VIRTUAL TABLE cases_fts USING fts5(
        title_text, description_text, content='cases', content_rowid='row_id', tokenize='trigram case_sensitive 1')""",
    """CREATE TRIGGER cases_fts_insert AFTER INSERT ON cases BEGIN
        INSERT INTO cases_fts(rowid, title_text, description_text)
        VALUES (new.row_id, new.title_text, new.description_text);
    END""",
    """CREATE TRIGGER cases_fts_delete AFTER DELETE ON cases BEGIN
        INSERT INTO cases_fts(cases_fts, rowid, title_text, description_text)
        VALUES ('delete', old.row_id, old.title_text, old.description_text);
    END""",
    """CREATE TRIGGER cases_fts_update AFTER UPDATE OF title_text, description_text ON cases
    WHEN old.title_text <> new.title_text OR old.description_text <> new.description_text BEGIN
        INSERT INTO cases_fts(cases_fts, rowid, title_text, description_text)
        VALUES ('delete', old.row_id, old.title_text, old.description_text);
        INSERT INTO cases_fts(rowid, title_text, description_text)
        VALUES (new.row_id, new.title_text, new.description_text);
    END""",
    """CREATE VIRTUAL TABLE case_messages_fts USING fts5(
        content_text, content='case_messages', content_rowid='row_id', tokenize='trigram case_sensitive 1')""",
    """CREATE TRIGGER case_messages_fts_insert AFTER INSERT ON case_messages BEGIN
        INSERT INTO case_messages_fts(rowid, content_text) VALUES (new.row_id, new.content_text);
    END""",
    """CREATE TRIGGER case_messages_fts_delete AFTER DELETE ON case_messages BEGIN
        INSERT INTO case_messages_fts(case_messages_fts, rowid, content_text)
        VALUES ('delete', old.row_id, old.content_text);
    END""",
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "cases",
        sa.Column("row_id", RowId, nullable=False),
        sa.Column("case_id", Key, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("organization_id", Key, nullable=False),
        sa.Column("opened_in_session", Key),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("message_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("last_activity_at", UtcDateTime, nullable=False),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("title_text", sa.Text, nullable=False),
        sa.Column("description_text", sa.Text, nullable=False),
        sa.Column("document_sha256", sa.LargeBinary, nullable=False),
        sa.Column("document", Document, nullable=False),
        sa.PrimaryKeyConstraint("row_id", name="pk_cases"),
        sa.UniqueConstraint("case_id", name="uq_cases_case_id"),
    )
    for columns in (
        ("user_id", "last_activity_at"),
        ("status", "last_activity_at"),
        ("last_activity_at",),
        ("organization_id",),
        ("opened_in_session",),
    ):
        op.create_index(f"ix_cases_{'_'.join(columns)}", "cases", columns)
    op.create_table(
        "case_messages",
        sa.Column("row_id", RowId, nullable=False),
        sa.Column("message_id", Key, nullable=False),
        sa.Column("case_id", Key, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("content_text", sa.Text, nullable=False),
        sa.Column("document_sha256", sa.LargeBinary, nullable=False),
        sa.Column("document", Document, nullable=False),
        sa.PrimaryKeyConstraint("row_id", name="pk_case_messages"),
        sa.UniqueConstraint("message_id", name="uq_case_messages_message_id"),
        sa.UniqueConstraint("case_id", "seq", name="uq_case_messages_case_id_seq"),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.case_id"], name="fk_case_messages_case_id_cases", ondelete="CASCADE"
        ),
    )
    if op.get_context().dialect.name == "sqlite":
        for statement in SQLITE_SEARCH:
            op.execute(statement)
