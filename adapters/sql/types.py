"""Column types that differ between the dialects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, DateTime, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Whole microseconds from 1970 to an aware instant; exact for the years 1 to 9999."""
    return (instant - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant in UTC that `to_micros` gave."""
    return EPOCH + timedelta(microseconds=micros)


UtcDateTime = DateTime(timezone=True).with_variant(BigInteger(), "sqlite")
"""An aware instant: ``timestamptz`` on PostgreSQL, microseconds since 1970 on SQLite, which has no such type."""

Document = Text().with_variant(JSONB(), "postgresql")
"""A value of the domain as JSON."""

RowId = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database gives out; the full-text indexes refer to it. On SQLite only INTEGER is a stable rowid."""

Key = Text().with_variant(Text(collation="C"), "postgresql")
"""An id. Ids are compared by code points, whatever the locale of the database is."""
