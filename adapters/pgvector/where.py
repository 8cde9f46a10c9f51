"""Filters as SQL conditions on the column ``metadata``, with every name and value bound, never written into the text.

They mean what `domain.filter.matches` says: ``jsonb`` compares numbers as decimals, and values of different kinds are
never equal. A condition may come to NULL instead of false where a field is missing; it is not negated as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.pgvector.encoding import metadata_to_json, to_json
from domain.filter import And, Comparison, Filter, MetadataValue, Operator, Or

INDEXED_VALUES = 100
"""Up to so many values of ``$in`` are looked up in the index one by one; with more of them the records are read."""

_ORDER = {Operator.GT: ">", Operator.GTE: ">=", Operator.LT: "<", Operator.LTE: "<="}


class Parameters:
    """The values of a statement, numbered in the order in which they are bound."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        """How the statement refers to the value."""
        number = len(self.values) + 1
        self.values[str(number)] = value
        return f"${number}"


def to_sql(where: Filter | None, parameters: Parameters) -> str:
    """The condition of the filter."""
    if where is None:
        return "true"
    if isinstance(where, And | Or):
        joint = " AND " if isinstance(where, And) else " OR "
        return f"({joint.join(to_sql(part, parameters) for part in where.parts)})"
    return _comparison(where, parameters)


def _comparison(comparison: Comparison, parameters: Parameters) -> str:
    operator, values = comparison.operator, comparison.values
    if operator in (Operator.EQ, Operator.IN):
        return _is_any(comparison.field, values, parameters)
    name = f"{parameters.bind(comparison.field)}::text"
    if operator in (Operator.NE, Operator.NIN):
        return f"(metadata ? {name} AND NOT {_is_any(comparison.field, values, parameters)})"
    value = f"{parameters.bind(to_json(values[0]))}::text::jsonb"
    # Between values of two kinds `jsonb` has an order of its own; here only numbers are ordered.
    return f"(jsonb_typeof(metadata -> {name}) = 'number' AND metadata -> {name} {_ORDER[operator]} {value})"


def _is_any(field: str, values: Sequence[MetadataValue], parameters: Parameters) -> str:
    if len(values) > INDEXED_VALUES:
        members = parameters.bind([to_json(value) for value in values])
        return f"(metadata -> {parameters.bind(field)}::text = ANY ({members}::text[]::jsonb[]))"
    fields = (parameters.bind(metadata_to_json({field: value})) for value in values)
    return f"({' OR '.join(f'metadata @> {item}::text::jsonb' for item in fields)})"
