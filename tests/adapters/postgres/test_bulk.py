"""The literals of arrays mean the values that they were made of."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.bulk import _literal
from adapters.postgres.database import PostgresDatabase
from domain.errors import InvalidInput
from tests.scalars import texts

pytestmark = pytest.mark.postgres

INSTANTS = (
    datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC),
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    None,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(texts() | st.sampled_from(["NULL", "", "{}", '"', "\\", '\\"', ",", " "])))
async def test_texts(database: PostgresDatabase, values: list[str]) -> None:
    """Whatever a text holds, it is one element; with a NULL among them too."""
    async with database.atomic() as connection:
        assert await connection.fetchval("SELECT $1::text::text[]", _literal(values)) == values
        assert await connection.fetchval("SELECT $1::text::text[]", _literal([*values, None])) == [*values, None]


async def test_other_types(database: PostgresDatabase) -> None:
    """Numbers and instants, the ends of the calendar included, as the driver writes them."""
    async with database.atomic() as connection:
        assert await connection.fetchval("SELECT $1::text::bigint[]", _literal([1, None, -5])) == [1, None, -5]
        told = await connection.fetchval("SELECT $1::text::timestamptz[] = $2", _literal(INSTANTS), INSTANTS)
        assert told


async def test_character_that_cannot_be_stored(database: PostgresDatabase) -> None:
    """It is refused by the server instead of dividing an element."""
    with pytest.raises(InvalidInput, match="cannot hold"):
        async with database.atomic() as connection:
            await connection.fetchval("SELECT $1::text::text[]", _literal(["a\0b", "c"]))
