"""Sessions in files, written by hand: one file a key, replaced as a whole and synchronised with the disk.

Each value stands behind its checksum and its expiry. What writes has threads of its own.
"""

from __future__ import annotations

import asyncio
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from time import time

HEAD = struct.Struct(">32sq")


class Files:
    """A folder of values."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._writers = [ThreadPoolExecutor(1) for _ in range(8)]
        for number in range(256):
            (root / f"{number:02x}").mkdir()

    def close(self) -> None:
        """End the threads."""
        for executor in self._writers:
            executor.shutdown()

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        return _read(self._path(key))

    async def set(self, key: str, value: str, ttl: timedelta) -> bool:
        """Store the value until it expires."""
        return await self._write(key, _save, value, ttl)

    async def delete(self, key: str) -> bool:
        """Remove the value."""
        return await self._write(key, _delete)

    async def expire(self, key: str, ttl: timedelta) -> bool:
        """Let the value expire later."""
        return await self._write(key, _expire, ttl)

    async def _write(self, key: str, job: object, *arguments: object) -> bool:
        path = self._path(key)
        writer = self._writers[int(path.parent.name, 16) % 8]
        return await asyncio.get_running_loop().run_in_executor(writer, job, path, *arguments)

    def _path(self, key: str) -> Path:
        name = sha256(key.encode()).hexdigest()
        return self._root / name[:2] / name


def _read(path: Path) -> str | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, expires_at = HEAD.unpack_from(data)
    if sha256(data[32:]).digest() != digest or expires_at <= time() * 1000:
        return None
    return data[HEAD.size :].decode()


def _save(path: Path, value: str, ttl: timedelta) -> bool:
    content = struct.pack(">q", int((time() + ttl.total_seconds()) * 1000)) + value.encode()
    staged = path.with_suffix(".new")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, sha256(content).digest() + content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    staged.rename(path)
    _sync(path.parent)
    return True


def _delete(path: Path) -> bool:
    existed = _read(path) is not None
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _sync(path.parent)
    return existed


def _expire(path: Path, ttl: timedelta) -> bool:
    value = _read(path)
    return value is not None and _save(path, value, ttl)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
