"""The settings of the process, typed and checked. Each field is one environment variable of the same name in capitals.

Where the values come from is `bootstrap.configuration`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from bootstrap.setting_types import Port, SettingsError, TextList
from bootstrap.storage_settings import StorageSettings


class Settings(StorageSettings):
    """Everything that an operator can set. The defaults are those of the profile ``singlenode``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # ---- the server
    faultmaven_host: Annotated[str, Field(description="Address to listen on.", min_length=1)] = "127.0.0.1"
    faultmaven_port: Annotated[Port, Field(description="Port to listen on.")] = 8000
    faultmaven_workers: Annotated[
        int, Field(description="Processes that serve. More than one needs services for all data.", ge=1, le=64)
    ] = 1
    shutdown_timeout: Annotated[
        int, Field(description="Seconds that requests in flight get to finish at the end.", ge=1, le=9)
    ] = 8
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Least severity that is logged.")
    ] = "INFO"
    log_format: Annotated[
        Literal["auto", "json", "text"], Field(description="auto writes text to a terminal and JSON otherwise.")
    ] = "auto"
    cors_allowed_origins: Annotated[TextList, Field(description="Web origins that may call the API, by comma.")] = (
        "http://localhost:3333",
        "http://127.0.0.1:3333",
    )
    cors_extension_ids: Annotated[
        TextList, Field(description="Ids of browser extensions that may call, by comma.")
    ] = ()
    cors_any_extension: Annotated[bool, Field(description="Let any browser extension call. For development only.")] = (
        False
    )
    dashboard_url: Annotated[str, Field(description="Where the dashboard is, told to the clients.")] = (
        "http://127.0.0.1:3333"
    )

    # ---- accounts
    auth_dev_login: Annotated[
        bool, Field(description="Let anybody sign in without a password. On a loopback address only.")
    ] = False
    auth_registration: Annotated[bool, Field(description="Let people create accounts for themselves.")] = True
    auth_access_token_ttl: Annotated[
        int, Field(description="Life of an access token in seconds.", ge=301, le=86_400)
    ] = 3_600
    auth_refresh_token_ttl: Annotated[
        int, Field(description="Life of a refresh token in seconds.", ge=3_600, le=31_536_000)
    ] = 604_800
    auth_initial_admin_password: Annotated[
        SecretStr | None, Field(description="Password of the first administrator; by default a random one is shown.")
    ] = None

    # ---- limits
    max_file_bytes: Annotated[int, Field(description="Largest accepted file in bytes.", ge=1_024, le=104_857_600)] = (
        10_485_760
    )
    rate_limit_per_minute: Annotated[
        int, Field(description="Requests that one user or address may make in a minute.", ge=10, le=1_000_000)
    ] = 600
    turn_timeout: Annotated[int, Field(description="Seconds that one turn may take.", ge=5, le=280)] = 120
    case_retention_days: Annotated[
        int,
        Field(description="Days after which closed (not resolved) cases are deleted; 0 keeps them.", ge=0, le=36_500),
    ] = 0

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        problems = [*self._exposed(), *self._at_odds(), *self._given_twice()]
        if problems:
            raise SettingsError(problems)
        return self

    def _exposed(self) -> Iterator[tuple[str, str]]:
        """What is accepted only where nobody else can reach it."""
        if "*" in self.cors_allowed_origins:
            yield "CORS_ALLOWED_ORIGINS", "requests carry credentials, so each origin is listed; * is not accepted."
        if _is_loopback(self.faultmaven_host):
            return
        if self.auth_dev_login:
            yield (
                "AUTH_DEV_LOGIN",
                (
                    "sign-in without a password is accepted only on a loopback address such as 127.0.0.1, and "
                    f"FAULTMAVEN_HOST is {self.faultmaven_host}. Switch one of the two."
                ),
            )
        if self.cors_any_extension:
            yield (
                "CORS_ANY_EXTENSION",
                (
                    "any extension may call only on a loopback address such as 127.0.0.1, and "
                    f"FAULTMAVEN_HOST is {self.faultmaven_host}. List the ids in CORS_EXTENSION_IDS instead."
                ),
            )

    def _at_odds(self) -> Iterator[tuple[str, str]]:
        """Values that contradict each other."""
        if self.auth_refresh_token_ttl <= self.auth_access_token_ttl:
            yield (
                "AUTH_REFRESH_TOKEN_TTL",
                f"it must be longer than AUTH_ACCESS_TOKEN_TTL, which is {self.auth_access_token_ttl}.",
            )
        if self.faultmaven_workers > 1 and self.single_process:
            choices = ", ".join(f"{name}={getattr(self, name.lower())}" for name in self.single_process)
            yield (
                "FAULTMAVEN_WORKERS",
                (
                    f"{self.faultmaven_workers} processes cannot share what one must have to itself ({choices}). "
                    "Choose services (postgres, redis, pgvector, or chromadb with CHROMADB_URL), or one process."
                ),
            )

    def _given_twice(self) -> Iterator[tuple[str, str]]:
        """An address is given as a whole or in parts."""
        for whole, parts in (
            ("cases_db_url", ("host", "port", "name", "user", "password")),
            ("users_db_url", ("host", "port", "name", "user", "password")),
            ("vectors_db_url", ("host", "port", "name", "user", "password")),
            ("redis_url", ("host", "port", "db")),
        ):
            names = [f"{whole.removesuffix('_url')}_{part}" for part in parts]
            given = [name.upper() for name in names if name in self.model_fields_set]
            if getattr(self, whole) and given:
                yield (
                    whole.upper(),
                    f"it gives the whole address, so {', '.join(given)} would not count; leave one or the other out.",
                )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
