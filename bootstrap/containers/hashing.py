"""Embeddings without a model."""

from __future__ import annotations

from dependency_injector import containers, providers

from adapters.hashing.embeddings import HashingEmbedding
from ports.embeddings import EmbeddingGenerator


class HashingContainer(containers.DeclarativeContainer):
    """Feature hashing."""

    embeddings: providers.Provider[EmbeddingGenerator] = providers.Singleton(HashingEmbedding)
