"""Small JSON records in the cache that several processes change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ports.errors import StorageUnavailable
from ports.sessions import CacheStore

ATTEMPTS = 60

Record = dict[str, Any]


async def update_record(
    cache: CacheStore, key: str, change: Callable[[Record], Record], ttl: timedelta
) -> tuple[Record, Record]:
    """Replace the record under ``key`` (an empty one if there is none) by ``change`` of it; returns old and new.

    ``change`` may be called several times, because the record is read again when somebody else was faster.

    Raises:
        StorageUnavailable: others were faster each time.
    """
    for attempt in range(ATTEMPTS):
        raw = await cache.get(key)
        old: Record = json.loads(raw) if raw else {}
        new = change(old)
        if raw is None and not new:
            return old, new
        if await cache.compare_and_set(key, raw, json.dumps(new) if new else None, ttl if new else None):
            return old, new
        await asyncio.sleep(min(0.001 * attempt, 0.02))
    raise StorageUnavailable("too many changes at the same moment; please repeat the request")
