"""What route handlers ask for: the services, the options, and who is calling."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import AfterValidator

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


async def _access_token(request: Request) -> str:
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Please sign in.")
    return token


async def current_actor(request: Request) -> Actor:
    """See `CurrentActor`."""
    found: Services = request.app.state.services
    actor = await found.users.authenticate(await _access_token(request))
    request.state.actor_id = actor.user_id
    await found.rate_limiter.check(REQUESTS, actor.user_id)
    return actor


T = TypeVar("T")


class _Bearer(SecurityBase, Generic[T]):
    """What is found out by the bearer token, which the interface's description then asks for.

    One dependency that needs no other: FastAPI works through each of them for every request.
    """

    model = _bearer.model
    scheme_name = _bearer.scheme_name

    def __init__(self, find: Callable[[Request], Awaitable[T]]) -> None:
        self._find = find

    async def __call__(self, request: Request) -> T:
        return await self._find(request)


AccessToken = Annotated[str, Security(_Bearer(_access_token))]
"""The bearer token of the request. Without one: Unauthenticated."""
CurrentActor = Annotated[Actor, Security(_Bearer(current_actor))]
"""Who is calling. Only the token counts; headers that name a user or roles are not read.

Without anybody who is signed in: Unauthenticated. If the actor calls too often: RateLimited.
"""


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


CaseId = Annotated[str, Path(description="Id of a case of the caller."), AfterValidator(partial(checked_id, "case"))]
DocumentId = Annotated[str, Path(description="Id of a document."), AfterValidator(partial(checked_id, "document"))]
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
