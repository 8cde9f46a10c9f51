"""Users, sign-ins and sessions."""

from __future__ import annotations

from datetime import datetime

from adapters.http.wire.base import Answer, Request
from application.sessions import OpenedSession
from application.tokens import Tokens
from application.users import SignedIn
from domain.session import Session
from domain.user import User


class DevLoginRequest(Request):
    """A sign-in by name alone."""

    username: str


class LoginRequest(Request):
    """A sign-in with a password."""

    username: str
    password: str | None = None


class RegisterRequest(Request):
    """A new account."""

    username: str
    email: str | None = None
    display_name: str | None = None
    password: str | None = None


class RefreshRequest(Request):
    """The exchange of a refresh token."""

    refresh_token: str


class UserAnswer(Answer):
    """A user, as the user may see it."""

    user_id: str
    username: str
    email: str
    display_name: str
    is_dev_user: bool
    is_active: bool
    roles: list[str]
    created_at: datetime
    organization: None = None

    @classmethod
    def of(cls, user: User) -> UserAnswer:
        """``user`` without what is secret."""
        return cls(
            user_id=user.user_id,
            username=user.username,
            email=user.email,
            display_name=user.display_name,
            is_dev_user=user.password_hash is None,
            is_active=user.is_active,
            roles=[role.value for role in user.roles],
            created_at=user.created_at,
        )


class TokensAnswer(Answer):
    """New tokens. Times to live are in seconds."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - a word of the protocol
    expires_in: int
    refresh_token: str
    refresh_expires_in: int

    @classmethod
    def of(cls, tokens: Tokens) -> TokensAnswer:
        """``tokens`` for a client."""
        return cls(
            access_token=tokens.access_token,
            expires_in=int(tokens.expires_in.total_seconds()),
            refresh_token=tokens.refresh_token,
            refresh_expires_in=int(tokens.refresh_expires_in.total_seconds()),
        )


class SignedInAnswer(TokensAnswer):
    """A sign-in. ``expires_at`` is in milliseconds since 1970."""

    expires_at: int
    session_id: str
    user: UserAnswer

    @classmethod
    def of_sign_in(cls, signed_in: SignedIn, session: Session) -> SignedInAnswer:
        """The sign-in with the session that goes with it."""
        return cls(
            **dict(TokensAnswer.of(signed_in.tokens)),
            expires_at=int(signed_in.tokens.expires_at.timestamp() * 1000),
            session_id=session.session_id,
            user=UserAnswer.of(signed_in.user),
        )


class SignedOutAnswer(Answer):
    """What a sign-out did."""

    message: str
    revoked_tokens: int
    all_sessions_ended: bool


class AuthConfigAnswer(Answer):
    """Which way of signing in a client should offer."""

    auth_mode: str = "local"
    login_endpoint: str = "/api/v1/auth/login"
    register_endpoint: str = "/api/v1/auth/register"
    supports_registration: bool
    oauth: None = None


class SessionRequest(Request):
    """A session for a client. The timeout is 60 to 480 minutes without activity."""

    client_id: str | None = None
    session_type: str | None = None
    timeout_minutes: int | None = None
    metadata: dict[str, str | int | float | bool | None] | None = None


class SessionAnswer(Answer):
    """A session."""

    session_id: str
    user_id: str
    client_id: str
    status: str = "active"
    session_type: str
    created_at: datetime
    expires_at: datetime
    last_activity: datetime

    @classmethod
    def of(cls, session: Session) -> SessionAnswer:
        """``session`` for a client."""
        return SessionAnswer(
            session_id=session.session_id,
            user_id=session.user_id,
            client_id=session.client_id,
            session_type=session.session_type,
            created_at=session.created_at,
            expires_at=session.expires_at,
            last_activity=session.last_activity_at,
        )


class OpenedSessionAnswer(SessionAnswer):
    """A session that was opened or resumed."""

    session_resumed: bool
    message: str

    @classmethod
    def of_opened(cls, opened: OpenedSession) -> OpenedSessionAnswer:
        """The opened session for a client."""
        message = "Session resumed" if opened.resumed else "Session created"
        return cls(**dict(SessionAnswer.of(opened.session)), session_resumed=opened.resumed, message=message)


class SessionList(Answer):
    """The running sessions of a user."""

    sessions: list[SessionAnswer]
    total_count: int
