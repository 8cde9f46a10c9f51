"""Knowledge documents, their chunks and the index of the chunks' terms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Document, Key, RowId, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The column holds finished terms with spaces between them. The tokenizer ascii leaves everything beyond ASCII alone,
# so it cuts at these spaces and nowhere else.
SQLITE_SEARCH = (
    """CREATE VIRTUAL TABLE knowledge_chunks_fts USING fts5(
        terms, content='knowledge_chunks', content_rowid='row_id', tokenize='ascii')""",
    """CREATE TRIGGER knowledge_chunks_fts_insert AFTER INSERT ON knowledge_chunks BEGIN
        INSERT INTO knowledge_chunks_fts(rowid, terms) VALUES (new.row_id, new.terms);
    END""",
    """CREATE TRIGGER knowledge_chunks_fts_delete AFTER DELETE ON knowledge_chunks BEGIN
        INSERT INTO knowledge_chunks_fts(knowledge_chunks_fts, rowid, terms) VALUES ('delete', old.row_id, old.terms);
    END""",
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "knowledge_documents",
        sa.Column("document_id", Key, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("scope_key", sa.Text, nullable=False),
        sa.Column("source_key", sa.Text),
        sa.Column("document_type", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("document_sha256", sa.LargeBinary, nullable=False),
        sa.Column("document", Document, nullable=False),
        sa.PrimaryKeyConstraint("document_id", name="pk_knowledge_documents"),
        sa.UniqueConstraint("scope_key", "source_key", name="uq_knowledge_documents_scope_key_source_key"),
    )
    op.create_index("ix_knowledge_documents_scope_key_created_at", "knowledge_documents", ["scope_key", "created_at"])
    op.create_table(
        "knowledge_chunks",
        sa.Column("row_id", RowId, nullable=False),
        sa.Column("chunk_id", Key, nullable=False),
        sa.Column("document_id", Key, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("document_sha256", sa.LargeBinary, nullable=False),
        sa.Column("document", Document, nullable=False),
        sa.PrimaryKeyConstraint("row_id", name="pk_knowledge_chunks"),
        sa.UniqueConstraint("chunk_id", name="uq_knowledge_chunks_chunk_id"),
        sa.UniqueConstraint("document_id", "position", name="uq_knowledge_chunks_document_id_position"),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["knowledge_documents.document_id"],
            name="fk_knowledge_chunks_document_id_knowledge_documents",
            ondelete="CASCADE",
        ),
    )
    if op.get_context().dialect.name == "sqlite":
        for statement in SQLITE_SEARCH:
            op.execute(statement)
