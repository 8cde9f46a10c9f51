"""What settings are made of: types that a text of the environment is read into, each knowing what it accepts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr


class SettingsError(ValueError):
    """Settings that do not go together: pairs of the variable to change and the reason."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{variable}: {message}" for variable, message in problems))
        self.problems = tuple(problems)


def accepts(words: str) -> dict[str, Any]:
    """For ``json_schema_extra``: what the setting accepts, where its type does not say it well."""
    return {"accepted": words}


def _split_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _matching(pattern: str) -> AfterValidator:
    """Accepts a secret text of that form."""

    def check(secret: SecretStr) -> SecretStr:
        if not re.search(pattern, secret.get_secret_value()):
            raise ValueError("it has another form")
        return secret

    return AfterValidator(check)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


TextList = Annotated[tuple[str, ...], BeforeValidator(_split_list)]
LocalPath = Annotated[Path, AfterValidator(_absolute)]
Seconds = Annotated[int, Field(ge=1, le=315_360_000)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Name = Annotated[str, Field(min_length=1)]

_DATABASE_URL = r"^postgres(ql)?://[^/]"
_DATABASE_URL_WORDS = accepts("an address of the form postgresql://user:password@host:5432/database")
_REDIS_URL = r"^rediss?(\+cluster)?://[^/]"
_REDIS_URL_WORDS = accepts(
    "an address of the form redis://user:password@host:6379/0; rediss:// for TLS, redis+cluster:// or "
    "rediss+cluster:// for a cluster"
)

DatabaseUrl = Annotated[str, Field(pattern=_DATABASE_URL, json_schema_extra=_DATABASE_URL_WORDS)]
SecretDatabaseUrl = Annotated[SecretStr, _matching(_DATABASE_URL), Field(json_schema_extra=_DATABASE_URL_WORDS)]
RedisUrl = Annotated[str, Field(pattern=_REDIS_URL, json_schema_extra=_REDIS_URL_WORDS)]
SecretRedisUrl = Annotated[SecretStr, _matching(_REDIS_URL), Field(json_schema_extra=_REDIS_URL_WORDS)]
HttpUrl = Annotated[
    str, Field(pattern=r"^https?://[^/]", json_schema_extra=accepts("an address that begins with http:// or https://"))
]
