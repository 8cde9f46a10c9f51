"""Embeddings with the packaged MiniLM."""

from __future__ import annotations

from dependency_injector import containers, providers

from adapters.onnx.embeddings import OnnxEmbedding
from ports.embeddings import EmbeddingGenerator


class OnnxContainer(containers.DeclarativeContainer):
    """ONNX Runtime."""

    embeddings: providers.Provider[EmbeddingGenerator] = providers.Singleton(OnnxEmbedding)
