"""The filter language of the vector stores: parsed into a tree, with a reference evaluator.

The written form is Chroma's ``where``: ``{"scope": "global"}``, ``{"year": {"$gte": 2024}}``, ``{"$and": [..., ...]}``.

Meaning, the same in every adapter:

* A comparison is true only for a record that has the field. ``$ne`` and ``$nin`` too: a missing field never matches.
* Booleans, strings and numbers are three kinds; values of different kinds are never equal and never ordered.
  Integers and floats are one kind and compare by value.
* ``$gt``, ``$gte``, ``$lt``, ``$lte`` order numbers only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InvalidInput
from domain.values import INT64_MAX, INT64_MIN, normalise_text

MetadataValue = str | int | float | bool
Metadata = Mapping[str, MetadataValue]

MAX_FIELD_LENGTH = 100
MAX_DEPTH = 10


class Operator(StrEnum):
    """How a field is compared."""

    EQ = "$eq"
    NE = "$ne"
    GT = "$gt"
    GTE = "$gte"
    LT = "$lt"
    LTE = "$lte"
    IN = "$in"
    NIN = "$nin"


ORDERING = (Operator.GT, Operator.GTE, Operator.LT, Operator.LTE)
MEMBERSHIP = (Operator.IN, Operator.NIN)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field against one value, or against several for ``$in`` and ``$nin``."""

    field: str
    operator: Operator
    values: tuple[MetadataValue, ...]


@dataclass(frozen=True, slots=True)
class And:
    """True where every part is true."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True where at least one part is true."""

    parts: tuple[Filter, ...]


Filter = Comparison | And | Or


def parse_filter(where: Mapping[str, object], _depth: int = 0) -> Filter:
    """The filter that ``where`` writes.

    Raises:
        InvalidInput: an unknown operator, a field or value of the wrong type, an empty list, or too deep nesting.
    """
    if _depth > MAX_DEPTH:
        raise InvalidInput(f"a filter may be nested at most {MAX_DEPTH} deep")
    if not isinstance(where, Mapping) or not where:
        raise InvalidInput("a filter is a mapping with at least one field or operator")
    parts = tuple(_parse_entry(key, value, _depth) for key, value in where.items())
    return parts[0] if len(parts) == 1 else And(parts)


def _parse_entry(key: object, value: object, depth: int) -> Filter:
    if key in ("$and", "$or"):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise InvalidInput(f"{key} takes a list of at least one filter")
        parts = tuple(parse_filter(part, depth + 1) for part in value)
        return And(parts) if key == "$and" else Or(parts)
    field = check_field(key)
    if not isinstance(value, Mapping):
        return Comparison(field, Operator.EQ, (check_value(field, value),))
    if not value:
        raise InvalidInput(f"filter field {field!r}: an operator is missing")
    comparisons = tuple(_parse_comparison(field, operator, operand) for operator, operand in value.items())
    return comparisons[0] if len(comparisons) == 1 else And(comparisons)


def _parse_comparison(field: str, name: object, operand: object) -> Comparison:
    try:
        operator = Operator(name)  # type: ignore[arg-type]
    except ValueError:
        accepted = ", ".join(Operator)
        raise InvalidInput(f"filter field {field!r}: unknown operator {name!r}; accepted: {accepted}") from None
    if operator in MEMBERSHIP:
        if not isinstance(operand, Sequence) or isinstance(operand, str) or not operand:
            raise InvalidInput(f"filter field {field!r}: {operator} takes a list of at least one value")
        return Comparison(field, operator, tuple(check_value(field, item) for item in operand))
    value = check_value(field, operand)
    if operator in ORDERING and _kind(value) != "number":
        raise InvalidInput(f"filter field {field!r}: {operator} compares numbers only")
    return Comparison(field, operator, (value,))


def check_field(field: object) -> str:
    """``field`` as the name of a metadata field.

    Raises:
        InvalidInput: it is no text, blank, too long, or begins with the ``$`` of the operators.
    """
    if not isinstance(field, str) or not field.strip() or field.startswith("$") or len(field) > MAX_FIELD_LENGTH:
        raise InvalidInput(
            f"metadata field {field!r}: a name is 1 to {MAX_FIELD_LENGTH} characters and does not begin with $"
        )
    return normalise_text(field)


def check_value(field: str, value: object) -> MetadataValue:
    """``value`` as the value of a metadata field.

    Raises:
        InvalidInput: it is neither text, boolean, 64-bit integer nor finite float.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return normalise_text(value)
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise InvalidInput(f"metadata field {field!r}: a value is text, a boolean, a 64-bit integer or a finite number")


def check_metadata(metadata: Mapping[str, object]) -> dict[str, MetadataValue]:
    """``metadata`` with every name and value normalised.

    Raises:
        InvalidInput: see `check_field` and `check_value`.
    """
    return {check_field(field): check_value(str(field), value) for field, value in metadata.items()}


def matches(condition: Filter, metadata: Metadata) -> bool:
    """True if a record with this metadata passes the filter. This is the definition that adapters have to meet."""
    if isinstance(condition, And):
        return all(matches(part, metadata) for part in condition.parts)
    if isinstance(condition, Or):
        return any(matches(part, metadata) for part in condition.parts)
    field = condition.field
    return field in metadata and _compare(metadata[field], condition.operator, condition.values)


def _compare(value: MetadataValue, operator: Operator, values: tuple[MetadataValue, ...]) -> bool:
    if operator in MEMBERSHIP:
        return any(_equal(value, other) for other in values) is (operator is Operator.IN)
    other = values[0]
    if operator is Operator.EQ:
        return _equal(value, other)
    if operator is Operator.NE:
        return not _equal(value, other)
    if isinstance(value, str | bool) or isinstance(other, str | bool):
        return False
    match operator:
        case Operator.GT:
            return value > other
        case Operator.GTE:
            return value >= other
        case Operator.LT:
            return value < other
        case _:
            return value <= other


def _kind(value: MetadataValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def _equal(one: MetadataValue, other: MetadataValue) -> bool:
    return _kind(one) == _kind(other) and one == other
