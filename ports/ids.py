"""Fresh identifiers and secrets."""

from __future__ import annotations

from typing import Protocol


class IdSource(Protocol):
    """Makes ids and secrets that nobody can guess and that do not repeat."""

    def new(self, prefix: str, digits: int = 12) -> str:
        """``prefix``, an underscore and ``digits`` random lower-case hexadecimal digits, e.g. ``case_0f3a...``."""
        ...

    def secret(self) -> str:
        """A random URL-safe text of 256 bits."""
        ...
