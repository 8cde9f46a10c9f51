"""Sessions in SQLite, written by hand: one statement an operation; what writes takes one hop to a thread."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import time
from typing import Any

NAMESPACE = "plain"

GET = "SELECT value FROM entries WHERE namespace = ? AND key = ? AND expires_at > ?"
SET = """
    INSERT INTO entries (namespace, key, value, expires_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
"""
DELETE = "DELETE FROM entries WHERE namespace = ? AND key = ? AND expires_at > ?"
EXPIRE = "UPDATE entries SET expires_at = ? WHERE namespace = ? AND key = ? AND expires_at > ?"


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the durability that the adapter has by default."""
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, cached_statements=256, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


class Sessions:
    """One connection that writes, in a thread, and one that reads, without."""

    def __init__(self, path: Path) -> None:
        self._executor = ThreadPoolExecutor(1)
        self._writer = connect(path)
        self._reader = connect(path)

    async def __aenter__(self) -> Sessions:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._reader.close()
        self._writer.close()

    async def get(self, key: str) -> str | None:
        """The value, or None."""
        row = self._reader.execute(GET, (NAMESPACE, key, now())).fetchone()
        return row[0] if row else None

    async def set(self, key: str, value: str, ttl: timedelta) -> bool:
        """Store the value until it expires."""
        return await self._write(SET, (NAMESPACE, key, value, expiry(ttl)))

    async def delete(self, key: str) -> bool:
        """Remove the value."""
        return await self._write(DELETE, (NAMESPACE, key, now()))

    async def expire(self, key: str, ttl: timedelta) -> bool:
        """Let the value expire later."""
        return await self._write(EXPIRE, (expiry(ttl), NAMESPACE, key, now()))

    async def _write(self, sql: str, parameters: tuple[Any, ...]) -> bool:
        def work() -> bool:
            return self._writer.execute(sql, parameters).rowcount == 1

        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def now() -> int:
    """Milliseconds since 1970."""
    return int(time() * 1000)


def expiry(ttl: timedelta) -> int:
    """When a value expires that is written now."""
    return int((time() + ttl.total_seconds()) * 1000)
