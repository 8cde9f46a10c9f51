"""What a field of a model accepts, in words, and what may be shown of a value that was given."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

# From the first colon after the slashes to the last at-sign before the next slash: a password may hold both.
_CREDENTIALS = re.compile(r"(://[^/:@]*:)[^/]*@")

MASK = "******"


def accepted_by(model: type[BaseModel], field: str) -> str:
    """What the field accepts."""
    schema = _schema(model, field)
    if "accepted" in schema:
        return str(schema["accepted"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    return _of_type(schema)


def _schema(model: type[BaseModel], field: str) -> dict[str, Any]:
    """That of the field, with the options other than null and what is defined elsewhere taken into it."""
    whole = model.model_json_schema()
    schema: dict[str, Any] = whole["properties"][field]
    if "anyOf" in schema:
        schema = {**next(option for option in schema["anyOf"] if option.get("type") != "null"), **schema}
    if "$ref" in schema:
        schema = {**whole["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
    return schema


def _of_type(schema: dict[str, Any]) -> str:
    match schema.get("type"):
        case "boolean":
            return "true or false"
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "array":
            return "a list, separated by commas"
        case "object":
            return f"keys with values: {', '.join(schema.get('properties', {})) or 'any'}"
    if schema.get("format") == "path":
        return "a path"
    return f"text of the form {schema['pattern']}" if "pattern" in schema else "text that is not empty"


def without_password(text: str) -> str:
    """``text`` with the password of an address in it masked."""
    return _CREDENTIALS.sub(rf"\1{MASK}@", text)


def is_secret(model: type[BaseModel], field: str) -> bool:
    """True if values of the field are never shown."""
    return bool(_schema(model, field).get("format") == "password")


def _range(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" of at least {least}"
    return "" if most is None else f" of at most {most}"
