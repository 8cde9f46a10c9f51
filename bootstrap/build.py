"""Builds the backend that the settings describe, and takes it apart again in the reverse order.

Each choice is made once. Only what is chosen is imported and opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, assert_never

from dependency_injector.containers import DeclarativeContainer

from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from bootstrap.containers.stores import StoresContainer
from bootstrap.data_folder import held
from bootstrap.errors import BackendsUnusable
from bootstrap.settings import Settings
from domain.errors import InvalidInput
from ports.blobs import BlobStore
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.embeddings import EmbeddingGenerator
from ports.errors import PortError
from ports.ids import IdSource
from ports.knowledge import KnowledgeRepository
from ports.language_model import LanguageModel
from ports.sessions import CacheStore
from ports.users import UserRepository
from ports.vectors import VectorStore

K = TypeVar("K", bound=DeclarativeContainer)


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
    """Opens what the settings choose, one thing at a time; the stack closes it."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self._stack = stack
        self.stores = self.use(StoresContainer)
        self._problems: list[tuple[str, str]] = []

    def use(self, kind: type[K]) -> K:
        """A container of this kind, whose resources are let go at the end."""
        known = {"settings": self.settings, "clock": self.clock}
        container = kind(**{name: value for name, value in known.items() if name in kind.providers})
        self._stack.push_async_callback(_shut_down, container)
        return container

    async def keep(self, variable: str, make: Callable[[], Any]) -> Any:
        """The adapter that the variable chose, awaited if its container opens a resource for it.

        One that cannot be opened is noted for `check` and None, so that the operator is told of all at once.
        """
        try:
            made = make()
            return await made if hasattr(made, "__await__") else made
        except (PortError, InvalidInput) as error:
            self._problems.append((f"{variable}={getattr(self.settings, variable.lower())}", str(error)))
            return None

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
        stores = technologies.stores
        sessions = await technologies.keep("SESSION_STORAGE_TYPE", stores.sessions)
        blobs = await technologies.keep("BLOB_STORAGE_TYPE", stores.blobs)
        embeddings = await technologies.keep("EMBEDDING_TYPE", _embeddings(technologies))
        vectors: Any = None
        if embeddings is not None:
            stores.space.override(embeddings.space)
            vectors = await technologies.keep("VECTOR_STORAGE_TYPE", stores.vectors)
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
    stores = technologies.stores
    cases = await technologies.keep("CASE_STORAGE_TYPE", stores.cases)
    # They are where the cases are: if those cannot be reached, nothing is gained by waiting for these too.
    documents: Any = None
    if cases is not None:
        documents = await technologies.keep("CASE_STORAGE_TYPE", stores.documents)
    users = await technologies.keep("USER_STORAGE_TYPE", stores.users)
    return Records(cases, users, documents)


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


def _language_model(settings: Settings) -> LanguageModel:
    match settings.language_model_type:
        case "playbook":
            from adapters.playbook.model import PlaybookLanguageModel

            return PlaybookLanguageModel()
        case other:
            assert_never(other)
