"""Notes of those who copy something into the database, kept beside the content."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.sql.types import Key

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "checkpoints",
        sa.Column("name", Key, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_checkpoints"),
    )
