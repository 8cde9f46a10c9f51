"""Files in memory."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import AsyncIterator

from adapters.memory.checkpoints import InMemoryCheckpoints
from ports.blobs import BlobInfo, BlobStore, check_blob_key
from ports.errors import NotFound
from ports.paging import check_page

_PIECE_BYTES = 64 * 1024


class InMemoryBlobStore(InMemoryCheckpoints, BlobStore):
    """Keeps files until the process ends."""

    def __init__(self) -> None:
        super().__init__()
        self._blobs: dict[str, tuple[BlobInfo, bytes]] = {}

    async def put(self, key: str, content: AsyncIterator[bytes]) -> BlobInfo:
        check_blob_key(key)
        digest = hashlib.sha256()
        pieces = []
        async for piece in content:
            digest.update(piece)
            pieces.append(piece)
        data = b"".join(pieces)
        info = BlobInfo(key=key, size=len(data), sha256=digest.hexdigest())
        self._blobs[key] = (info, data)
        return info

    async def open(self, key: str) -> AsyncIterator[bytes]:
        stored = self._blobs.get(check_blob_key(key))
        if stored is None:
            raise NotFound("blob", key)
        return _pieces(stored[1])

    async def stat(self, key: str) -> BlobInfo | None:
        stored = self._blobs.get(check_blob_key(key))
        return None if stored is None else stored[0]

    async def delete(self, key: str) -> bool:
        return self._blobs.pop(check_blob_key(key), None) is not None

    async def scan(self, *, prefix: str = "", after: str | None = None, limit: int = 100) -> tuple[BlobInfo, ...]:
        check_page(limit)
        if prefix:
            check_blob_key(prefix)
        found = (
            key
            for key in self._blobs
            if (not prefix or key == prefix or key.startswith(f"{prefix}/")) and (after is None or key > after)
        )
        return tuple(self._blobs[key][0] for key in heapq.nsmallest(limit, found))

    def _check_open(self) -> None:
        """There is nothing to close."""


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]
