"""Builds the backend that the settings describe, and takes it apart again in the reverse order.

Each choice is made here once. Only the chosen technology's container is imported and opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, assert_never

from dependency_injector.containers import DeclarativeContainer

from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from bootstrap.data_folder import held
from bootstrap.settings import Settings
from ports.blobs import BlobStore
from ports.capabilities import Closeable
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.embeddings import EmbeddingGenerator
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

    def use(self, kind: type[DeclarativeContainer], **dependencies: object) -> Any:
        """The container of this kind, made at the first use."""
        if kind not in self._opened:
            known = {"settings": self.settings, "clock": self.clock, **dependencies}
            wanted = {name: value for name, value in known.items() if name in kind.providers}
            container = kind(**wanted)
            self._stack.push_async_callback(_shut_down, container)
            self._opened[kind] = container
        return self._opened[kind]

    async def keep(self, adapter: Any) -> Any:
        """``adapter``, awaited if its container opens a resource for it, and closed at the end."""
        opened = await adapter if hasattr(adapter, "__await__") else adapter
        if isinstance(opened, Closeable):
            self._stack.push_async_callback(opened.aclose)
        return opened


async def _shut_down(container: Any) -> None:
    pending = container.shutdown_resources()
    if pending is not None:
        await pending


@asynccontextmanager
async def opened_records(settings: Settings) -> AsyncIterator[Records]:
    """Cases, users and documents. The caller holds the data folder, or another process serves from it."""
    async with AsyncExitStack() as stack:
        yield await _records(_Technologies(settings, stack))


@asynccontextmanager
async def opened_ports(settings: Settings, purpose: str) -> AsyncIterator[Ports]:
    """Every port, open, with the data folder held where a chosen adapter keeps data there.

    Raises:
        DataFolderInUse, DataFolderUnusable: see `bootstrap.data_folder.held`.
        PortError: a chosen backend cannot be opened.
    """
    async with AsyncExitStack() as stack:
        if settings.is_local:
            stack.enter_context(held(settings.faultmaven_data_dir, purpose))
        technologies = _Technologies(settings, stack)
        records = await _records(technologies)
        sessions = await _sessions(technologies)
        embeddings = await _embeddings(technologies)
        vectors = await _vectors(technologies, embeddings.space)
        yield Ports(
            clock=technologies.clock,
            ids=RandomIds(),
            records=records,
            sessions=sessions,
            counters=_counters(technologies, sessions),
            blobs=await _blobs(technologies),
            vectors=vectors,
            embeddings=embeddings,
            language_model=_language_model(settings),
        )


async def _records(technologies: _Technologies) -> Records:
    container = _relational(technologies, technologies.settings.case_storage_type)
    cases = await technologies.keep(container.cases())
    documents = await technologies.keep(container.documents())
    users = await technologies.keep(_relational(technologies, technologies.settings.user_storage_type).users())
    return Records(cases, users, documents)


def _relational(technologies: _Technologies, kind: str) -> Any:
    match kind:
        case "inmemory":
            from bootstrap.containers.memory import MemoryContainer

            return technologies.use(MemoryContainer)
        case "sqlite":
            from bootstrap.containers.sqlite import SqliteContainer

            return technologies.use(SqliteContainer)
    raise AssertionError(kind)


async def _blobs(technologies: _Technologies) -> Any:
    match technologies.settings.blob_storage_type:
        case "inmemory":
            from bootstrap.containers.memory import MemoryContainer

            return await technologies.keep(technologies.use(MemoryContainer).blobs())
        case "file":
            from bootstrap.containers.filesystem import FilesystemContainer

            return await technologies.keep(technologies.use(FilesystemContainer).blobs())
        case other:
            assert_never(other)


async def _sessions(technologies: _Technologies) -> Any:
    match technologies.settings.session_storage_type:
        case "inmemory":
            from bootstrap.containers.memory import MemoryContainer

            return await technologies.keep(technologies.use(MemoryContainer).sessions())
        case "file":
            from bootstrap.containers.filesystem import FilesystemContainer

            return await technologies.keep(technologies.use(FilesystemContainer).sessions())
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


async def _embeddings(technologies: _Technologies) -> Any:
    match technologies.settings.embedding_type:
        case "hashing":
            from bootstrap.containers.hashing import HashingContainer

            return await technologies.keep(technologies.use(HashingContainer).embeddings())
        case "onnx":
            from bootstrap.containers.onnx import OnnxContainer

            return await technologies.keep(technologies.use(OnnxContainer).embeddings())
        case other:
            assert_never(other)


async def _vectors(technologies: _Technologies, space: EmbeddingSpace) -> Any:
    match technologies.settings.vector_storage_type:
        case "inmemory":
            from bootstrap.containers.memory_vectors import MemoryVectorsContainer

            return await technologies.keep(technologies.use(MemoryVectorsContainer, space=space).vectors())
        case "chromadb":
            from bootstrap.containers.chroma import ChromaContainer

            return await technologies.keep(technologies.use(ChromaContainer, space=space).vectors())
        case other:
            assert_never(other)


def _language_model(settings: Settings) -> LanguageModel:
    match settings.language_model_type:
        case "playbook":
            from adapters.playbook.model import PlaybookLanguageModel

            return PlaybookLanguageModel()
        case other:
            assert_never(other)
