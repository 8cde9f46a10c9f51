"""Accounts, and who may enter.

The user record is the durable truth: a token that was issued before ``User.tokens_valid_from`` is refused, whatever
the cache says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from application.errors import Forbidden, TokenExpired, Unauthenticated
from application.passwords import Passwords
from application.retries import retry_conflicts
from application.tokens import ACCESS, REFRESH, KnownToken, Tokens, TokenStore
from domain.access import Actor
from domain.errors import InvalidInput
from domain.user import Role, User
from ports.clock import Clock
from ports.errors import AlreadyExists, NotFound
from ports.ids import IdSource
from ports.paging import Page
from ports.sessions import CacheStore
from ports.users import UserRepository

_TICK = timedelta(microseconds=1)
_WRONG_CREDENTIALS = "Unknown user name or wrong password."
_BAD_TOKEN = "The sign-in is no longer valid. Please sign in again."  # noqa: S105 - a message


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """How people sign in. ``dev_login`` lets anybody in who gives a name: for development on one machine only."""

    access_ttl: timedelta = timedelta(hours=1)
    refresh_ttl: timedelta = timedelta(days=7)
    dev_login: bool = False
    registration: bool = True
    dev_roles: tuple[Role, ...] = (Role.USER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user who has just signed in."""

    user: User
    tokens: Tokens


class UserService:
    """Creates users, signs them in and out, and tells who is behind a token."""

    def __init__(
        self,
        *,
        users: UserRepository,
        cache: CacheStore,
        passwords: Passwords,
        clock: Clock,
        ids: IdSource,
        policy: SignInPolicy | None = None,
    ) -> None:
        """Works on these ports."""
        self._users = users
        self._passwords = passwords
        self._clock = clock
        self._ids = ids
        self._policy = policy or SignInPolicy()
        self._tokens = TokenStore(
            cache=cache,
            clock=clock,
            ids=ids,
            access_ttl=self._policy.access_ttl,
            refresh_ttl=self._policy.refresh_ttl,
        )

    # ---------------------------------------------------------------- accounts

    async def create_user(
        self,
        *,
        username: str,
        email: str | None = None,
        display_name: str | None = None,
        password: str | None = None,
        roles: Sequence[Role] = (Role.USER,),
    ) -> User:
        """A new user. Without a password the account cannot sign in with one.

        Raises:
            AlreadyExists: the name or the address is taken.
            InvalidInput, pydantic.ValidationError: a value is malformed.
        """
        now = self._clock.now()
        user = User(
            user_id=self._ids.new("user", 16),
            username=username,
            email=email or f"{username.strip().replace('@', '.')}@localhost",
            display_name=display_name or username,
            roles=tuple(roles),
            created_at=now,
            updated_at=now,
            tokens_valid_from=now,
        )
        if password is not None:
            user = user.replace(password_hash=await self._passwords.hash(password), last_password_change_at=now)
        return await self._users.save(user)

    async def get_user(self, user_id: str) -> User:
        """The user.

        Raises:
            NotFound: there is none.
        """
        user = await self._users.get(user_id)
        if user is None:
            raise NotFound("user", user_id)
        return user

    async def find_user(self, username: str) -> User | None:
        """The user with this name, or None."""
        return await self._users.get_by_username(username)

    async def list_users(self, *, limit: int = 50, offset: int = 0) -> Page[User]:
        """All users, newest first."""
        return await self._users.list(limit=limit, offset=offset)

    async def set_password(self, user_id: str, password: str) -> User:
        """Give the user a new password and sign the account out everywhere.

        Raises:
            NotFound: there is no such user.
            InvalidInput: the password is too short or too long.
        """
        encoded = await self._passwords.hash(password)
        now = self._clock.now()
        user = await self._change(
            user_id,
            lambda user: user.replace(
                password_hash=encoded,
                last_password_change_at=now,
                tokens_valid_from=max(now, user.tokens_valid_from) + _TICK,
                updated_at=max(now, user.updated_at),
            ),
        )
        await self._tokens.forget(user_id)
        return user

    async def forget_tokens(self, user_id: str) -> int:
        """Remove all tokens of the user; returns how many had not run out."""
        return await self._tokens.forget(user_id)

    # ---------------------------------------------------------------- sign-in

    async def sign_in(self, username: str, password: str) -> SignedIn:
        """Sign in with a password. An unknown name takes as long as a wrong password.

        Raises:
            Unauthenticated: the name, the password or the account is not good.
        """
        user = await self._by_name(username)
        matches = await self._passwords.verify(user.password_hash if user else None, password)
        if not (user and matches and user.is_active):
            raise Unauthenticated(_WRONG_CREDENTIALS)
        return await self._enter(user, password)

    async def dev_sign_in(self, username: str) -> SignedIn:
        """Sign in by name alone; an unknown name becomes a user.

        Raises:
            Forbidden: the settings do not allow it.
            Unauthenticated: the account is not active.
            InvalidInput, pydantic.ValidationError: the name is malformed.
        """
        if not self._policy.dev_login:
            raise Forbidden("Signing in without a password is switched off.")
        user = await self._by_name(username)
        if user is None:
            try:
                user = await self.create_user(username=username, roles=self._policy.dev_roles)
            except AlreadyExists:
                user = await self._by_name(username)
        if user is None or not user.is_active:
            raise Unauthenticated("This account cannot sign in.")
        return await self._enter(user)

    async def register(
        self, *, username: str, email: str | None, display_name: str | None, password: str | None
    ) -> SignedIn:
        """A new account, signed in.

        Raises:
            Forbidden: the settings do not allow it.
            AlreadyExists: the name or the address is taken.
            InvalidInput, pydantic.ValidationError: a value is malformed, or the password is missing.
        """
        if not self._policy.registration:
            raise Forbidden("Registration is switched off. Ask an administrator for an account.")
        if not password:
            raise InvalidInput("password: a new account needs one, of 8 to 128 characters")
        user = await self.create_user(username=username, email=email, display_name=display_name, password=password)
        return await self._enter(user)

    async def authenticate(self, access_token: str) -> Actor:
        """Who is behind the token.

        Raises:
            Unauthenticated: nobody, or an account that is not active.
            TokenExpired: the token was revoked.
        """
        _, user = await self._owner_of(ACCESS, access_token)
        return Actor.of(user)

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens. The refresh token is spent; within 10 seconds it may be spent again.

        Raises:
            Unauthenticated: the token is not valid.
            TokenExpired: the token was revoked.
        """
        known, user = await self._owner_of(REFRESH, refresh_token)
        await self._tokens.spend(known)
        return await self._tokens.issue(user)

    async def sign_out(self, access_token: str) -> int:
        """Sign the account out everywhere; returns how many tokens were still valid.

        Raises:
            Unauthenticated: the token is not valid.
        """
        _, user = await self._owner_of(ACCESS, access_token)
        now = self._clock.now()
        await self._change(
            user.user_id,
            lambda user: user.replace(
                tokens_valid_from=max(now, user.tokens_valid_from) + _TICK, updated_at=max(now, user.updated_at)
            ),
        )
        return await self._tokens.forget(user.user_id)

    def close(self) -> None:
        """Let go of the threads that hash passwords."""
        self._passwords.close()

    # ---------------------------------------------------------------- inside

    async def _by_name(self, username: str) -> User | None:
        try:
            return await self._users.get_by_username(username)
        except InvalidInput:
            return None

    async def _enter(self, user: User, password: str | None = None) -> SignedIn:
        now = self._clock.now()
        changes: dict[str, object] = {}
        if password is not None and user.password_hash and self._passwords.needs_rehash(user.password_hash):
            changes["password_hash"] = await self._passwords.hash(password)
        user = await self._change(
            user.user_id,
            lambda user: user.replace(last_login_at=now, updated_at=max(now, user.updated_at), **changes),
        )
        return SignedIn(user, await self._tokens.issue(user))

    async def _change(self, user_id: str, change: Callable[[User], User]) -> User:
        async def attempt() -> User:
            return await self._users.save(change(await self.get_user(user_id)))

        return await retry_conflicts(attempt)

    async def _owner_of(self, kind: str, token: str) -> tuple[KnownToken, User]:
        known = await self._tokens.find(kind, token)
        user = await self._users.get(known.user_id) if known else None
        if known is None or user is None or not user.is_active:
            raise Unauthenticated(_BAD_TOKEN)
        if known.issued_at < user.tokens_valid_from:
            raise TokenExpired(_BAD_TOKEN)
        return known, user
