"""Tokens: random, opaque, and stored only as their SHA-256, with an expiry, in the cache."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from application.cached_json import Record, update_record
from domain.user import User
from ports.clock import Clock
from ports.ids import IdSource
from ports.sessions import CacheStore

ACCESS = "fm_at_"
REFRESH = "fm_rt_"
ROTATION_GRACE = timedelta(seconds=10)
MAX_TOKENS = 100
"""Live tokens of one user; one more revokes the oldest."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What proves a sign-in. ``expires_at`` is the end of the access token."""

    access_token: str
    expires_in: timedelta
    expires_at: datetime
    refresh_token: str
    refresh_expires_in: timedelta


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token that has not run out: where it is stored, whose it is, and since when."""

    key: str
    stored: str
    user_id: str
    issued_at: datetime


class TokenStore:
    """Issues tokens and finds them again. Which of a user's tokens there are is kept in one record a user."""

    def __init__(
        self, *, cache: CacheStore, clock: Clock, ids: IdSource, access_ttl: timedelta, refresh_ttl: timedelta
    ) -> None:
        """Keeps everything in ``cache``."""
        self._cache = cache
        self._clock = clock
        self._ids = ids
        self._access_ttl = access_ttl
        self._refresh_ttl = refresh_ttl

    async def issue(self, user: User) -> Tokens:
        """An access and a refresh token for the user."""
        now = self._clock.now()
        issued_at = max(now, user.tokens_valid_from)
        access, refresh = ACCESS + self._ids.secret(), REFRESH + self._ids.secret()
        record = orjson.dumps({"user_id": user.user_id, "issued_at": issued_at.isoformat()}).decode()
        new = {_key(access): self._access_ttl, _key(refresh): self._refresh_ttl}
        for key, ttl in new.items():
            await self._cache.set(key, record, ttl)

        def remember(known: Record) -> Record:
            live = {key: end for key, end in known.items() if end > now.timestamp()}
            live.update({key: (now + ttl).timestamp() for key, ttl in new.items()})
            return dict(list(live.items())[-MAX_TOKENS:])

        before, after = await update_record(self._cache, _index(user.user_id), remember, max(new.values()))
        for key in before.keys() - after.keys():
            await self._cache.delete(key)
        return Tokens(access, self._access_ttl, now + self._access_ttl, refresh, self._refresh_ttl)

    async def find(self, kind: str, token: str) -> KnownToken | None:
        """What is known of the token, or None if it has run out or never was one of this kind."""
        key = _key(token)
        stored = await self._cache.get(key) if token.startswith(kind) else None
        if stored is None:
            return None
        record: Record = orjson.loads(stored)
        return KnownToken(key, stored, record["user_id"], datetime.fromisoformat(record["issued_at"]))

    async def spend(self, known: KnownToken) -> None:
        """Let a refresh token end in 10 seconds. One that is spent already ends when it would have."""
        record: Record = orjson.loads(known.stored)
        if not record.get("spent"):
            spent = orjson.dumps({**record, "spent": True}).decode()
            await self._cache.compare_and_set(known.key, known.stored, spent, ROTATION_GRACE)

    async def forget(self, user_id: str) -> int:
        """Remove all tokens of the user; returns how many had not run out."""
        raw = await self._cache.get(_index(user_id))
        known: Record = orjson.loads(raw) if raw else {}
        live = sum([await self._cache.delete(key) for key in known])

        def without(record: Record) -> Record:
            return {key: end for key, end in record.items() if key not in known}

        # Behind the tokens, so that an interruption leaves none that is not listed.
        await update_record(self._cache, _index(user_id), without, self._refresh_ttl)
        return live


def _key(token: str) -> str:
    return "token:" + hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _index(user_id: str) -> str:
    return f"tokens:{user_id}"
