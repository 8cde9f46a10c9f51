"""The filter language: each adapter means by it what `domain.filter.matches` does."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.filter import MAX_DEPTH, Filter, Metadata, Operator, matches, parse_filter
from ports.vectors import VectorStore
from tests.contract.data import COMPOSED, DECOMPOSED, LEGAL_TEXTS
from tests.contract.vectors.data import a_vector, ids

FIELDS = ["a", "b", "#c", "chroma:d"]
VALUES: list[Any] = [
    *(True, False, 0, 1, -1, 1.0, 0.0, 0.5, 2, "", "a", "A", "1", "true", "é", "\U0001f525", "a%", "null"),
    *(2**53, 2**53 + 1, 2**53 - 1, float(2**53), -(2**53) - 1, 2**63 - 1, float(2**63), -(2**63), 1e300),
]
NUMBERS = [value for value in VALUES if not isinstance(value, str | bool)]

values = st.sampled_from(VALUES)
metadata = st.dictionaries(st.sampled_from(FIELDS), values, max_size=3)


def comparisons() -> st.SearchStrategy[dict[str, Any]]:
    """One field against something, in every written form."""
    ordering = st.sampled_from([Operator.GT, Operator.GTE, Operator.LT, Operator.LTE])
    operations = st.one_of(
        values,
        st.builds(lambda operator, value: {operator: value}, st.sampled_from([Operator.EQ, Operator.NE]), values),
        st.builds(lambda operator, value: {operator: value}, ordering, st.sampled_from(NUMBERS)),
        st.builds(
            lambda operator, several: {operator: several},
            st.sampled_from([Operator.IN, Operator.NIN]),
            st.lists(values, min_size=1, max_size=4),
        ),
    )
    return st.dictionaries(st.sampled_from(FIELDS), operations, min_size=1, max_size=2)


filters = st.recursive(
    comparisons(),
    lambda parts: st.builds(
        lambda operator, several: {operator: several},
        st.sampled_from(["$and", "$or"]),
        st.lists(parts, min_size=1, max_size=3),
    ),
    max_leaves=6,
)

KINDS: dict[str, dict[str, Any]] = {
    "one": {"a": 1},
    "one-point": {"a": 1.0},
    "true": {"a": True},
    "text-one": {"a": "1"},
    "two": {"a": 2},
    "half": {"a": 0.5},
    "false": {"a": False},
    "zero": {"a": 0},
    "text": {"a": "text"},
    "blank": {"a": ""},
    "big": {"a": 2**53 + 1},
    "other": {"b": 1},
    "none": {},
}

TABLE: list[tuple[dict[str, Any], set[str]]] = [
    ({"a": 1}, {"one", "one-point"}),
    ({"a": 1.0}, {"one", "one-point"}),
    ({"a": True}, {"true"}),
    ({"a": "1"}, {"text-one"}),
    ({"a": {"$eq": ""}}, {"blank"}),
    ({"a": {"$ne": 1}}, set(KINDS) - {"one", "one-point", "other", "none"}),
    ({"a": {"$ne": "text"}}, set(KINDS) - {"text", "other", "none"}),
    ({"a": {"$gt": 0.5}}, {"one", "one-point", "two", "big"}),
    ({"a": {"$gt": 1}}, {"two", "big"}),
    ({"a": {"$gte": 1}}, {"one", "one-point", "two", "big"}),
    ({"a": {"$lt": 1}}, {"half", "zero"}),
    ({"a": {"$lte": 1.0}}, {"half", "zero", "one", "one-point"}),
    ({"a": 2**53 + 1}, {"big"}),
    ({"a": 2**53}, set()),
    ({"a": float(2**53)}, set()),
    ({"a": {"$gt": 2**53}}, {"big"}),
    ({"a": {"$gt": float(2**53)}}, {"big"}),
    ({"a": {"$lt": 2**53 + 1}}, {"half", "zero", "one", "one-point", "two"}),
    ({"a": {"$in": [1, "text", False]}}, {"one", "one-point", "text", "false"}),
    ({"a": {"$in": ["text", "1"]}}, {"text", "text-one"}),
    ({"a": {"$nin": [1, "text", False]}}, set(KINDS) - {"one", "one-point", "text", "false", "other", "none"}),
    ({"missing": {"$ne": 1}}, set()),
    ({"missing": {"$nin": ["a"]}}, set()),
    ({"a": {"$gte": 0, "$lt": 1}}, {"half", "zero"}),
    ({"$or": [{"a": "text"}, {"b": 1}]}, {"text", "other"}),
    ({"$and": [{"a": {"$gte": 0}}, {"$or": [{"a": 2}, {"a": {"$lt": 0.7}}]}]}, {"two", "half", "zero"}),
    ({"a": 1, "b": 1}, set()),
    ({"$and": [{"a": {"$in": ["text", ""]}}, {"a": {"$in": [""]}}]}, {"blank"}),
    ({"$and": [{"a": "text"}]}, {"text"}),
]


async def fill(store: VectorStore, metadatas: dict[str, Metadata]) -> None:
    """One record for each metadata, all at one place."""
    count = len(metadatas)
    await store.add_documents(["x"] * count, [a_vector(1.0)] * count, list(metadatas.values()), list(metadatas))


async def passing(store: VectorStore, condition: Filter) -> set[str]:
    """The ids of the records that pass, of which there is the number that `count` tells."""
    found = ids(await store.query(a_vector(1.0), 1000, condition))
    assert await store.count(condition) == len(found)
    return set(found)


class VectorFilterTests:
    """A filter lets pass what the definition lets pass, in queries and in counts."""

    @pytest.mark.quirk("Chroma", "`$ne` lets records pass that lack the field")
    async def test_filter_operators(self, store: VectorStore) -> None:
        """Every operator on values of every kind."""
        await fill(store, KINDS)
        for where, expected in TABLE:
            condition = parse_filter(where)
            assert {name for name, item in KINDS.items() if matches(condition, item)} == expected, where
            assert await passing(store, condition) == expected, where

    async def test_filter_hostile_values(self, store: VectorStore) -> None:
        """The text of a filter is text, as name of a field too."""
        await fill(store, {name: {f"x{text}": text} for name, text in LEGAL_TEXTS.items()})
        for name, text in LEGAL_TEXTS.items():
            assert await passing(store, parse_filter({f"x{text}": text})) == {name}
            assert await passing(store, parse_filter({f"x{text}": {"$in": [text, "other"]}})) == {name}
            assert await passing(store, parse_filter({f"x{text}": {"$nin": [text]}})) == set()

    async def test_filter_is_normalised(self, store: VectorStore) -> None:
        """Composed or not, it asks the same."""
        await fill(store, {"a": {COMPOSED: DECOMPOSED}})
        assert await passing(store, parse_filter({DECOMPOSED: DECOMPOSED})) == {"a"}

    async def test_filter_as_deep_as_allowed(self, store: VectorStore) -> None:
        """Every level holds two conditions, so the tree is deeper than what was written."""
        await fill(store, {"in": {"a": 1, "b": "x"}, "out": {"a": 9, "b": "x"}, "other": {"a": 1, "b": "y"}})
        where: dict[str, Any] = {"a": {"$gt": 0, "$lt": 5}}
        for _ in range(MAX_DEPTH):
            where = {"$and": [where], "b": "x"}
        assert await passing(store, parse_filter(where)) == {"in"}

    async def test_filter_sees_replaced_metadata(self, store: VectorStore) -> None:
        """Neither a replaced value nor a removed field matches any more."""
        await fill(store, {"a": {"scope": "old", "gone": "yes"}})
        await fill(store, {"a": {"scope": "new"}})
        assert await passing(store, parse_filter({"scope": "old"})) == set()
        assert await passing(store, parse_filter({"gone": "yes"})) == set()
        assert await passing(store, parse_filter({"gone": {"$ne": "no"}})) == set()
        assert await passing(store, parse_filter({"scope": "new"})) == {"a"}

    @settings(
        max_examples=60,
        # The store is shared by the examples, and the test by the adapters, on purpose: each example clears up.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(metadatas=st.lists(metadata, min_size=1, max_size=6), wheres=st.lists(filters, min_size=1, max_size=4))
    async def test_filter_means_what_the_definition_says(
        self, store: VectorStore, metadatas: list[dict[str, Any]], wheres: list[dict[str, Any]]
    ) -> None:
        """Any filter on any metadata."""
        records = {f"r{number}": item for number, item in enumerate(metadatas)}
        await fill(store, records)
        for where in wheres:
            condition = parse_filter(where)
            expected = {name for name, item in records.items() if matches(condition, item)}
            assert await passing(store, condition) == expected, where
        assert await store.delete(list(records)) == len(records)
