"""What route handlers ask for: the services, the options, and who is calling."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from adapters.http.metrics import Metrics
from adapters.http.options import HttpOptions
from adapters.http.services import Services
from application.errors import Forbidden, Unauthenticated
from application.rate_limit import REQUESTS, SIGN_INS
from domain.access import Actor
from ports.errors import NotFound

_bearer = HTTPBearer(auto_error=False, description="The access token of a sign-in.")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


async def services(request: Request) -> Services:
    """The services of the application."""
    found: Services = request.app.state.services
    return found


async def options(request: Request) -> HttpOptions:
    """The options of the application."""
    found: HttpOptions = request.app.state.options
    return found


async def metrics(request: Request) -> Metrics:
    """The figures of the application."""
    found: Metrics = request.app.state.metrics
    return found


ServicesDep = Annotated[Services, Depends(services)]
OptionsDep = Annotated[HttpOptions, Depends(options)]
MetricsDep = Annotated[Metrics, Depends(metrics)]


async def access_token(credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> str:
    """The bearer token of the request.

    Raises:
        Unauthenticated: there is none.
    """
    if credentials is None:
        raise Unauthenticated("Please sign in.")
    return credentials.credentials


AccessToken = Annotated[str, Depends(access_token)]


async def current_actor(request: Request, token: AccessToken, found: ServicesDep) -> Actor:
    """Who is calling. Only the token counts; headers that name a user or roles are not read.

    Raises:
        Unauthenticated: nobody who is signed in.
        RateLimited: the actor calls too often.
    """
    actor = await found.users.authenticate(token)
    request.state.actor_id = actor.user_id
    await found.rate_limiter.check(REQUESTS, actor.user_id)
    return actor


CurrentActor = Annotated[Actor, Depends(current_actor)]


async def require_admin(actor: CurrentActor) -> Actor:
    """Who is calling, an administrator.

    Raises:
        Forbidden: somebody else.
    """
    if not actor.is_admin:
        raise Forbidden("Only administrators may do this.")
    return actor


CurrentAdmin = Annotated[Actor, Depends(require_admin)]


async def limit_sign_ins(request: Request, found: ServicesDep) -> None:
    """Count one more attempt to sign in from the address of the caller.

    Raises:
        RateLimited: there were too many.
    """
    await found.rate_limiter.check(SIGN_INS, request.client.host if request.client else "unknown")


def checked_id(kind: str, value: str) -> str:
    """``value``, which can be an id.

    Raises:
        NotFound: it cannot, so nothing has it.
    """
    if not _ID.fullmatch(value):
        raise NotFound(kind, value)
    return value


async def _case_id(case_id: Annotated[str, Path(description="Id of a case of the caller.")]) -> str:
    return checked_id("case", case_id)


async def _document_id(document_id: Annotated[str, Path(description="Id of a document.")]) -> str:
    return checked_id("document", document_id)


CaseId = Annotated[str, Depends(_case_id)]
DocumentId = Annotated[str, Depends(_document_id)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to skip.")]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="8 to 255 letters, digits, - and _; a repeat gives the first answer."),
]


async def current_session_id(
    actor: CurrentActor, found: ServicesDep, given: Annotated[str | None, Header(alias="X-Session-Id")] = None
) -> str | None:
    """The session that the request names, if it is one of the caller's; any other is ignored."""
    if given is None or not _ID.fullmatch(given):
        return None
    try:
        return (await found.sessions.get_session(actor, given)).session_id
    except NotFound:
        return None


CurrentSessionId = Annotated[str | None, Depends(current_session_id)]
