"""Vectors in the embedded Chroma."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from dependency_injector import containers, providers

from adapters.chroma.vectors import ChromaVectorStore
from bootstrap.settings import Settings
from ports.vectors import EmbeddingSpace


async def _vectors(folder: Path, collection: str, space: EmbeddingSpace) -> AsyncIterator[ChromaVectorStore]:
    store = await ChromaVectorStore.open(folder, collection, space)
    yield store
    await store.aclose()


class ChromaContainer(containers.DeclarativeContainer):
    """One collection in one folder."""

    settings: providers.Provider[Settings] = providers.Dependency()
    space: providers.Provider[EmbeddingSpace] = providers.Dependency()
    vectors = providers.Resource(
        _vectors,
        folder=settings.provided.chroma_folder,
        collection=settings.provided.chromadb_collection,
        space=space,
    )
