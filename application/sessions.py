"""Sessions: one for each user and client, resumed by the same user only.

A session slides: each activity moves its end, up to an absolute lifetime. The sessions of a user are listed in one
record of the cache, so that nothing ever has to look through all keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from application.authorization import authorize
from application.cached_json import Record, update_record
from domain.access import Action, Actor
from domain.errors import InvalidInput
from domain.session import Session
from domain.values import Scalar
from ports.clock import Clock
from ports.errors import NotFound
from ports.ids import IdSource
from ports.sessions import CacheStore

MIN_TIMEOUT = timedelta(minutes=60)
MAX_TIMEOUT = timedelta(minutes=480)


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """``idle_timeout`` without activity ends a session, unless the client asks for another; ``lifetime`` ends each."""

    idle_timeout: timedelta = timedelta(days=30)
    lifetime: timedelta = timedelta(days=30)
    max_per_user: int = 10


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session and whether it existed before."""

    session: Session
    resumed: bool


class SessionService:
    """Opens, resumes, prolongs and ends sessions."""

    def __init__(self, *, cache: CacheStore, clock: Clock, ids: IdSource, policy: SessionPolicy | None = None) -> None:
        """Works on these ports."""
        self._cache = cache
        self._clock = clock
        self._ids = ids
        self._policy = policy or SessionPolicy()

    async def open_session(
        self,
        actor: Actor,
        *,
        client_id: str | None = None,
        session_type: str = "troubleshooting",
        timeout: timedelta | None = None,  # noqa: ASYNC109 - the idle time of the session, not of this call
        metadata: Mapping[str, Scalar | None] | None = None,
    ) -> OpenedSession:
        """The session of this user on this client: resumed if there is one, else a new one.

        One session more than a user may have ends the one that was opened longest ago.

        Raises:
            InvalidInput: ``timeout`` is not 60 to 480 minutes.
            pydantic.ValidationError: a value is malformed.
        """
        if timeout is not None and not MIN_TIMEOUT <= timeout <= MAX_TIMEOUT:
            raise InvalidInput("timeout_minutes: accepted are 60 to 480")
        idle = min(timeout or self._policy.idle_timeout, self._policy.lifetime)
        session_id = self._ids.new("sess", 32)
        now = self._clock.now()
        session = Session(
            session_id=session_id,
            user_id=actor.user_id,
            client_id=client_id or session_id,
            session_type=session_type,
            created_at=now,
            last_activity_at=now,
            expires_at=now + idle,
            metadata=metadata or {},
        )
        known_id = (await self._index(actor.user_id)).get(session.client_id)
        if known_id is not None and (resumed := await self._resume(actor, known_id, timeout)) is not None:
            return OpenedSession(resumed, resumed=True)
        await self._cache.set(_key(session_id), _dump(session, idle), idle)

        def enter(known: Record) -> Record:
            if known.get(session.client_id) not in (None, known_id):
                return known  # another request of this client was faster
            others = {client: other for client, other in known.items() if client != session.client_id}
            entries = [*others.items(), (session.client_id, session_id)]
            return dict(entries[-self._policy.max_per_user :])

        before, after = await update_record(self._cache, _index_key(actor.user_id), enter, self._policy.lifetime)
        for dropped in {session_id, *before.values()} - set(after.values()):
            await self._cache.delete(_key(dropped))
        if after[session.client_id] != session_id:
            return await self.open_session(
                actor, client_id=client_id, session_type=session_type, timeout=timeout, metadata=metadata
            )
        return OpenedSession(session, resumed=False)

    async def get_session(self, actor: Actor, session_id: str) -> Session:
        """The session.

        Raises:
            NotFound: there is none, it is over, or it belongs to somebody else.
        """
        session, _, _ = await self._load(actor, session_id)
        return session

    async def heartbeat(self, actor: Actor, session_id: str) -> Session:
        """The session, prolonged by its idle time.

        Raises:
            NotFound: as `get_session`.
        """
        return await self._prolong(actor, session_id, None)

    async def end_session(self, actor: Actor, session_id: str) -> None:
        """End the session.

        Raises:
            NotFound: as `get_session`.
        """
        session, _, _ = await self._load(actor, session_id)
        await self._cache.delete(_key(session_id))

        def leave(known: Record) -> Record:
            return {client: other for client, other in known.items() if other != session.session_id}

        await update_record(self._cache, _index_key(actor.user_id), leave, self._policy.lifetime)

    async def end_all(self, user_id: str) -> int:
        """End all sessions of the user; returns how many were running."""
        known = await self._index(user_id)
        ended = sum([await self._cache.delete(_key(session_id)) for session_id in known.values()])
        # Behind the sessions, so that an interruption leaves none that is not listed.
        await self._cache.delete(_index_key(user_id))
        return ended

    async def list_sessions(self, actor: Actor) -> tuple[Session, ...]:
        """The running sessions of the actor, the latest opened first."""
        known = await self._index(actor.user_id)
        keys = [_key(session_id) for session_id in reversed(known.values())]
        found = await self._cache.get_many(keys)
        return tuple(_parse(found[key])[0] for key in keys if key in found)

    async def _index(self, user_id: str) -> Record:
        raw = await self._cache.get(_index_key(user_id))
        record: Record = json.loads(raw) if raw else {}
        return record

    async def _resume(self, actor: Actor, session_id: str, idle: timedelta | None) -> Session | None:
        try:
            return await self._prolong(actor, session_id, idle)
        except NotFound:
            return None

    async def _prolong(self, actor: Actor, session_id: str, idle: timedelta | None) -> Session:
        while True:
            began = self._clock.now()
            session, known_idle, raw = await self._load(actor, session_id)
            idle_time = idle or known_idle
            now = max(began, session.last_activity_at)
            end = min(now + idle_time, session.created_at + self._policy.lifetime)
            prolonged = session.replace(last_activity_at=now, expires_at=end)
            if await self._cache.compare_and_set(_key(session_id), raw, _dump(prolonged, idle_time), end - now):
                return prolonged

    async def _load(self, actor: Actor, session_id: str) -> tuple[Session, timedelta, str]:
        raw = await self._cache.get(_key(session_id))
        if raw is None:
            raise NotFound("session", session_id)
        session, idle = _parse(raw)
        authorize(actor, Action.READ, session, kind="session", key=session_id)
        if not session.is_active(self._clock.now()):
            raise NotFound("session", session_id)
        return session, idle, raw


def _key(session_id: str) -> str:
    return f"session:{session_id}"


def _index_key(user_id: str) -> str:
    return f"sessions:{user_id}"


def _dump(session: Session, idle: timedelta) -> str:
    return json.dumps({"idle_seconds": idle.total_seconds(), "session": session.model_dump(mode="json")})


def _parse(raw: str) -> tuple[Session, timedelta]:
    record = json.loads(raw)
    return Session.model_validate(record["session"]), timedelta(seconds=record["idle_seconds"])
