"""Filters and metadata in SQL mean what they mean in the domain; the definition is `domain.filter.matches`."""

from math import inf, nextafter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.pgvector import where as where_module
from adapters.pgvector.encoding import metadata_from_json, metadata_to_json
from adapters.pgvector.vectors import PgVectorStore
from adapters.pgvector.where import INDEXED_VALUES, Parameters, to_sql
from adapters.postgres.sql import Sql
from domain.filter import And, Comparison, Filter, MetadataValue, Operator, Or, matches
from domain.values import INT64_MAX, INT64_MIN
from tests.scalars import texts

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

FIELDS = ["a", "b", "é", "it's", "$1", "x ? y"]
EDGES: list[MetadataValue] = [
    *(0.1, 0.1 + 2**-56, 0.5, 1e300, -1e300, 1e16, 1e15, 1e-7, 5e-324, nextafter(inf, 0), -0.0),
    *(2**53, 2**53 + 1, float(2**53), 2**62 + 1, float(2**62), 2**63 - 1, float(2**63), -(2**63), float(-(2**63))),
    # Shortest forms that lie on the other side of an integer than the float.
    *(9007199254740993, 9007199254740992.0, 1.2345678901234568e17, 123456789012345677, 123456789012345680),
    *(True, False, 1, 0, 1.0, "", "1", "true", "1.0", "null"),
]

values: st.SearchStrategy[MetadataValue] = st.one_of(
    st.sampled_from(EDGES),
    st.booleans(),
    st.integers(INT64_MIN, INT64_MAX),
    st.integers(INT64_MIN, INT64_MAX).map(float),
    st.floats(allow_nan=False, allow_infinity=False),
    texts(max_size=5),
)
numbers = values.filter(lambda value: not isinstance(value, bool | str))
fields = st.sampled_from(FIELDS)
metadata = st.dictionaries(fields, values, max_size=4)
orderings = st.sampled_from([Operator.GT, Operator.GTE, Operator.LT, Operator.LTE])
comparisons = st.one_of(
    st.builds(Comparison, fields, st.sampled_from([Operator.EQ, Operator.NE]), st.tuples(values)),
    st.builds(Comparison, fields, orderings, st.tuples(numbers)),
    st.builds(
        Comparison,
        fields,
        st.sampled_from([Operator.IN, Operator.NIN]),
        st.lists(values, min_size=1, max_size=5).map(tuple),
    ),
)
filters: st.SearchStrategy[Filter] = st.recursive(
    comparisons,
    lambda parts: st.one_of(
        st.builds(And, st.lists(parts, min_size=1, max_size=3).map(tuple)),
        st.builds(Or, st.lists(parts, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)

on_the_server = settings(
    # The server is shared by the examples on purpose: nothing is stored.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


async def passing(store: PgVectorStore, condition: Filter, items: list[dict[str, MetadataValue]]) -> list[bool]:
    """Which of the items the server lets pass."""
    parameters = Parameters()
    written = parameters.bind([metadata_to_json(item) for item in items])
    sql = to_sql(condition, parameters)
    items_in_order = f"unnest({written}::text[]::jsonb[]) WITH ORDINALITY AS item (metadata, number)"
    text = f"SELECT coalesce({sql}, false) FROM {items_in_order} ORDER BY number"  # noqa: S608
    rows = await store._database.read(Sql(text, tuple(parameters.values)), parameters.values)
    return [row[0] for row in rows]


@on_the_server
@given(items=st.lists(metadata, min_size=1, max_size=8), conditions=st.lists(filters, min_size=1, max_size=4))
async def test_conditions_mean_what_filters_mean(
    store: PgVectorStore, items: list[dict[str, MetadataValue]], conditions: list[Filter]
) -> None:
    """Any filter on any metadata."""
    for condition in conditions:
        assert await passing(store, condition, items) == [matches(condition, item) for item in items], condition


async def test_numbers_are_compared_exactly(store: PgVectorStore) -> None:
    """Each edge against each, with every operator."""
    items = [{"a": value} for value in EDGES]
    for value in EDGES:
        for operator in Operator:
            if isinstance(value, str | bool) and operator in (Operator.GT, Operator.GTE, Operator.LT, Operator.LTE):
                continue
            condition = Comparison("a", operator, (value,))
            assert await passing(store, condition, items) == [matches(condition, item) for item in items], condition


@pytest.mark.parametrize("operator", [Operator.IN, Operator.NIN])
async def test_long_lists(store: PgVectorStore, operator: Operator) -> None:
    """Lists that are longer than what is looked up one by one mean the same."""
    items = [*({"a": value} for value in (7, 7.0, "7", True, 10**6, 0.5)), {"b": 7}, {}]
    for others in ([], ["7", True], [0.5, False]):
        condition = Comparison("a", operator, (*range(INDEXED_VALUES), 99.0, *others))
        assert await passing(store, condition, items) == [matches(condition, item) for item in items]
    condition = Comparison("a", operator, tuple(range(50_000)))
    assert await passing(store, condition, items) == [matches(condition, item) for item in items]


async def test_short_and_long_lists_agree(store: PgVectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways to look for a value take the same values for equal."""
    items = [{"a": value} for value in EDGES]
    for value in EDGES:
        condition = Comparison("a", Operator.IN, (value,))
        short = await passing(store, condition, items)
        with monkeypatch.context() as patch:
            patch.setattr(where_module, "INDEXED_VALUES", 0)
            assert await passing(store, condition, items) == short


@on_the_server
@given(items=st.lists(metadata, min_size=1, max_size=8))
async def test_metadata_comes_back(store: PgVectorStore, items: list[dict[str, MetadataValue]]) -> None:
    """Equal, and each value of its own kind."""
    written = [metadata_to_json(item) for item in items]
    rows = await store._database.read(
        Sql("SELECT j::text FROM unnest($1::text[]::jsonb[]) WITH ORDINALITY AS r (j, n) ORDER BY n", ("written",)),
        {"written": written},
    )
    back = [metadata_from_json(row[0]) for row in rows]
    assert back == items
    assert [{field: type(value) for field, value in item.items()} for item in back] == [
        {field: type(value) for field, value in item.items()} for item in items
    ]


async def test_fields_and_values_are_bound() -> None:
    """Nothing that a user writes becomes part of the statement."""
    hostile = "'; DROP TABLE cases; --"
    condition = And(
        (
            Comparison(hostile, Operator.EQ, (hostile,)),
            Comparison(hostile, Operator.NIN, (hostile, 1)),
            Comparison(hostile, Operator.GT, (1.5,)),
            Comparison(hostile, Operator.IN, (hostile,) * (INDEXED_VALUES + 1)),
        )
    )
    parameters = Parameters()
    sql = to_sql(condition, parameters)
    assert "DROP" not in sql
    assert "1.5" not in sql
