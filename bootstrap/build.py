"""Builds the backend that the settings describe, and takes it apart again in the reverse order.

Each choice is made here once. Only the chosen technology's container is imported and opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, assert_never

from dependency_injector.containers import DeclarativeContainer

from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from bootstrap.data_folder import held
from bootstrap.errors import BackendsUnusable
from bootstrap.settings import Settings
from domain.errors import InvalidInput
from ports.blobs import BlobStore
from ports.capabilities import Closeable
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.embeddings import EmbeddingGenerator
from ports.errors import PortError
from ports.ids import IdSource
from ports.knowledge import KnowledgeRepository
from ports.language_model import LanguageModel
from ports.sessions import CacheStore
from ports.users import UserRepository
from ports.vectors import EmbeddingSpace, VectorStore


@dataclass(frozen=True, slots=True)
class Records:
    """The ports that a second process may open beside a running server."""

    cases: CaseRepository
    users: UserRepository
    documents: KnowledgeRepository


@dataclass(frozen=True, slots=True)
class Ports:
    """The chosen adapter of every port, open."""

    clock: Clock
    ids: IdSource
    records: Records
    sessions: CacheStore
    counters: CacheStore
    blobs: BlobStore
    vectors: VectorStore
    embeddings: EmbeddingGenerator
    language_model: LanguageModel

    @property
    def stores(self) -> Mapping[str, object]:
        """The adapters that hold data, by the name that people know them by."""
        return MappingProxyType(
            {
                "cases": self.records.cases,
                "users": self.records.users,
                "sessions": self.sessions,
                "files": self.blobs,
                "vectors": self.vectors,
            }
        )


class _Technologies:
    """Opens the container of a technology when the first port asks for it; the stack closes it."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self._stack = stack
        self._opened: dict[type[DeclarativeContainer], Any] = {}
        self._problems: list[tuple[str, str]] = []

    def use(self, kind: type[DeclarativeContainer], **dependencies: object) -> Any:
        """The container of this kind, made at the first use."""
        if kind not in self._opened:
            known = {"settings": self.settings, "clock": self.clock, **dependencies}
            wanted = {name: value for name, value in known.items() if name in kind.providers}
            container = kind(**wanted)
            self._stack.push_async_callback(_shut_down, container)
            self._opened[kind] = container
        return self._opened[kind]

    async def keep(self, variable: str, make: Callable[[], Any]) -> Any:
        """The adapter that the variable chose, awaited if its container opens a resource for it, and closed at the end.

        One that cannot be opened is noted for `check` and None, so that the operator is told of all at once.
        """
        try:
            made = make()
            opened = await made if hasattr(made, "__await__") else made
        except (PortError, InvalidInput) as error:
            self._problems.append((f"{variable}={getattr(self.settings, variable.lower())}", str(error)))
            return None
        if isinstance(opened, Closeable):
            self._stack.push_async_callback(opened.aclose)
        return opened

    def check(self) -> None:
        """Go on only if everything so far could be opened.

        Raises:
            BackendsUnusable: with all the reasons.
        """
        if self._problems:
            raise BackendsUnusable(self._problems)


async def _shut_down(container: Any) -> None:
    pending = container.shutdown_resources()
    if pending is not None:
        await pending


@asynccontextmanager
async def opened_records(settings: Settings) -> AsyncIterator[Records]:
    """Cases, users and documents. The caller holds the data folder, or another process serves from it.

    Raises:
        BackendsUnusable: a chosen backend cannot be opened.
    """
    async with AsyncExitStack() as stack:
        technologies = _Technologies(settings, stack)
        records = await _records(technologies)
        technologies.check()
        yield records


@asynccontextmanager
async def opened_ports(settings: Settings, purpose: str) -> AsyncIterator[Ports]:
    """Every port, open, with the data folder held where a chosen adapter has to have it to itself.

    Raises:
        DataFolderInUse, DataFolderUnusable: see `bootstrap.data_folder.held`.
        BackendsUnusable: chosen backends cannot be opened; each is given at most 5 s to answer.
    """
    async with AsyncExitStack() as stack:
        if settings.holds_data_folder:
            stack.enter_context(held(settings.faultmaven_data_dir, purpose))
        technologies = _Technologies(settings, stack)
        records = await _records(technologies)
        sessions = await technologies.keep("SESSION_STORAGE_TYPE", _sessions(technologies))
        blobs = await technologies.keep("BLOB_STORAGE_TYPE", _blobs(technologies))
        embeddings = await technologies.keep("EMBEDDING_TYPE", _embeddings(technologies))
        vectors: Any = None
        if embeddings is not None:
            vectors = await technologies.keep("VECTOR_STORAGE_TYPE", _vectors(technologies, embeddings.space))
        technologies.check()
        yield Ports(
            clock=technologies.clock,
            ids=RandomIds(),
            records=records,
            sessions=sessions,
            counters=_counters(technologies, sessions),
            blobs=blobs,
            vectors=vectors,
            embeddings=embeddings,
            language_model=_language_model(settings),
        )


async def _records(technologies: _Technologies) -> Records:
    settings = technologies.settings
    container = _relational(technologies, settings.case_storage_type)
    cases = await technologies.keep("CASE_STORAGE_TYPE", container.cases)
    # They are where the cases are: if those cannot be reached, nothing is gained by waiting for these too.
    documents: Any = None
    if cases is not None:
        documents = await technologies.keep("CASE_STORAGE_TYPE", container.documents)
    users = await technologies.keep("USER_STORAGE_TYPE", _relational(technologies, settings.user_storage_type).users)
    return Records(cases, users, documents)


def _relational(technologies: _Technologies, kind: Literal["inmemory", "sqlite", "postgres"]) -> Any:
    match kind:
        case "inmemory":
            from bootstrap.containers.memory import MemoryContainer

            return technologies.use(MemoryContainer)
        case "sqlite":
            from bootstrap.containers.sqlite import SqliteContainer

            return technologies.use(SqliteContainer)
        case "postgres":
            from bootstrap.containers.postgres import PostgresContainer

            return technologies.use(PostgresContainer)
        case other:
            assert_never(other)


def _blobs(technologies: _Technologies) -> Any:
    match technologies.settings.blob_storage_type:
        case "inmemory":
            from bootstrap.containers.memory import MemoryContainer

            return technologies.use(MemoryContainer).blobs
        case "file":
            from bootstrap.containers.filesystem import FilesystemContainer

            return technologies.use(FilesystemContainer).blobs
        case other:
            assert_never(other)


def _sessions(technologies: _Technologies) -> Any:
    match technologies.settings.session_storage_type:
        case "inmemory":
            from bootstrap.containers.memory import MemoryContainer

            return technologies.use(MemoryContainer).sessions
        case "file":
            from bootstrap.containers.filesystem import FilesystemContainer

            return technologies.use(FilesystemContainer).sessions
        case "sqlite":
            from bootstrap.containers.sqlite import SqliteContainer

            return technologies.use(SqliteContainer).sessions
        case "redis":
            from bootstrap.containers.redis import RedisContainer

            return technologies.use(RedisContainer).sessions
        case other:
            assert_never(other)


def _counters(technologies: _Technologies, sessions: CacheStore) -> CacheStore:
    """Where requests are counted. Files belong to one process, and a count that is lost with it hurts nobody, but to
    write it to disk with each request would.
    """
    if technologies.settings.session_storage_type != "file":
        return sessions
    from adapters.memory.sessions import InMemorySessionStore

    return InMemorySessionStore(technologies.clock)


def _embeddings(technologies: _Technologies) -> Any:
    match technologies.settings.embedding_type:
        case "hashing":
            from bootstrap.containers.hashing import HashingContainer

            return technologies.use(HashingContainer).embeddings
        case "onnx":
            from bootstrap.containers.onnx import OnnxContainer

            return technologies.use(OnnxContainer).embeddings
        case "bge_m3":
            from bootstrap.containers.sentence_transformers import SentenceTransformersContainer

            return technologies.use(SentenceTransformersContainer).embeddings
        case "openai":
            from bootstrap.containers.openai import OpenAiContainer

            return technologies.use(OpenAiContainer).embeddings
        case other:
            assert_never(other)


def _vectors(technologies: _Technologies, space: EmbeddingSpace) -> Any:
    match technologies.settings.vector_storage_type:
        case "inmemory":
            from bootstrap.containers.memory_vectors import MemoryVectorsContainer

            return technologies.use(MemoryVectorsContainer, space=space).vectors
        case "chromadb" if technologies.settings.chromadb_url:
            from bootstrap.containers.chroma_server import ChromaServerContainer

            return technologies.use(ChromaServerContainer, space=space).vectors
        case "chromadb":
            from bootstrap.containers.chroma import ChromaContainer

            return technologies.use(ChromaContainer, space=space).vectors
        case "pgvector":
            from bootstrap.containers.pgvector import PgVectorContainer

            return technologies.use(PgVectorContainer, space=space).vectors
        case other:
            assert_never(other)


def _language_model(settings: Settings) -> LanguageModel:
    match settings.language_model_type:
        case "playbook":
            from adapters.playbook.model import PlaybookLanguageModel

            return PlaybookLanguageModel()
        case other:
            assert_never(other)
