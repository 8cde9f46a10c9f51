"""Pages of a list, and the bounds that every list has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.errors import InvalidInput

T = TypeVar("T")

MAX_LIMIT = 200
MAX_OFFSET = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the items, in order, and how many there are altogether."""

    items: tuple[T, ...]
    total: int

    def __iter__(self) -> Iterator[T]:
        """Iterates over the items of this page."""
        return iter(self.items)


def check_page(limit: int, offset: int = 0) -> None:
    """Refuse a page that no adapter serves.

    Raises:
        InvalidInput: ``limit`` is outside 0 to 200, or ``offset`` is negative or beyond 2^31 - 1.
    """
    if not 0 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit is {limit}; accepted: 0 to {MAX_LIMIT}")
    if not 0 <= offset <= MAX_OFFSET:
        raise InvalidInput(f"offset is {offset}; accepted: 0 to {MAX_OFFSET}")
