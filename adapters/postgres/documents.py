"""Documents on their way into a JSONB column.

JSONB keeps the value of a document, not its text: it writes the text anew when it is read. So the checksum beside a
document is that of the text which the server gives back, and the server computes it when it stores the document.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, LargeBinary, Table, Text, bindparam, cast, func, literal_column
from sqlalchemy.dialects.postgresql import JSONB

from adapters.sql import statements

_UTF8: ColumnElement[str] = literal_column("'UTF8'")

# Looks for the letter first, which is many times faster than to look for a digit before it.
_PERHAPS_LARGE = re.compile(r"e(?<=[0-9]e)\+?[0-9]{2,3}[,}\]]")
_STRING_OR_LARGE = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]+')


def to_jsonb(value: BaseModel) -> str:
    """The document of a value, see `as_jsonb`."""
    return as_jsonb(value.model_dump_json())


def as_jsonb(document: str) -> str:
    """The document without the notation that JSONB would turn into another type.

    A number that is written as 1e+16 would come back as 10000000000000000, which is an integer.
    """
    return _STRING_OR_LARGE.sub(_in_full, document) if _PERHAPS_LARGE.search(document) else document


def document_values() -> dict[str, ColumnElement[Any]]:
    """The columns of a document that is the parameter ``:json``. SQLAlchemy keeps the names of columns for itself."""
    document = bindparam("json", type_=JSONB())
    return {
        "document": document,
        "document_sha256": func.sha256(func.convert_to(cast(document, Text), _UTF8), type_=LargeBinary()),
    }


def other_columns(table: Table) -> list[str]:
    """The columns that an INSERT sets beside those of `document_values`."""
    return [name for name in statements.columns_of(table) if name not in ("document", "document_sha256")]


def _in_full(match: re.Match[str]) -> str:
    text = match.group()
    return text if text.startswith('"') else f"{Decimal(text):f}.0"
