"""Checkpoints of a store in a folder: one file each, in a folder of their own that is no part of the content."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from adapters.filesystem.durable import StagingFolder, read_file, remove
from ports.errors import StorageCorrupt

CHECKPOINTS_NAME = ".checkpoints"


class CheckpointFolder:
    """The checkpoints of the store in the folder ``root``. Its methods block."""

    def __init__(self, root: Path, staging: StagingFolder) -> None:
        self._folder = root / CHECKPOINTS_NAME
        self._staging = staging

    def read(self, name: str) -> str | None:
        """The text under the name, which has been checked.

        Raises:
            StorageCorrupt: the file holds something else than text.
        """
        try:
            data = read_file(self._folder / name)
        except FileNotFoundError:
            return None
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise StorageCorrupt(f"checkpoint {self._folder / name} is not text; remove it") from error

    def write(self, name: str, text: str | None) -> None:
        """Keep or remove the text; both have been checked."""
        if text is not None:
            self._staging.write(self._folder / name, text.encode())
            return
        with suppress(FileNotFoundError):
            remove(self._folder / name)
