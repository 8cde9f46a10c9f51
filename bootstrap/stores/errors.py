"""What is said about a configuration from which no store can be made."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import InvalidInput


class InvalidStoreConfiguration(InvalidInput):
    """A configuration cannot be used; ``problems`` has all the reasons, each with the key to change."""

    def __init__(self, title: str, problems: Sequence[tuple[str, str]]) -> None:
        lines = [f"  {key}: {message}" for key, message in problems]
        super().__init__("\n".join((f"The configuration of the {title} cannot be used:", *lines)))
        self.problems = tuple(problems)
