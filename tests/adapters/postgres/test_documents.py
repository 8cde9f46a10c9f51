"""Documents come back from JSONB as they went in, and their checksums fit."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.documents import to_jsonb
from adapters.postgres.sql import Sql
from domain.message import Message
from domain.values import Attributes, Value
from tests.builders import a_case, a_message, an_id


class Sample(Value):
    """Scalars by name."""

    values: Attributes


@given(st.dictionaries(st.sampled_from(["a", "b\\", '"', "c"]), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_are_written_in_full(values: dict[str, float]) -> None:
    """No number is left in a notation that reads as an integer once its exponent is gone; none changes."""
    document = to_jsonb(Sample(values=values))
    numbers = json.loads(document, parse_int=pytest.fail)["values"]
    assert numbers == values
    assert "e+" not in document


@pytest.mark.parametrize("text", ["1e+16", 'a "1e+16, ', "\\1e16]", '\\"1e+300}'])
def test_texts_that_look_like_numbers_stay(text: str) -> None:
    """Only numbers are rewritten, also beside one that is."""
    sample = Sample(values={"text": text, "number": 1e16, "last": text})
    assert Sample.model_validate_json(to_jsonb(sample)) == sample
    assert json.loads(to_jsonb(sample))["values"]["text"] == text


@pytest.mark.parametrize("number", [1e15, 1e16, 1e19, -1e22, 1.5e300, 5e-324, 1e-7, 2**63 - 1, -(2**63), 0.1, 5.0])
@pytest.mark.quirk("PostgreSQL", "JSONB writes a large float without its exponent, so that it is read as an integer")
async def test_numbers_keep_their_type(database: PostgresDatabase, number: float) -> None:
    """A float that is whole stays a float, an integer an integer."""
    repository = PostgresCaseRepository(database)
    await repository.save(a_case())
    message = a_message(an_id("case", 1), metadata={"number": number})
    await repository.add_message(message)
    (read,) = await repository.get_messages(an_id("case", 1))
    assert read == message
    assert type(read.metadata["number"]) is type(number)


@pytest.mark.quirk("PostgreSQL", "JSONB makes 0 of -0.0")
async def test_zero_has_no_sign(database: PostgresDatabase) -> None:
    """JSONB knows no -0.0; so the domain has none either."""
    repository = PostgresCaseRepository(database)
    await repository.save(a_case())
    message = a_message(an_id("case", 1), metadata={"number": -0.0})
    await repository.add_message(message)
    (read,) = await repository.get_messages(an_id("case", 1))
    for value in (message, read):
        assert isinstance(value, Message)
        assert math.copysign(1, value.metadata["number"]) == 1  # type: ignore[arg-type]


async def test_checksum_is_that_of_the_text_that_is_read(database: PostgresDatabase) -> None:
    """The server computes it from the document in its own notation."""
    repository = PostgresCaseRepository(database)
    await repository.save(a_case(description="naïve \U0001f525"))
    sql = "SELECT document_sha256 = sha256(convert_to(document::text, 'UTF8')) FROM cases"
    assert [row[0] for row in await database.read(Sql(sql))] == [True]
