from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.errors import InvalidInput
from domain.message import Message
from domain.values import (
    INT64_MAX,
    Attributes,
    Count,
    Fraction,
    Instant,
    Label50,
    Text50,
    Value,
    first_problem,
    normalise_text,
    search_text,
)
from tests.builders import a_message


class Point(Value):
    x: Count
    note: Text50 = ""


@pytest.mark.parametrize("text", ["a\0b", "é\0", "\ud800", "x\udfff"])
def test_text_that_some_backend_cannot_store_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        normalise_text(text)


def test_text_is_composed() -> None:
    assert normalise_text("e\u0301") == "\u00e9"
    assert normalise_text("plain") == "plain"


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_text(text)
    assert normalise_text(once) == once
    folded = search_text(text)
    assert search_text(folded) == folded


def test_search_folds_case_and_space() -> None:
    assert search_text("  STRASSE\n\t1 ") == search_text("straße 1") == "strasse 1"


def test_labels_are_trimmed_and_must_say_something() -> None:
    label = TypeAdapter(Label50)
    assert label.validate_python("  x ") == "x"
    for bad in ("", "   ", "x" * 51, 7, "a\0"):
        with pytest.raises(ValidationError):
            label.validate_python(bad)


def test_texts_keep_their_space() -> None:
    text = TypeAdapter(Text50)
    assert text.validate_python("  ") == "  "
    assert text.validate_python("e\u0301" * 50) == "\u00e9" * 50
    for bad in ("x" * 51, 7):
        with pytest.raises(ValidationError):
            text.validate_python(bad)


@pytest.mark.parametrize("bad", [-1, INT64_MAX + 1, "many", None])
def test_counts_fit_64_bits(bad: object) -> None:
    with pytest.raises(ValidationError):
        Point.model_validate({"x": bad})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.01, 1.01])
def test_fractions_are_finite_and_from_0_to_1(bad: float) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Fraction).validate_python(bad)


def test_instants_are_held_in_utc() -> None:
    instant = TypeAdapter(Instant)
    east = datetime(2025, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    held = instant.validate_python(east)
    assert held == datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert held.tzinfo is UTC


@pytest.mark.parametrize(
    "bad",
    [
        datetime(2025, 3, 1),  # noqa: DTZ001 - it is the point
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_instants_without_a_place_in_utc_are_refused(bad: datetime) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(bad)


def test_attributes_are_read_only_scalars() -> None:
    attributes = TypeAdapter(Attributes)
    held = attributes.validate_python({"a": 1, "b": True, "c": 0.5, "d": "x", "e": None})
    assert dict(held) == {"a": 1, "b": True, "c": 0.5, "d": "x", "e": None}
    assert held["b"] is True
    with pytest.raises(TypeError):
        held["a"] = 2  # type: ignore[index]
    for bad in ({"a": [1]}, {"a": float("nan")}, {"a": 2**63}, {"": 1}):
        with pytest.raises(ValidationError):
            attributes.validate_python(bad)


def test_two_messages_do_not_share_their_default_metadata_with_the_outside() -> None:
    message = a_message("case_000000000001")
    assert dict(message.metadata) == {}
    assert Message.model_validate_json(message.model_dump_json()) == message


def test_values_are_frozen_and_know_no_other_fields() -> None:
    point = Point(x=1)
    with pytest.raises(ValidationError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Point.model_validate({"x": 1, "y": 2})


def test_replacing_checks_the_rules_again() -> None:
    point = Point(x=1)
    assert point.replace(x=2) == Point(x=2)
    assert point == Point(x=1)
    with pytest.raises(ValidationError):
        point.replace(x=-1)
    with pytest.raises(ValidationError):
        point.replace(y=1)


def test_the_first_problem_is_told_in_words_without_the_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Point.model_validate({"x": 1, "note": "secret\0"})
    assert first_problem(caught.value) == "note: text must not contain NUL characters"
    with pytest.raises(ValidationError) as caught:
        a_message("case_1").replace(content=" ")
    assert first_problem(caught.value) == "content: a message must not be blank"
