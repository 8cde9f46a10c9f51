"""Checkpoints of a store in memory."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from uuid import uuid4

from ports.transfer import SupportsCheckpoints, check_checkpoint


class InMemoryCheckpoints(SupportsCheckpoints):
    """Base of the stores in memory: their content is gone with them, so each one is a location of its own.

    A subclass says in `_check_open` whether it is closed. One that has transactions replaces the last two methods.
    """

    def __init__(self) -> None:
        self._location = f"memory:{uuid4().hex}"
        self._checkpoints: dict[str, str] = {}

    @property
    def location(self) -> str:
        """A name that no other store has."""
        return self._location

    async def read_checkpoint(self, name: str) -> str | None:
        """The text under the name."""
        check_checkpoint(name)
        return self._checkpoints_to_read().get(name)

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        """Keep or remove the text."""
        check_checkpoint(name, text)
        checkpoints = await self._checkpoints_to_write()
        if text is None:
            checkpoints.pop(name, None)
        else:
            checkpoints[name] = text

    def _check_open(self) -> None:
        """Raise `StorageUnavailable` if the store is closed."""
        raise NotImplementedError

    def _checkpoints_to_read(self) -> Mapping[str, str]:
        self._check_open()
        return self._checkpoints

    async def _checkpoints_to_write(self) -> MutableMapping[str, str]:
        self._check_open()
        return self._checkpoints
