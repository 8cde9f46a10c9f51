"""Users and their roles."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, StringConstraints, model_validator

from domain.errors import InvalidInput
from domain.values import Count, Instant, Label50, Label200, Text500, Value, normalise_text

UserId = Annotated[str, StringConstraints(pattern=r"^user_[0-9a-f]{12,32}$")]

USERNAME_PATTERN = r"^[\w][\w.@+-]{2,99}$"


def fold_name(name: str) -> str:
    """The form in which user names and e-mail addresses are compared: two names that fold alike are one name."""
    return normalise_text(name).strip().casefold()


def _check_username(value: object) -> object:
    return normalise_text(value).strip() if isinstance(value, str) else value


def _check_email(value: object) -> object:
    if not isinstance(value, str):
        return value
    email = normalise_text(value).strip()
    local, at, domain = email.rpartition("@")
    if not (at and local and domain) or any(character.isspace() for character in email) or "@" in local:
        raise InvalidInput("an e-mail address has the form name@host")
    return email


class Role(StrEnum):
    """``ADMIN`` may also write the global knowledge."""

    USER = "user"
    ADMIN = "admin"


class User(Value):
    """A person who works on cases. Names and addresses are unique without regard to case."""

    user_id: UserId
    version: Count = 0
    username: Annotated[
        str, StringConstraints(min_length=3, max_length=100, pattern=USERNAME_PATTERN), BeforeValidator(_check_username)
    ]
    email: Annotated[str, StringConstraints(max_length=254), BeforeValidator(_check_email)]
    display_name: Label200
    password_hash: Text500 | None = None
    """An encoded argon2id hash; None for an account that cannot sign in with a password."""
    roles: tuple[Role, ...] = (Role.USER,)
    is_active: bool = True
    timezone: Label50 = "UTC"
    created_at: Instant
    updated_at: Instant
    last_login_at: Instant | None = None
    last_password_change_at: Instant | None = None
    tokens_valid_from: Instant
    """Tokens issued before this instant are refused: moving it forward signs the user out everywhere."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.updated_at < self.created_at:
            raise ValueError("a user cannot be changed before the account was created")
        if not self.roles or len(set(self.roles)) != len(self.roles):
            raise ValueError("a user has at least one role, and none twice")
        return self

    @property
    def is_admin(self) -> bool:
        """True if the user may administer the installation."""
        return Role.ADMIN in self.roles
