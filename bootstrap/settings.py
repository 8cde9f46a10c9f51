"""The settings of the process, typed and checked. Each field is one environment variable of the same name in capitals.

Where the values come from is `bootstrap.configuration`.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator


def _split_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


TextList = Annotated[tuple[str, ...], BeforeValidator(_split_list)]
LocalPath = Annotated[Path, AfterValidator(_absolute)]
Seconds = Annotated[int, Field(ge=1, le=315_360_000)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class SettingsError(ValueError):
    """Settings that do not go together. ``variable`` is the one to change."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(message)
        self.variable = variable
        self.message = message


class Settings(BaseModel):
    """Everything that an operator can set. The defaults are those of the profile ``singlenode``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    faultmaven_profile: Annotated[
        Literal["development", "singlenode", "production"], Field(description="Set of defaults to start from.")
    ] = "singlenode"
    faultmaven_data_dir: Annotated[
        LocalPath, Field(description="Folder for everything that is kept on this machine.", validate_default=True)
    ] = Path("data")

    # ---- which adapter each port uses
    case_storage_type: Annotated[
        Literal["inmemory", "sqlite"], Field(description="Where cases and knowledge documents are kept.")
    ] = "sqlite"
    user_storage_type: Annotated[Literal["inmemory", "sqlite"], Field(description="Where users are kept.")] = "sqlite"
    session_storage_type: Annotated[
        Literal["inmemory", "file"], Field(description="Where sessions, tokens, counters and caches are kept.")
    ] = "file"
    vector_storage_type: Annotated[
        Literal["inmemory", "chromadb"], Field(description="Where the vectors of the knowledge are kept.")
    ] = "chromadb"
    blob_storage_type: Annotated[Literal["inmemory", "file"], Field(description="Where uploaded files are kept.")] = (
        "file"
    )
    embedding_type: Annotated[
        Literal["hashing", "onnx"],
        Field(description="How texts become vectors: by their words (hashing), or by meaning with MiniLM (onnx)."),
    ] = "onnx"
    language_model_type: Annotated[
        Literal["playbook"], Field(description="What leads an investigation: rules and the knowledge, without a model.")
    ] = "playbook"

    # ---- SQLite and files
    sqlite_db_path: Annotated[
        LocalPath | None, Field(description="Database file; by default faultmaven.db in the data folder.")
    ] = None
    sqlite_synchronous: Annotated[
        Literal["FULL", "NORMAL"],
        Field(description="FULL keeps each acknowledged write through a power loss; NORMAL may lose the last ones."),
    ] = "FULL"
    session_file_path: Annotated[
        LocalPath | None, Field(description="Folder of the sessions; by default sessions in the data folder.")
    ] = None
    blob_file_path: Annotated[
        LocalPath | None, Field(description="Folder of the uploaded files; by default files in the data folder.")
    ] = None

    # ---- Chroma
    chromadb_path: Annotated[
        LocalPath | None, Field(description="Folder of the embedded Chroma; by default chroma in the data folder.")
    ] = None
    chromadb_collection: Annotated[
        str,
        Field(
            description="Collection of the knowledge vectors.", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]$"
        ),
    ] = "faultmaven_kb"

    # ---- lifetimes
    redis_ttl_sessions: Annotated[
        Seconds, Field(description="Longest life of a session without activity, in every session store.")
    ] = 2_592_000
    redis_ttl_investigation: Annotated[
        Seconds, Field(description="How long the state of a background turn is kept.")
    ] = 604_800
    redis_ttl_cache: Annotated[Seconds, Field(description="How long a temporary cache entry is kept.")] = 3_600

    # ---- the server
    faultmaven_host: Annotated[str, Field(description="Address to listen on.", min_length=1)] = "127.0.0.1"
    faultmaven_port: Annotated[Port, Field(description="Port to listen on.")] = 8000
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
        if self.auth_dev_login and not _is_loopback(self.faultmaven_host):
            raise SettingsError(
                "AUTH_DEV_LOGIN",
                "sign-in without a password is accepted only on a loopback address such as 127.0.0.1, and "
                f"FAULTMAVEN_HOST is {self.faultmaven_host}. Switch one of the two.",
            )
        if self.cors_any_extension and not _is_loopback(self.faultmaven_host):
            raise SettingsError(
                "CORS_ANY_EXTENSION",
                "any extension may call only on a loopback address such as 127.0.0.1, and "
                f"FAULTMAVEN_HOST is {self.faultmaven_host}. List the ids in CORS_EXTENSION_IDS instead.",
            )
        if "*" in self.cors_allowed_origins:
            raise SettingsError(
                "CORS_ALLOWED_ORIGINS", "requests carry credentials, so each origin is listed; * is not accepted."
            )
        if self.auth_refresh_token_ttl <= self.auth_access_token_ttl:
            raise SettingsError(
                "AUTH_REFRESH_TOKEN_TTL",
                f"it must be longer than AUTH_ACCESS_TOKEN_TTL, which is {self.auth_access_token_ttl}.",
            )
        return self

    @property
    def sqlite_file(self) -> Path:
        """The database file."""
        return self.sqlite_db_path or self.faultmaven_data_dir / "faultmaven.db"

    @property
    def session_folder(self) -> Path:
        """The folder of the file session store."""
        return self.session_file_path or self.faultmaven_data_dir / "sessions"

    @property
    def blob_folder(self) -> Path:
        """The folder of the file blob store."""
        return self.blob_file_path or self.faultmaven_data_dir / "files"

    @property
    def chroma_folder(self) -> Path:
        """The folder of the embedded Chroma."""
        return self.chromadb_path or self.faultmaven_data_dir / "chroma"

    @property
    def is_local(self) -> bool:
        """True if any adapter keeps data in the data folder, so that one process has it to itself."""
        return (
            "sqlite" in (self.case_storage_type, self.user_storage_type)
            or "file" in (self.session_storage_type, self.blob_storage_type)
            or self.vector_storage_type == "chromadb"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
