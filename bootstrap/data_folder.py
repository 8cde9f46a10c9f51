"""The data folder belongs to one process at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from bootstrap.errors import DataFolderInUse, DataFolderUnusable


def holder_of(folder: Path) -> str:
    """The process that holds the folder, in words."""
    try:
        holder = json.loads((folder / "holder.json").read_text())
        return f"process {holder['pid']} ({holder['purpose']}, since {holder['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"


@contextmanager
def held(folder: Path, purpose: str) -> Iterator[None]:
    """Hold the folder, making it first if need be (readable by its owner only).

    The lock is one of the operating system's, so it is gone with the process, however that ends.

    Raises:
        DataFolderInUse: another process holds it.
        DataFolderUnusable: it cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=0, mode=0o600)
        lock.acquire()
    except Timeout:
        raise DataFolderInUse(
            f"The data folder {folder} is in use by {holder_of(folder)}. Stop that process, or set FAULTMAVEN_DATA_DIR "
            "to another folder."
        ) from None
    except OSError as error:
        raise DataFolderUnusable(
            f"The data folder {folder} cannot be used: {error.strerror}. Make it writable, or set FAULTMAVEN_DATA_DIR "
            "to another folder."
        ) from error
    holder = folder / "holder.json"
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(json.dumps({"pid": os.getpid(), "purpose": purpose, "since": since}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
