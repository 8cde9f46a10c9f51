"""Adapters that keep everything in memory."""

from __future__ import annotations

from dependency_injector import containers, providers

from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.users import InMemoryUserRepository
from ports.blobs import BlobStore
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.knowledge import KnowledgeRepository
from ports.sessions import CacheStore
from ports.users import UserRepository


class MemoryContainer(containers.DeclarativeContainer):
    """Everything but the vectors, which need numpy."""

    clock: providers.Provider[Clock] = providers.Dependency()
    cases: providers.Provider[CaseRepository] = providers.Singleton(InMemoryCaseRepository)
    documents: providers.Provider[KnowledgeRepository] = providers.Singleton(InMemoryKnowledgeRepository)
    users: providers.Provider[UserRepository] = providers.Singleton(InMemoryUserRepository)
    sessions: providers.Provider[CacheStore] = providers.Singleton(InMemorySessionStore, clock)
    blobs: providers.Provider[BlobStore] = providers.Singleton(InMemoryBlobStore)
