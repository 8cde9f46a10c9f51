"""A mark by which a process on SQLite sees that what it has read of the chunks is no longer what they are."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A random value never comes again, also when a transaction is rolled back and another one changes something else.
SQLITE_MARK = (
    "CREATE TABLE knowledge_chunks_mark (row_id INTEGER PRIMARY KEY CHECK (row_id = 0), mark BLOB NOT NULL)",
    "INSERT INTO knowledge_chunks_mark VALUES (0, randomblob(16))",
    """CREATE TRIGGER knowledge_chunks_mark_insert AFTER INSERT ON knowledge_chunks BEGIN
        UPDATE knowledge_chunks_mark SET mark = randomblob(16);
    END""",
    """CREATE TRIGGER knowledge_chunks_mark_update AFTER UPDATE ON knowledge_chunks BEGIN
        UPDATE knowledge_chunks_mark SET mark = randomblob(16);
    END""",
    """CREATE TRIGGER knowledge_chunks_mark_delete AFTER DELETE ON knowledge_chunks BEGIN
        UPDATE knowledge_chunks_mark SET mark = randomblob(16);
    END""",
)


def upgrade() -> None:
    """Create the mark; on PostgreSQL, whose server searches, nothing is kept."""
    if op.get_context().dialect.name == "sqlite":
        for statement in SQLITE_MARK:
            op.execute(statement)
