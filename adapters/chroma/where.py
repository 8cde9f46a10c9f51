"""The part of the filter language on which Chroma and `domain.filter` agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.filter import And, Comparison, Filter, Operator, Or


def stored_field(field: str) -> str:
    """The name under which Chroma keeps a field: it has some names for itself."""
    return f"\\{field}" if field.startswith(("#", "chroma:", "\\")) else field


def original_field(field: str) -> str:
    """The field that is kept under this name."""
    return field.removeprefix("\\")


def to_chroma(condition: Filter) -> dict[str, Any] | None:
    """``condition`` in Chroma's form, or None if Chroma means something else by it.

    They agree on equality and membership of texts. Chroma's ``$ne`` and ``$nin`` also match records without the field,
    and it compares numbers by the kind in which they are stored; `domain.filter.matches` decides such filters.
    """
    match condition:
        case Comparison(field, Operator.EQ | Operator.IN, values) if all(isinstance(value, str) for value in values):
            return {stored_field(field): {"$in": list(values)}}
        case And(parts) | Or(parts):
            translated = [part for part in map(to_chroma, parts) if part is not None]
            if len(translated) < len(parts):
                return None
            if len(translated) == 1:
                return translated[0]
            return {"$and" if isinstance(condition, And) else "$or": translated}
    return None


def necessary(condition: Filter) -> dict[str, Any] | None:
    """In Chroma's form what every record meets that passes ``condition``, and perhaps others; None if all may do so."""
    if not isinstance(condition, And):
        return to_chroma(condition)
    known = [part for part in map(necessary, condition.parts) if part is not None]
    if len(known) > 1:
        return {"$and": known}
    return known[0] if known else None


def to_json(condition: Filter) -> dict[str, Any]:
    """``condition`` as the child process gets it, for `from_json`.

    Each node of the tree is one level, so it may be nested deeper than `domain.filter.parse_filter` accepts.
    """
    match condition:
        case And(parts):
            return {"$and": [to_json(part) for part in parts]}
        case Or(parts):
            return {"$or": [to_json(part) for part in parts]}
        case Comparison(field, operator, values):
            several = operator in (Operator.IN, Operator.NIN)
            return {field: {operator.value: list(values) if several else values[0]}}


def from_json(written: Mapping[str, Any]) -> Filter:
    """The filter that `to_json` wrote."""
    ((name, content),) = written.items()
    if name in ("$and", "$or"):
        parts = tuple(map(from_json, content))
        return And(parts) if name == "$and" else Or(parts)
    ((operator, operand),) = content.items()
    return Comparison(name, Operator(operator), tuple(operand) if isinstance(operand, list) else (operand,))
