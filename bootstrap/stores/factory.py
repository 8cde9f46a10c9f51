"""Makes stores from configurations: the one way to make a store, for this program and for whoever embeds it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, TypeVar

from adapters.system.ids import RandomIds
from bootstrap.stores.configurations import VectorConfiguration
from bootstrap.stores.deferred_ports import (
    DeferredBlobStore,
    DeferredCacheStore,
    DeferredCaseRepository,
    DeferredKnowledgeRepository,
    DeferredUserRepository,
)
from bootstrap.stores.deferred_vectors import DeferredVectorStore
from bootstrap.stores.errors import InvalidStoreConfiguration
from bootstrap.stores.kinds import BLOBS, CASES, KNOWLEDGE, SESSIONS, USERS, VECTORS, Opening, StoreKind
from bootstrap.stores.registry import StoreSettings, resolve
from ports.ids import IdSource
from ports.vectors import EmbeddingSpace

S = TypeVar("S")


def open_store(kind: StoreKind[S], configuration: StoreSettings, opening: Opening) -> AbstractAsyncContextManager[S]:
    """The adapter itself, open for the time of a block.

    Raises:
        InvalidStoreConfiguration: with every problem of the configuration. Nothing is opened.
        InvalidInput, PortError: it cannot be opened; raised by entering the block.
    """
    store_type, checked = resolve(kind, configuration)
    return store_type.open(checked, _of(kind, opening))


class StoreFactory:
    """Makes stores that are opened by their first operation, closed by ``aclose`` or at the end of ``async with``.

    A configuration has the key ``type`` and those of its type, or is the model of the type; `configurations` has them.
    Stores that are given the same ``opening`` share the databases which they have in common.

    Each method raises `InvalidStoreConfiguration` with every problem of the configuration. That a backend cannot be
    reached is told by the first operation.
    """

    @staticmethod
    def create_vector_store(
        configuration: StoreSettings, *, opening: Opening | None = None, ids: IdSource | None = None
    ) -> DeferredVectorStore:
        """Types: inmemory, chromadb, pgvector, and those that are installed. ``ids`` makes ids for `add_vectors`."""
        store_type, checked = resolve(VECTORS, configuration)
        if not isinstance(checked, VectorConfiguration):
            raise TypeError(f"the type {store_type.name!r} has no VectorConfiguration")
        context = _of(VECTORS, opening or Opening())
        look = store_type.stored_space
        if look is None and checked.dimension is None:
            message = f"is missing; the type {store_type.name!r} cannot find it out from what is stored"
            raise InvalidStoreConfiguration(VECTORS.title, [("dimension", message)])

        async def stored_space() -> EmbeddingSpace | None:
            return await look(checked, context) if look else None

        return DeferredVectorStore(
            VECTORS.title, checked, lambda settled: store_type.open(settled, context), stored_space, ids or RandomIds()
        )

    @staticmethod
    def create_session_store(configuration: StoreSettings, *, opening: Opening | None = None) -> DeferredCacheStore:
        """Types: inmemory, file, sqlite, redis, and those that are installed."""
        return DeferredCacheStore(*_deferred(SESSIONS, configuration, opening))

    @staticmethod
    def create_cache_store(configuration: StoreSettings, *, opening: Opening | None = None) -> DeferredCacheStore:
        """As `create_session_store`: one store serves both; the same place and namespace is the same content."""
        return DeferredCacheStore(*_deferred(SESSIONS, configuration, opening))

    @staticmethod
    def create_case_repository(
        configuration: StoreSettings, *, opening: Opening | None = None
    ) -> DeferredCaseRepository:
        """Types: inmemory, sqlite, postgres, and those that are installed."""
        return DeferredCaseRepository(*_deferred(CASES, configuration, opening))

    @staticmethod
    def create_user_repository(
        configuration: StoreSettings, *, opening: Opening | None = None
    ) -> DeferredUserRepository:
        """Types: inmemory, sqlite, postgres, and those that are installed."""
        return DeferredUserRepository(*_deferred(USERS, configuration, opening))

    @staticmethod
    def create_knowledge_repository(
        configuration: StoreSettings, *, opening: Opening | None = None
    ) -> DeferredKnowledgeRepository:
        """Types: inmemory, sqlite, postgres, and those that are installed."""
        return DeferredKnowledgeRepository(*_deferred(KNOWLEDGE, configuration, opening))

    @staticmethod
    def create_blob_store(configuration: StoreSettings, *, opening: Opening | None = None) -> DeferredBlobStore:
        """Types: inmemory, file, and those that are installed."""
        return DeferredBlobStore(*_deferred(BLOBS, configuration, opening))


def _deferred(kind: StoreKind[S], configuration: StoreSettings, opening: Opening | None) -> tuple[str, Any]:
    store_type, checked = resolve(kind, configuration)
    context = _of(kind, opening or Opening())
    return kind.title, lambda: store_type.open(checked, context)


def _of(kind: StoreKind[Any], opening: Opening) -> Opening:
    return opening if opening.settings_prefix else replace(opening, settings_prefix=kind.settings_prefix)
