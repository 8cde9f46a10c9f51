"""The configurations of the stores that the settings choose."""

from __future__ import annotations

from typing import Literal, assert_never

from pydantic import SecretStr

from bootstrap.storage_settings import StorageSettings
from bootstrap.stores.configurations import (
    ChromaConfiguration,
    FileConfiguration,
    InMemoryConfiguration,
    InMemoryVectorConfiguration,
    PgVectorConfiguration,
    PostgresConfiguration,
    RedisConfiguration,
    SqliteConfiguration,
    SqliteSessionConfiguration,
    StoreConfiguration,
    VectorConfiguration,
)
from ports.vectors import EmbeddingSpace


def cases(settings: StorageSettings) -> StoreConfiguration:
    """Where cases and knowledge documents are."""
    return _relational(settings, settings.case_storage_type, settings.cases_dsn)


def users(settings: StorageSettings) -> StoreConfiguration:
    """Where users are; the same as that of cases if both are in one database, which they share then."""
    return _relational(settings, settings.user_storage_type, settings.users_dsn)


def sessions(settings: StorageSettings) -> StoreConfiguration:
    """Where sessions and caches are."""
    match settings.session_storage_type:
        case "inmemory":
            return InMemoryConfiguration()
        case "file":
            return FileConfiguration(path=settings.session_folder)
        case "sqlite":
            return SqliteSessionConfiguration(path=settings.session_database)
        case "redis":
            return RedisConfiguration(
                url=SecretStr(settings.redis_address),
                password=settings.redis_password,
                max_connections=settings.redis_max_connections,
                key_prefix=settings.redis_key_prefix,
                ca_file=settings.redis_ca_file,
            )
        case other:
            assert_never(other)


def blobs(settings: StorageSettings) -> StoreConfiguration:
    """Where uploaded files are."""
    match settings.blob_storage_type:
        case "inmemory":
            return InMemoryConfiguration()
        case "file":
            return FileConfiguration(path=settings.blob_folder)
        case other:
            assert_never(other)


def vectors(settings: StorageSettings, space: EmbeddingSpace) -> VectorConfiguration:
    """Where the vectors of an embedder with this space are."""
    return _vectors(settings).in_space(space)


def _vectors(settings: StorageSettings) -> VectorConfiguration:
    match settings.vector_storage_type:
        case "inmemory":
            return InMemoryVectorConfiguration()
        case "chromadb" if settings.chromadb_url:
            return ChromaConfiguration(
                url=settings.chromadb_url,
                api_key=settings.chromadb_api_key,
                ca_file=settings.chromadb_ca_file,
                collection=settings.chromadb_collection,
            )
        case "chromadb":
            return ChromaConfiguration(path=settings.chroma_folder, collection=settings.chromadb_collection)
        case "pgvector":
            return PgVectorConfiguration(
                connection=SecretStr(settings.vectors_dsn),
                pool_size=settings.db_pool_size,
                max_overflow=settings.db_max_overflow,
                statement_timeout=settings.db_statement_timeout,
                pgbouncer=settings.db_pgbouncer,
                collection=settings.chromadb_collection,
            )
        case other:
            assert_never(other)


def _relational(
    settings: StorageSettings, kind: Literal["inmemory", "sqlite", "postgres"], dsn: str
) -> StoreConfiguration:
    match kind:
        case "inmemory":
            return InMemoryConfiguration()
        case "sqlite":
            return SqliteConfiguration(path=settings.sqlite_file, synchronous=settings.sqlite_synchronous)
        case "postgres":
            return PostgresConfiguration(
                connection=SecretStr(dsn),
                pool_size=settings.db_pool_size,
                max_overflow=settings.db_max_overflow,
                statement_timeout=settings.db_statement_timeout,
                pgbouncer=settings.db_pgbouncer,
            )
        case other:
            assert_never(other)
