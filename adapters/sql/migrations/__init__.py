"""Migrations of the SQL schema: forward only, one transaction from the stored revision to the head."""

HEAD = "0006"
"""The newest revision. Stands here so that a start with a current schema need not load Alembic, which is slow."""
