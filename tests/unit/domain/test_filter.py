"""The filter language: what is legal, and what it means."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.filter import (
    MAX_DEPTH,
    And,
    Comparison,
    Filter,
    Operator,
    Or,
    check_field,
    check_metadata,
    check_value,
    matches,
    parse_filter,
)

RECORD: dict[str, Any] = {"scope": "global", "year": 2024, "score": 0.5, "draft": False, "note": "é"}


def nested(depth: int) -> dict[str, Any]:
    where: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        where = {"$and": [where]}
    return where


class TestParsing:
    @pytest.mark.parametrize(
        ("where", "parsed"),
        [
            ({"a": 1}, Comparison("a", Operator.EQ, (1,))),
            ({"a": {"$gte": 1}}, Comparison("a", Operator.GTE, (1,))),
            ({"a": {"$in": [1, "x"]}}, Comparison("a", Operator.IN, (1, "x"))),
            ({"a": {"$nin": (True,)}}, Comparison("a", Operator.NIN, (True,))),
            (
                {"a": {"$gt": 1, "$lt": 3}},
                And((Comparison("a", Operator.GT, (1,)), Comparison("a", Operator.LT, (3,)))),
            ),
            ({"a": 1, "b": 2}, And((Comparison("a", Operator.EQ, (1,)), Comparison("b", Operator.EQ, (2,))))),
            (
                {"$or": [{"a": 1}, {"b": 2}]},
                Or((Comparison("a", Operator.EQ, (1,)), Comparison("b", Operator.EQ, (2,)))),
            ),
            ({"$and": [{"a": 1}]}, And((Comparison("a", Operator.EQ, (1,)),))),
            ({"e\u0301": "e\u0301"}, Comparison("\u00e9", Operator.EQ, ("\u00e9",))),
        ],
    )
    def test_a_filter_is_read(self, where: Mapping[str, object], parsed: Filter) -> None:
        assert parse_filter(where) == parsed

    @pytest.mark.parametrize(
        "where",
        [
            {},
            [],
            None,
            "a",
            {"$and": []},
            {"$or": {}},
            {"$or": "ab"},
            {"$and": [1]},
            {"$and": [{}]},
            {"$not": {"a": 1}},
            {"$where": "1"},
            {"": 1},
            {" ": 1},
            {1: 1},
            {"a" * 101: 1},
            {"a": {}},
            {"a": {"$regex": "x"}},
            {"a": {"gt": 1}},
            {"a": {1: 1}},
            {"a": {"$gt": "x"}},
            {"a": {"$lt": True}},
            {"a": {"$in": []}},
            {"a": {"$in": "xy"}},
            {"a": {"$nin": 1}},
            {"a": {"$in": [[1]]}},
            {"a": None},
            {"a": [1]},
            {"a": float("nan")},
            {"a": {"$eq": float("inf")}},
            {"a": 2**63},
            {"a": "\0"},
            {"a": "\ud800"},
            {"a\0": 1},
        ],
    )
    def test_anything_else_is_refused(self, where: Any) -> None:
        with pytest.raises(InvalidInput):
            parse_filter(where)

    def test_nesting_has_an_upper_bound(self) -> None:
        assert parse_filter(nested(MAX_DEPTH))
        with pytest.raises(InvalidInput, match="at most 10 deep"):
            parse_filter(nested(MAX_DEPTH + 1))

    def test_an_unknown_operator_is_answered_with_the_known_ones(self) -> None:
        with pytest.raises(InvalidInput, match=r"\$regex.*accepted: \$eq, \$ne, \$gt, \$gte, \$lt, \$lte, \$in, \$nin"):
            parse_filter({"a": {"$regex": "x"}})


class TestMeaning:
    @pytest.mark.parametrize(
        ("where", "yes"),
        [
            ({"scope": "global"}, True),
            ({"scope": "Global"}, False),
            ({"scope": {"$ne": "user"}}, True),
            ({"scope": {"$ne": "global"}}, False),
            ({"note": "e\u0301"}, True),
            ({"year": 2024.0}, True),
            ({"year": "2024"}, False),
            ({"year": {"$ne": "2024"}}, True),
            ({"year": {"$gt": 2023}}, True),
            ({"year": {"$gt": 2024}}, False),
            ({"year": {"$gte": 2024}}, True),
            ({"year": {"$lt": 2024.5}}, True),
            ({"year": {"$lt": 2024}}, False),
            ({"year": {"$lte": 2024}}, True),
            ({"year": {"$lte": 2023}}, False),
            ({"year": {"$in": [1, 2024]}}, True),
            ({"year": {"$in": ["2024"]}}, False),
            ({"year": {"$nin": [1, 2]}}, True),
            ({"year": {"$nin": [1, 2024]}}, False),
            ({"draft": False}, True),
            ({"draft": 0}, False),
            ({"draft": {"$in": [0, 1]}}, False),
            ({"draft": {"$gte": 0}}, False),
            ({"scope": {"$lt": 5}}, False),
            ({"year": True}, False),
            ({"missing": 1}, False),
            ({"missing": {"$ne": 1}}, False),
            ({"missing": {"$nin": [1]}}, False),
            ({"scope": "global", "year": 2023}, False),
            ({"$or": [{"scope": "user"}, {"year": 2024}]}, True),
            ({"$or": [{"scope": "user"}, {"year": 2023}]}, False),
            ({"$and": [{"scope": "global"}, {"$or": [{"year": 1}, {"draft": False}]}]}, True),
        ],
    )
    def test_a_record_passes_or_not(self, where: Mapping[str, object], yes: bool) -> None:
        assert matches(parse_filter(where), RECORD) is yes

    @given(
        st.sampled_from(list(Operator)),
        st.one_of(st.booleans(), st.integers(-3, 3), st.floats(-3, 3), st.text(max_size=2)),
        st.one_of(st.booleans(), st.integers(-3, 3), st.floats(-3, 3), st.text(max_size=2)),
    )
    def test_opposites_exclude_each_other_on_a_present_field(self, operator: Operator, held: Any, asked: Any) -> None:
        opposites = {Operator.EQ: Operator.NE, Operator.IN: Operator.NIN}
        if operator in opposites:
            record = {"f": held}
            one, other = Comparison("f", operator, (asked,)), Comparison("f", opposites[operator], (asked,))
            assert matches(one, record) != matches(other, record)
        ordered = Comparison("f", Operator.LT, (asked,)), Comparison("f", Operator.GTE, (asked,))
        numbers = not isinstance(held, bool | str) and not isinstance(asked, bool | str)
        assert any(matches(part, {"f": held}) for part in ordered) is numbers


class TestMetadata:
    def test_names_and_values_are_normalised(self) -> None:
        assert check_metadata({"e\u0301": "e\u0301", "n": 1, "b": True, "f": 0.5}) == {
            "\u00e9": "\u00e9",
            "n": 1,
            "b": True,
            "f": 0.5,
        }
        assert check_value("f", True) is True
        assert check_field("x" * 100) == "x" * 100

    @pytest.mark.parametrize("metadata", [{"$a": 1}, {"a": None}, {"a": [1]}, {"a": 2**64}, {"a": b"x"}, {"": 1}])
    def test_what_no_store_can_filter_by_is_refused(self, metadata: dict[str, object]) -> None:
        with pytest.raises(InvalidInput):
            check_metadata(metadata)
