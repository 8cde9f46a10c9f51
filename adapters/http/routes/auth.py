"""Signing in and out."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException

from adapters.http.dependencies import AccessToken, CurrentActor, OptionsDep, ServicesDep, limit_sign_ins
from adapters.http.errors import FAILURES
from adapters.http.plain_route import PlainRoute
from adapters.http.services import Services
from adapters.http.wire.accounts import (
    AuthConfigAnswer,
    DevLoginRequest,
    LoginRequest,
    RefreshRequest,
    RegisterRequest,
    SignedInAnswer,
    SignedOutAnswer,
    TokensAnswer,
    UserAnswer,
)
from application.users import SignedIn
from domain.access import Actor

SIGN_IN_CLIENT = "sign-in"
"""The client whose session goes with a sign-in until the real client opens its own."""

router = APIRouter(prefix="/api/v1/auth", tags=["auth"], responses=FAILURES, route_class=PlainRoute)
aliases = APIRouter(prefix="/v1/auth", tags=["auth"], responses=FAILURES)


@router.get("/config")
async def config(options: OptionsDep) -> AuthConfigAnswer:
    """Which way of signing in a client should offer."""
    return AuthConfigAnswer(supports_registration=options.registration)


@router.post("/dev-login", dependencies=[Depends(limit_sign_ins)])
async def dev_login(body: DevLoginRequest, services: ServicesDep, options: OptionsDep) -> SignedInAnswer:
    """Sign in by name alone, where the operator has switched that on."""
    if not options.dev_login:
        raise HTTPException(404)
    return await _answer(services, await services.users.dev_sign_in(body.username))


@router.post("/login", dependencies=[Depends(limit_sign_ins)])
async def login(body: LoginRequest, services: ServicesDep) -> SignedInAnswer:
    """Sign in with a password."""
    return await _answer(services, await services.users.sign_in(body.username, body.password or ""))


@router.post("/register", status_code=201, dependencies=[Depends(limit_sign_ins)])
async def register(body: RegisterRequest, services: ServicesDep) -> SignedInAnswer:
    """Create an account and sign in."""
    signed_in = await services.users.register(
        username=body.username, email=body.email, display_name=body.display_name, password=body.password
    )
    return await _answer(services, signed_in)


@router.post("/refresh", dependencies=[Depends(limit_sign_ins)])
async def refresh(body: RefreshRequest, services: ServicesDep) -> TokensAnswer:
    """Exchange a refresh token for new tokens."""
    return TokensAnswer.of(await services.users.refresh(body.refresh_token))


@router.get("/me")
async def me(actor: CurrentActor, services: ServicesDep) -> UserAnswer:
    """Who is signed in."""
    return UserAnswer.of(await services.users.get_user(actor.user_id))


@router.post("/logout")
@aliases.post("/logout", include_in_schema=False)
async def logout(token: AccessToken, services: ServicesDep) -> SignedOutAnswer:
    """Sign the account out everywhere."""
    revoked = await services.users.sign_out(token)
    return SignedOutAnswer(message="Signed out", revoked_tokens=revoked, all_sessions_ended=True)


async def _answer(services: Services, signed_in: SignedIn) -> SignedInAnswer:
    opened = await services.sessions.open_session(Actor.of(signed_in.user), client_id=SIGN_IN_CLIENT)
    return SignedInAnswer.of_sign_in(signed_in, opened.session)
