"""Vectors in memory."""

from __future__ import annotations

from dependency_injector import containers, providers

from adapters.memory.vectors import InMemoryVectorStore
from ports.vectors import EmbeddingSpace, VectorStore


class MemoryVectorsContainer(containers.DeclarativeContainer):
    """Apart from `MemoryContainer`, because it needs numpy and the space of the embedder."""

    space: providers.Provider[EmbeddingSpace] = providers.Dependency()
    vectors: providers.Provider[VectorStore] = providers.Singleton(InMemoryVectorStore, space)
