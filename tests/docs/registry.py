"""The adapters of each port, with what an operator writes to choose them: one line for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.vectors import ChromaVectorStore
from adapters.filesystem.blobs import FileBlobStore
from adapters.filesystem.sessions import FileSessionStore
from adapters.hashing.embeddings import HashingEmbedding
from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.users import InMemoryUserRepository
from adapters.memory.vectors import InMemoryVectorStore
from adapters.onnx.embeddings import OnnxEmbedding
from adapters.openai.embeddings import OpenAiEmbedding
from adapters.pgvector.vectors import PgVectorStore
from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.users import PostgresUserRepository
from adapters.redis.sessions import RedisSessionStore
from adapters.sentence_transformers.embeddings import SentenceTransformersEmbedding
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.sessions import SqliteSessionStore
from adapters.sqlite.users import SqliteUserRepository


@dataclass(frozen=True)
class Adapter:
    """One adapter of a port."""

    name: str
    """As in the table of contracts."""
    value: str
    """Of the setting of the port."""
    cls: type
    more: Mapping[str, str] = field(default_factory=dict)
    """Other settings that choose it."""


@dataclass(frozen=True)
class Port:
    """The adapters of one kind of data."""

    title: str
    contracts: tuple[str, ...]
    variable: str
    adapters: tuple[Adapter, ...]
    keeps_data: bool = True


PORTS: tuple[Port, ...] = (
    Port(
        "Cases",
        ("CaseRepository",),
        "CASE_STORAGE_TYPE",
        (
            Adapter("memory", "inmemory", InMemoryCaseRepository),
            Adapter("sqlite", "sqlite", SqliteCaseRepository),
            Adapter("postgres", "postgres", PostgresCaseRepository),
        ),
    ),
    Port(
        "Knowledge documents",
        ("KnowledgeRepository",),
        "CASE_STORAGE_TYPE",
        (
            Adapter("memory", "inmemory", InMemoryKnowledgeRepository),
            Adapter("sqlite", "sqlite", SqliteKnowledgeRepository),
            Adapter("postgres", "postgres", PostgresKnowledgeRepository),
        ),
    ),
    Port(
        "Users",
        ("UserRepository",),
        "USER_STORAGE_TYPE",
        (
            Adapter("memory", "inmemory", InMemoryUserRepository),
            Adapter("sqlite", "sqlite", SqliteUserRepository),
            Adapter("postgres", "postgres", PostgresUserRepository),
        ),
    ),
    Port(
        "Sessions and caches",
        ("SessionStore", "CacheStore"),
        "SESSION_STORAGE_TYPE",
        (
            Adapter("memory", "inmemory", InMemorySessionStore),
            Adapter("file", "file", FileSessionStore),
            Adapter("sqlite", "sqlite", SqliteSessionStore),
            Adapter("redis", "redis", RedisSessionStore),
            Adapter("valkey", "redis", RedisSessionStore),
            Adapter("redis cluster", "redis", RedisSessionStore, {"REDIS_URL": "redis+cluster://host:6379"}),
        ),
    ),
    Port(
        "Vectors",
        ("VectorStore",),
        "VECTOR_STORAGE_TYPE",
        (
            Adapter("memory", "inmemory", InMemoryVectorStore),
            Adapter("chroma", "chromadb", ChromaVectorStore),
            Adapter("chroma server", "chromadb", ChromaServerVectorStore, {"CHROMADB_URL": "http://host:8000"}),
            Adapter("pgvector", "pgvector", PgVectorStore),
        ),
    ),
    Port(
        "Uploaded files",
        ("BlobStore",),
        "BLOB_STORAGE_TYPE",
        (
            Adapter("memory", "inmemory", InMemoryBlobStore),
            Adapter("file", "file", FileBlobStore),
        ),
    ),
    Port(
        "Embeddings",
        ("EmbeddingGenerator",),
        "EMBEDDING_TYPE",
        (
            Adapter("hashing", "hashing", HashingEmbedding),
            Adapter("onnx", "onnx", OnnxEmbedding),
            Adapter("bge_m3", "bge_m3", SentenceTransformersEmbedding),
            Adapter("openai", "openai", OpenAiEmbedding),
        ),
        keeps_data=False,
    ),
)
