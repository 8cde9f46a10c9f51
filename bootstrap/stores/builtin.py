"""The types of stores that this program brings: one line each."""

from __future__ import annotations

from bootstrap.stores import blobs, relational, short_lived, vectors
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
)
from bootstrap.stores.kinds import BLOBS, CASES, KNOWLEDGE, SESSIONS, USERS, VECTORS, AnyStoreType, StoreType

BUILTIN: tuple[AnyStoreType, ...] = (
    StoreType(CASES, "inmemory", InMemoryConfiguration, relational.in_memory_cases),
    StoreType(CASES, "sqlite", SqliteConfiguration, relational.sqlite_cases),
    StoreType(CASES, "postgres", PostgresConfiguration, relational.postgres_cases),
    StoreType(USERS, "inmemory", InMemoryConfiguration, relational.in_memory_users),
    StoreType(USERS, "sqlite", SqliteConfiguration, relational.sqlite_users),
    StoreType(USERS, "postgres", PostgresConfiguration, relational.postgres_users),
    StoreType(KNOWLEDGE, "inmemory", InMemoryConfiguration, relational.in_memory_documents),
    StoreType(KNOWLEDGE, "sqlite", SqliteConfiguration, relational.sqlite_documents),
    StoreType(KNOWLEDGE, "postgres", PostgresConfiguration, relational.postgres_documents),
    StoreType(SESSIONS, "inmemory", InMemoryConfiguration, short_lived.in_memory),
    StoreType(SESSIONS, "file", FileConfiguration, short_lived.files),
    StoreType(SESSIONS, "sqlite", SqliteSessionConfiguration, short_lived.sqlite),
    StoreType(SESSIONS, "redis", RedisConfiguration, short_lived.redis),
    StoreType(VECTORS, "inmemory", InMemoryVectorConfiguration, vectors.in_memory, vectors.nothing_stored),
    StoreType(VECTORS, "chromadb", ChromaConfiguration, vectors.chroma, vectors.stored_in_chroma),
    StoreType(VECTORS, "pgvector", PgVectorConfiguration, vectors.pgvector, vectors.stored_in_pgvector),
    StoreType(BLOBS, "inmemory", InMemoryConfiguration, blobs.in_memory),
    StoreType(BLOBS, "file", FileConfiguration, blobs.files),
)
