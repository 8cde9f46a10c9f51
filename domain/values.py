"""The ground that every domain model stands on: one base class and the scalar types.

Text, numbers and instants are normalised and refused here, once, so that every backend stores the same thing:
text is NFC without NUL and lone surrogates, floats are finite and zero has no sign, integers fit 64 bits, instants are
aware and in UTC.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
)

from domain.errors import InvalidInput

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


class Value(BaseModel):
    """An immutable value: equal by content, unknown fields refused, changed only by making another one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def replace(self, **changes: Any) -> Self:
        """The same value with some fields changed; every invariant of the class is checked again.

        Raises:
            pydantic.ValidationError: the changed value would break a rule.
        """
        return type(self).model_validate({**self.__dict__, **changes})


def normalise_text(text: str) -> str:
    """``text`` in Unicode form NFC.

    Raises:
        InvalidInput: see `check_storable`.
    """
    if text.isascii() and "\0" not in text:
        return text
    normal = unicodedata.normalize("NFC", text)
    check_storable(normal)
    return normal


def check_storable(*texts: str) -> None:
    """Refuse texts that not every backend can store.

    Raises:
        InvalidInput: one of them holds NUL or a lone surrogate.
    """
    for text in texts:
        if "\0" in text:
            raise InvalidInput("text must not contain NUL characters")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise InvalidInput("text must not contain lone surrogates (it is not valid Unicode)") from None


def search_text(text: str) -> str:
    """The form in which texts are compared by a search: NFC, casefolded, white space runs folded to one space.

    Raises:
        InvalidInput: see `normalise_text`.
    """
    folded = unicodedata.normalize("NFC", normalise_text(text).casefold())
    return " ".join(folded.split())


def first_problem(error: ValidationError) -> str:
    """What is wrong first in a refused value, in words, with the field that held it."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _normalise_any(value: Any) -> Any:
    return normalise_text(value) if isinstance(value, str) else value


def _trim_any(value: Any) -> Any:
    return normalise_text(value).strip() if isinstance(value, str) else value


def _refuse_integer(value: Any) -> Any:
    # Otherwise an integer that is too large would be taken as a float and lose its last digits.
    if isinstance(value, int):
        raise InvalidInput("an integer must fit 64 bits")
    return value


def _unsigned_zero(number: float) -> float:
    # Some backends keep -0.0 apart from 0.0, others do not.
    return number + 0.0


def _to_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("the instant lies outside of the years 1 to 9999 in UTC") from None


_normalised = BeforeValidator(_normalise_any)

Text = Annotated[str, _normalised]
Text50 = Annotated[str, StringConstraints(max_length=50), _normalised]
Text100 = Annotated[str, StringConstraints(max_length=100), _normalised]
Text200 = Annotated[str, StringConstraints(max_length=200), _normalised]
Text500 = Annotated[str, StringConstraints(max_length=500), _normalised]
Text1000 = Annotated[str, StringConstraints(max_length=1000), _normalised]
Text2000 = Annotated[str, StringConstraints(max_length=2000), _normalised]
Text5000 = Annotated[str, StringConstraints(max_length=5000), _normalised]

# Required texts: trimmed, at least one character that is not white space.
Label50 = Annotated[str, StringConstraints(min_length=1, max_length=50), BeforeValidator(_trim_any)]
Label100 = Annotated[str, StringConstraints(min_length=1, max_length=100), BeforeValidator(_trim_any)]
Label200 = Annotated[str, StringConstraints(min_length=1, max_length=200), BeforeValidator(_trim_any)]
Label255 = Annotated[str, StringConstraints(min_length=1, max_length=255), BeforeValidator(_trim_any)]
Label500 = Annotated[str, StringConstraints(min_length=1, max_length=500), BeforeValidator(_trim_any)]
Label1000 = Annotated[str, StringConstraints(min_length=1, max_length=1000), BeforeValidator(_trim_any)]

Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(_unsigned_zero)]
"""A finite number from 0 to 1."""

Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware instant, held in UTC; a naive one is refused."""

Scalar = (
    bool
    | Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX)]
    | Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_refuse_integer), AfterValidator(_unsigned_zero)]
    | Text
)
Attributes = Annotated[
    Mapping[Label100, Scalar | None],
    AfterValidator(MappingProxyType),
    PlainSerializer(dict),
]
"""A small read-only map of names to scalars, for what a caller wants to keep beside a value."""

NO_ATTRIBUTES: Any = Field(default_factory=lambda: MappingProxyType({}))
"""The default of a field of `Attributes`: empty. A factory, because pydantic cannot copy a read-only map."""
