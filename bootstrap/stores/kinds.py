"""What a type of store is: the description that makes it known to the factory, of this program and of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from adapters.system.clock import SystemClock
from bootstrap.stores.configurations import StoreConfiguration
from bootstrap.stores.shared import SharedDatabases
from ports.blobs import BlobStore
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.knowledge import KnowledgeRepository
from ports.sessions import CacheStore
from ports.users import UserRepository
from ports.vectors import EmbeddingSpace, VectorStore

S = TypeVar("S")
C = TypeVar("C", bound=StoreConfiguration)


@dataclass(frozen=True, slots=True)
class StoreKind(Generic[S]):
    """The stores of one port."""

    title: str
    """What people call one of them."""
    settings_prefix: str = "CASES_DB"
    """The beginning of the names of the settings that errors about a database point to."""


CASES: StoreKind[CaseRepository] = StoreKind("case repository")
USERS: StoreKind[UserRepository] = StoreKind("user repository", "USERS_DB")
KNOWLEDGE: StoreKind[KnowledgeRepository] = StoreKind("knowledge repository")
SESSIONS: StoreKind[CacheStore] = StoreKind("session or cache store")
VECTORS: StoreKind[VectorStore] = StoreKind("vector store", "VECTORS_DB")
BLOBS: StoreKind[BlobStore] = StoreKind("store of uploaded files")


@dataclass(frozen=True, slots=True)
class Opening:
    """What stores are opened with, besides their configuration.

    Those that are opened with the same ``databases`` share the databases that they have in common.
    """

    clock: Clock = field(default_factory=SystemClock)
    databases: SharedDatabases = field(default_factory=SharedDatabases)
    settings_prefix: str = ""


@dataclass(frozen=True, slots=True)
class StoreType(Generic[S, C]):
    """One way to keep the data of a port. Another distribution offers it as an entry point of `registry.GROUP`.

    Attributes:
        kind: One of those above.
        name: The value of the key ``type``.
        configuration: The other keys. It is a `VectorConfiguration` for vectors.
        open: Opens the store for the time of a block; errors are `InvalidInput` and those of `ports.errors`. A vector
            store is told model and dimension by the configuration.
        stored_space: For vectors: the space of what is stored, None if nothing is. Without it the configuration has to
            name the dimension.
    """

    kind: StoreKind[S]
    name: str
    configuration: type[C]
    open: Callable[[C, Opening], AbstractAsyncContextManager[S]]
    stored_space: Callable[[C, Opening], Awaitable[EmbeddingSpace | None]] | None = None


AnyStoreType = StoreType[Any, Any]
