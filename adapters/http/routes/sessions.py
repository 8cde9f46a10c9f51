"""Sessions of clients."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Response

from adapters.http.dependencies import CurrentActor, ServicesDep, checked_id
from adapters.http.errors import FAILURES
from adapters.http.plain_route import PlainRoute
from adapters.http.wire.accounts import OpenedSessionAnswer, SessionAnswer, SessionList, SessionRequest
from domain.errors import InvalidInput

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"], responses=FAILURES, route_class=PlainRoute)
MAX_MINUTES = 480


@router.post("", status_code=201)
async def open_session(
    actor: CurrentActor, services: ServicesDep, body: SessionRequest | None = None
) -> OpenedSessionAnswer:
    """Open the session of this user on this client, or resume it."""
    wish = body or SessionRequest()
    if wish.timeout_minutes is not None and not 0 < wish.timeout_minutes <= MAX_MINUTES:
        raise InvalidInput("timeout_minutes: accepted are 60 to 480")
    opened = await services.sessions.open_session(
        actor,
        client_id=wish.client_id or None,
        session_type=wish.session_type or "troubleshooting",
        timeout=None if wish.timeout_minutes is None else timedelta(minutes=wish.timeout_minutes),
        metadata=wish.metadata or {},
    )
    return OpenedSessionAnswer.of_opened(opened)


@router.get("")
async def list_sessions(actor: CurrentActor, services: ServicesDep) -> SessionList:
    """The running sessions of the caller."""
    found = await services.sessions.list_sessions(actor)
    return SessionList(sessions=[SessionAnswer.of(session) for session in found], total_count=len(found))


@router.get("/{session_id}")
async def get_session(session_id: str, actor: CurrentActor, services: ServicesDep) -> SessionAnswer:
    """One session of the caller."""
    return SessionAnswer.of(await services.sessions.get_session(actor, checked_id("session", session_id)))


@router.post("/{session_id}/heartbeat")
async def heartbeat(session_id: str, actor: CurrentActor, services: ServicesDep) -> SessionAnswer:
    """Keep the session."""
    return SessionAnswer.of(await services.sessions.heartbeat(actor, checked_id("session", session_id)))


@router.delete("/{session_id}", status_code=204)
async def end_session(session_id: str, actor: CurrentActor, services: ServicesDep) -> Response:
    """End the session."""
    await services.sessions.end_session(actor, checked_id("session", session_id))
    return Response(status_code=204)
