"""The literals of arrays mean the values that they were made of."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.bulk import _literal, batches
from adapters.postgres.bulk import given as rows_of
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.documents import to_jsonb
from adapters.sql.tables import case_messages
from domain.errors import InvalidInput
from tests.builders import a_message
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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(texts() | st.sampled_from(["\x1f", "\\x1f", '"']), min_size=1, max_size=5))
async def test_documents(database: PostgresDatabase, written: list[str]) -> None:
    """Whatever they hold, each one is itself; the character between them too is written in another way."""
    documents = [to_jsonb(a_message("case_1", 1).model_copy(update={"content": text})) for text in written]
    (batch,) = batches({"json": document} for document in documents)
    sql = f"SELECT json FROM {rows_of(case_messages, ['json'])} ORDER BY place"  # noqa: S608 - names of columns only
    async with database.atomic() as connection:
        assert [row["json"] for row in await connection.fetch(sql, *batch.values())] == documents


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
