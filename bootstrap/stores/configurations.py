"""What each type of store is told: one model a type, in the words of the operator.

No model imports a driver, so that all of them can be listed. The defaults are those of the settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from bootstrap.setting_types import HttpUrl, LocalPath, Name, SecretDatabaseUrl, SecretRedisUrl, SettingsError
from ports.vectors import EmbeddingSpace

UNSPECIFIED_MODEL = "unspecified"
"""The model of vectors of which nobody said what made them."""


Collection = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]$")]


class StoreConfiguration(BaseModel):
    """What all types have in common: nothing but the type, and that every other key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: str


class InMemoryConfiguration(StoreConfiguration):
    """Kept until the store is closed."""

    type: Literal["inmemory"] = "inmemory"


class SqliteConfiguration(StoreConfiguration):
    """A SQLite database of cases, documents and users, which all of them may share."""

    type: Literal["sqlite"] = "sqlite"
    path: Annotated[LocalPath, Field(description="The file, made if need be.")]
    synchronous: Annotated[
        Literal["FULL", "NORMAL"], Field(description="With NORMAL a power loss may take the last writes.")
    ] = "FULL"


class SqliteSessionConfiguration(StoreConfiguration):
    """A SQLite database of sessions and caches, apart from that of cases."""

    type: Literal["sqlite"] = "sqlite"
    path: Annotated[LocalPath, Field(description="The file, made if need be.")]
    namespace: Annotated[Name, Field(description="Keeps apart what several stores have in one file.")] = "sessions"
    synchronous: Annotated[
        Literal["FULL", "NORMAL"], Field(description="With NORMAL a power loss may take the last writes.")
    ] = "NORMAL"


class FileConfiguration(StoreConfiguration):
    """Files in a folder."""

    type: Literal["file"] = "file"
    path: Annotated[LocalPath, Field(description="The folder, made if need be.")]


class Postgres(BaseModel):
    """How a PostgreSQL database is reached."""

    connection: Annotated[SecretDatabaseUrl, Field(description="The database.")]
    pool_size: Annotated[int, Field(description="Connections that are kept open.", ge=1, le=1000)] = 10
    max_overflow: Annotated[int, Field(description="More of them under load.", ge=0, le=1000)] = 20
    statement_timeout: Annotated[int, Field(description="Seconds that a statement may take.", ge=1, le=600)] = 30
    pgbouncer: Annotated[bool, Field(description="PgBouncer in transaction mode stands before it.")] = False


class PostgresConfiguration(Postgres, StoreConfiguration):
    """A PostgreSQL database of cases, documents and users, which all of them may share."""

    type: Literal["postgres"] = "postgres"


class RedisConfiguration(StoreConfiguration):
    """Redis, Valkey or a cluster."""

    type: Literal["redis"] = "redis"
    url: Annotated[SecretRedisUrl, Field(description="The server or cluster.")]
    password: Annotated[SecretStr | None, Field(description="Goes before one in the address.")] = None
    max_connections: Annotated[int, Field(description="Most connections to a server.", ge=1, le=10_000)] = 20
    key_prefix: Annotated[Name, Field(description="What all keys begin with.")] = "faultmaven:"
    ca_file: Annotated[LocalPath | None, Field(description="Certificates that vouch for the server.")] = None


class VectorConfiguration(StoreConfiguration):
    """What all vector stores have in common. Without ``dimension`` it is that of what is stored, or of the first
    vectors; without ``model_id`` the model is that of what is stored, or `UNSPECIFIED_MODEL`.
    """

    model_id: Annotated[Name | None, Field(description="What the vectors are made by.")] = None
    dimension: Annotated[int | None, Field(description="Components of each vector.", ge=1, le=16_000)] = None

    @property
    def space(self) -> EmbeddingSpace:
        """The space, once both parts are known; the one who opens the store sees to that."""
        if self.model_id is None or self.dimension is None:
            raise AssertionError("a vector store is opened before its space is known")
        return EmbeddingSpace(self.model_id, self.dimension)

    def in_space(self, space: EmbeddingSpace) -> Self:
        """The same for this space."""
        return self.model_copy(update={"model_id": space.model_id, "dimension": space.dimension})


class InMemoryVectorConfiguration(VectorConfiguration):
    """Kept until the store is closed."""

    type: Literal["inmemory"] = "inmemory"


class _Collections(VectorConfiguration):
    """One collection of several in one place."""

    collection: Annotated[Collection, Field(description="The collection, made if need be.")] = "faultmaven_kb"


class ChromaConfiguration(_Collections):
    """Chroma: embedded in a folder, or a server."""

    type: Literal["chromadb"] = "chromadb"
    path: Annotated[LocalPath | None, Field(description="Folder of the embedded Chroma.")] = None
    url: Annotated[HttpUrl | None, Field(description="The server, instead of the folder.")] = None
    api_key: Annotated[SecretStr | None, Field(description="For a proxy before the server.")] = None
    ca_file: Annotated[LocalPath | None, Field(description="Certificates that vouch for the server.")] = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise SettingsError([("path", "give either path (a folder, for the embedded Chroma) or url (a server)")])
        if self.url is None:
            given = [key for key in ("api_key", "ca_file") if getattr(self, key) is not None]
            if given:
                raise SettingsError([(key, "is for a server; with path it does not count") for key in given])
        return self

    @property
    def folder(self) -> Path:
        """The folder of the embedded Chroma."""
        if self.path is None:
            raise AssertionError("a server has no folder")
        return self.path


class PgVectorConfiguration(Postgres, _Collections):
    """A PostgreSQL database with pgvector."""

    type: Literal["pgvector"] = "pgvector"
