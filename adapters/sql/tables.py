"""The tables, once for both dialects.

A value of the domain is one JSON document; beside it stand the columns that are filtered and sorted by. The full-text
indexes are no tables in this sense: each dialect has its own, made by the migrations.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, MetaData, Table, Text, UniqueConstraint

from adapters.sql.types import Document, Key, RowId, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

cases = Table(
    "cases",
    metadata,
    Column("row_id", RowId, primary_key=True),
    Column("case_id", Key, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("user_id", Key, nullable=False),
    Column("organization_id", Key, nullable=False),
    Column("opened_in_session", Key),
    Column("status", Text, nullable=False),
    Column("message_count", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_activity_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("title_text", Text, nullable=False),
    Column("description_text", Text, nullable=False),
    Column("document_sha256", LargeBinary, nullable=False),
    Column("document", Document, nullable=False),
    UniqueConstraint("case_id"),
    Index(None, "user_id", "last_activity_at"),
    Index(None, "status", "last_activity_at"),
    Index(None, "last_activity_at"),
    Index(None, "organization_id"),
    Index(None, "opened_in_session"),
)

case_messages = Table(
    "case_messages",
    metadata,
    Column("row_id", RowId, primary_key=True),
    Column("message_id", Key, nullable=False),
    Column("case_id", Key, ForeignKey(cases.c.case_id, ondelete="CASCADE"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("content_text", Text, nullable=False),
    Column("document_sha256", LargeBinary, nullable=False),
    Column("document", Document, nullable=False),
    UniqueConstraint("message_id"),
    UniqueConstraint("case_id", "seq"),
)

users = Table(
    "users",
    metadata,
    Column("user_id", Key, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("username_folded", Text, nullable=False),
    Column("email_folded", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("document_sha256", LargeBinary, nullable=False),
    Column("document", Document, nullable=False),
    UniqueConstraint("username_folded"),
    UniqueConstraint("email_folded"),
    Index(None, "created_at"),
)

knowledge_documents = Table(
    "knowledge_documents",
    metadata,
    Column("document_id", Key, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("scope_key", Text, nullable=False),
    Column("source_key", Text),
    Column("document_type", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("document_sha256", LargeBinary, nullable=False),
    Column("document", Document, nullable=False),
    UniqueConstraint("scope_key", "source_key"),
    Index(None, "scope_key", "created_at"),
)

knowledge_chunks = Table(
    "knowledge_chunks",
    metadata,
    Column("row_id", RowId, primary_key=True),
    Column("chunk_id", Key, nullable=False),
    Column("document_id", Key, ForeignKey(knowledge_documents.c.document_id, ondelete="CASCADE"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("terms", Text, nullable=False),
    Column("document_sha256", LargeBinary, nullable=False),
    Column("document", Document, nullable=False),
    UniqueConstraint("chunk_id"),
    UniqueConstraint("document_id", "position"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("name", Key, primary_key=True),
    Column("text", Text, nullable=False),
)
