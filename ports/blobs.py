"""Files: raw bytes under a key.

Promise: what was written comes back byte for byte or not at all (each read is checked against a SHA-256 made when it
was written). A write is visible only once it is complete. Writing a key again replaces it.

Keys are made by the program, never from user text: segments of ``[A-Za-z0-9_-]{1,64}`` joined by ``/``, at most 8.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from domain.errors import InvalidInput

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,7}")


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What is known of a stored blob."""

    key: str
    size: int
    sha256: str


def check_blob_key(key: str) -> str:
    """``key`` as it is.

    Raises:
        InvalidInput: it is not of the form that the module describes.
    """
    if not _KEY.fullmatch(key):
        raise InvalidInput(f"blob key {key!r}: accepted are 1 to 8 segments of letters, digits, - and _, joined by /")
    return key


class BlobStore(Protocol):
    """Keeps files."""

    async def put(self, key: str, content: AsyncIterator[bytes]) -> BlobInfo:
        """Store all that ``content`` yields. If it raises, nothing is stored and its error goes on to the caller.

        Raises:
            InvalidInput: a malformed key.
            StorageFull: there is no room.
        """
        ...

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """The bytes in pieces of at most 64 KiB.

        Raises:
            NotFound: there is no such blob.
            StorageCorrupt: the bytes are not those that were written; raised before the last piece is given out.
        """
        ...

    async def stat(self, key: str) -> BlobInfo | None:
        """Size and hash, or None if there is no such blob."""
        ...

    async def delete(self, key: str) -> bool:
        """Remove the blob. True if it existed."""
        ...

    async def scan(self, *, prefix: str = "", after: str | None = None, limit: int = 100) -> tuple[BlobInfo, ...]:
        """The next blobs by key after the given one whose key is ``prefix`` or begins with ``prefix`` and ``/``
        (all blobs for the empty prefix); an empty tuple at the end.

        Raises:
            InvalidInput: a malformed prefix, or a limit outside of 0 to 200.
        """
        ...
