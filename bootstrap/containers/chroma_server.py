"""Vectors on a Chroma server."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dependency_injector import containers, providers

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from bootstrap.settings import Settings
from ports.vectors import EmbeddingSpace


def _options(settings: Settings) -> ChromaServerOptions:
    if settings.chromadb_url is None:
        raise AssertionError("without CHROMADB_URL the embedded Chroma is chosen")
    key = settings.chromadb_api_key
    return ChromaServerOptions(
        url=settings.chromadb_url,
        api_key=key.get_secret_value() if key else None,
        collection=settings.chromadb_collection,
        ca_file=settings.chromadb_ca_file,
    )


async def _vectors(options: ChromaServerOptions, space: EmbeddingSpace) -> AsyncIterator[ChromaServerVectorStore]:
    store = await ChromaServerVectorStore.open(options, space)
    yield store
    await store.aclose()


class ChromaServerContainer(containers.DeclarativeContainer):
    """One collection of one server."""

    settings: providers.Provider[Settings] = providers.Dependency()
    space: providers.Provider[EmbeddingSpace] = providers.Dependency()
    vectors = providers.Resource(_vectors, options=providers.Callable(_options, settings), space=space)
