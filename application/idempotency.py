"""Requests that may be sent twice: the first success is kept and given again.

The record of a running request is a lease that its process renews. A repeat waits for it; if the process dies, the
lease ends and the repeat does the work itself. Failures are not kept, so a later repeat tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from application.errors import InvalidIdempotencyKey
from application.lease import renewing
from domain.access import Actor
from ports.errors import OutcomeUnknown, PortError
from ports.ids import IdSource
from ports.sessions import CacheStore

_KEY = re.compile(r"[A-Za-z0-9_-]{8,255}")
_DONE = "done:"
_RUNNING = "running:"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer to a request: status, the headers that matter, and the body as text."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IdempotencyPolicy:
    """``keep`` answers that long; a running request renews its ``lease``; a repeat waits at most ``patience``."""

    keep: timedelta = timedelta(hours=24)
    lease: timedelta = timedelta(seconds=15)
    patience: timedelta = timedelta(seconds=150)
    poll: timedelta = timedelta(milliseconds=50)


class Idempotency:
    """Runs each request once."""

    def __init__(self, *, cache: CacheStore, ids: IdSource, policy: IdempotencyPolicy | None = None) -> None:
        """Keeps its records in ``cache``, so it works across processes that share one."""
        self._cache = cache
        self._ids = ids
        self._policy = policy or IdempotencyPolicy()

    async def run(
        self, actor: Actor, method: str, path: str, key: str, operation: Callable[[], Awaitable[StoredAnswer]]
    ) -> StoredAnswer:
        """The first successful answer to this request of this actor; ``operation`` makes it if there is none yet.

        Raises:
            InvalidIdempotencyKey: the key does not have the form ``[A-Za-z0-9_-]{8,255}``.
            OutcomeUnknown: the first request is running for too long.
        """
        record = _record_of(actor, method, path, key)
        claim = _RUNNING + self._ids.secret()
        try:
            async with asyncio.timeout(self._policy.patience.total_seconds()):
                known = await self._claim_or_wait(record, claim)
        except TimeoutError:
            raise OutcomeUnknown(
                "the same request is still running; repeat it later with the same Idempotency-Key"
            ) from None
        if known is not None:
            return known
        return await self._run_claimed(record, claim, operation)

    async def forget(self, actor: Actor, method: str, path: str, key: str) -> None:
        """Drop the answer that was kept, because it turned out to be none; see `run`."""
        await self._cache.delete(_record_of(actor, method, path, key))

    async def _claim_or_wait(self, record: str, claim: str) -> StoredAnswer | None:
        pause = self._policy.poll.total_seconds()
        while not await self._cache.add(record, claim, self._policy.lease):
            raw = await self._cache.get(record)
            if raw is not None and raw.startswith(_DONE):
                return StoredAnswer(**json.loads(raw.removeprefix(_DONE)))
            if raw is not None:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 0.5)
        return None

    async def _run_claimed(
        self, record: str, claim: str, operation: Callable[[], Awaitable[StoredAnswer]]
    ) -> StoredAnswer:
        lease, kept = self._policy.lease, False
        try:
            async with renewing(lambda: self._cache.compare_and_set(record, claim, claim, lease), lease):
                answer = await operation()
            if answer.status < 400:
                stored = _DONE + json.dumps(asdict(answer))
                # The work is done: an answer that cannot be kept is still the answer.
                with contextlib.suppress(PortError):
                    kept = await self._cache.compare_and_set(record, claim, stored, self._policy.keep)
            return answer
        finally:
            if not kept:
                with contextlib.suppress(PortError):
                    await self._cache.compare_and_set(record, claim, None)


def _record_of(actor: Actor, method: str, path: str, key: str) -> str:
    if not _KEY.fullmatch(key):
        raise InvalidIdempotencyKey("Idempotency-Key: accepted are 8 to 255 letters, digits, - and _.")
    scope = f"{actor.user_id}\n{method}\n{path}\n{key}"
    return "idempotency:" + hashlib.sha256(scope.encode(errors="surrogatepass")).hexdigest()
