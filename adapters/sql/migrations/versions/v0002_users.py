"""Users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Document, Key, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "users",
        sa.Column("user_id", Key, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("username_folded", sa.Text, nullable=False),
        sa.Column("email_folded", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("document_sha256", sa.LargeBinary, nullable=False),
        sa.Column("document", Document, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_users"),
        sa.UniqueConstraint("username_folded", name="uq_users_username_folded"),
        sa.UniqueConstraint("email_folded", name="uq_users_email_folded"),
    )
    op.create_index("ix_users_created_at", "users", ["created_at"])
