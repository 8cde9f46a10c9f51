"""How often somebody may ask, counted in the cache, so that all processes count together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from application.errors import RateLimited
from ports.clock import Clock
from ports.sessions import CacheStore


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``requests`` in each window of length ``per``."""

    requests: int
    per: timedelta


REQUESTS = "requests"
TURNS = "turns"
SIGN_INS = "sign_ins"

DEFAULT_LIMITS: Mapping[str, RateLimit] = {
    REQUESTS: RateLimit(1200, timedelta(minutes=1)),
    TURNS: RateLimit(120, timedelta(minutes=1)),
    SIGN_INS: RateLimit(60, timedelta(minutes=1)),
}


class RateLimiter:
    """Counts in fixed windows."""

    def __init__(self, *, cache: CacheStore, clock: Clock, limits: Mapping[str, RateLimit] = DEFAULT_LIMITS) -> None:
        """``limits`` maps what is counted to its limit."""
        self._cache = cache
        self._clock = clock
        self._limits = limits

    async def check(self, what: str, who: str) -> None:
        """Count one more, for a user id or an address. What has no limit is not counted.

        Raises:
            RateLimited: the limit is used up; tells when the next window begins.
        """
        limit = self._limits.get(what)
        if limit is None:
            return
        seconds = limit.per.total_seconds()
        now = self._clock.now().timestamp()
        window = math.floor(now / seconds)
        identity = hashlib.sha256(who.encode(errors="surrogatepass")).hexdigest()[:32]
        count = await self._cache.increment(f"rate:{what}:{identity}:{window}", ttl=limit.per * 2)
        if count > limit.requests:
            raise RateLimited(max(1, math.ceil((window + 1) * seconds - now)))
