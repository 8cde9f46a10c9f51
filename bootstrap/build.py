"""Builds the backend that the settings describe, and takes it apart again in the reverse order.

Each choice is made once. Only what is chosen is imported and opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, assert_never

from dependency_injector.containers import DeclarativeContainer

from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from bootstrap.containers.stores import StoresContainer
from bootstrap.data_folder import held
from bootstrap.errors import BackendsUnusable
from bootstrap.settings import Settings
from bootstrap.stores import from_settings as chosen
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
async def opened_records_and_files(settings: Settings) -> AsyncIterator[tuple[Records, BlobStore]]:
    """As `opened_records`, with the files: several processes may have them open.

    Raises:
        BackendsUnusable: a chosen backend cannot be opened.
    """
    async with AsyncExitStack() as stack:
        technologies = _Technologies(settings, stack)
        records = await _records(technologies)
        files = await technologies.keep("BLOB_STORAGE_TYPE", technologies.stores.blobs)
        technologies.check()
        yield records, files


_EMBEDDING_SETTINGS = tuple(name for name in Settings.model_fields if name.startswith("embedding_"))


@dataclass(frozen=True, slots=True)
class Opened:
    """An installation that is open: what it was opened by, and its ports."""

    settings: Settings
    ports: Ports

    def shares(self, settings: Settings) -> frozenset[str]:
        """What is the same store for both settings, and so is open already: one process opens a local store once."""
        choices = {"cases": chosen.cases, "users": chosen.users, "sessions": chosen.sessions, "blobs": chosen.blobs}
        shared = {name for name, choice in choices.items() if choice(self.settings) == choice(settings)}
        if all(getattr(self.settings, name) == getattr(settings, name) for name in _EMBEDDING_SETTINGS):
            shared.add("embeddings")
            space = self.ports.embeddings.space
            if chosen.vectors(self.settings, space) == chosen.vectors(settings, space):
                shared.add("vectors")
        return frozenset(shared)

    def holds(self, folder: Path) -> bool:
        """True if it has this data folder to itself."""
        return self.settings.holds_data_folder and self.settings.faultmaven_data_dir.resolve() == folder.resolve()


@asynccontextmanager
async def opened_ports(settings: Settings, purpose: str, *, beside: Opened | None = None) -> AsyncIterator[Ports]:
    """Every port, open, with the data folder held where a chosen adapter has to have it to itself.

    What is open already for another installation ``beside`` this one, and is the same, is not opened again.

    Raises:
        DataFolderInUse, DataFolderUnusable: see `bootstrap.data_folder.held`.
        BackendsUnusable: chosen backends cannot be opened; each is given at most 5 s to answer.
    """
    async with AsyncExitStack() as stack:
        shared = beside.shares(settings) if beside else frozenset[str]()
        if settings.holds_data_folder and not (beside and beside.holds(settings.faultmaven_data_dir)):
            stack.enter_context(held(settings.faultmaven_data_dir, purpose))
        technologies = _Technologies(settings, stack)
        stores = technologies.stores

        async def of(name: str, variable: str, make: Callable[[], Any]) -> Any:
            return getattr(beside.ports, name) if beside and name in shared else await technologies.keep(variable, make)

        records = await _records(technologies, beside.ports.records if beside else None, shared)
        sessions = await of("sessions", "SESSION_STORAGE_TYPE", stores.sessions)
        blobs = await of("blobs", "BLOB_STORAGE_TYPE", stores.blobs)
        embeddings = await of("embeddings", "EMBEDDING_TYPE", _embeddings(technologies))
        vectors: Any = None
        if embeddings is not None:
            stores.space.override(embeddings.space)
            vectors = await of("vectors", "VECTOR_STORAGE_TYPE", stores.vectors)
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


async def _records(
    technologies: _Technologies, known: Records | None = None, shared: frozenset[str] = frozenset()
) -> Records:
    stores = technologies.stores
    cases: Any
    documents: Any
    if known and "cases" in shared:
        cases, documents = known.cases, known.documents
    else:
        cases = await technologies.keep("CASE_STORAGE_TYPE", stores.cases)
        # They are where the cases are: if those cannot be reached, nothing is gained by waiting for these too.
        documents = await technologies.keep("CASE_STORAGE_TYPE", stores.documents) if cases is not None else None
    if known and "users" in shared:
        users = known.users
    else:
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
