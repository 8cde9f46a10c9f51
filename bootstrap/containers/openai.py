"""Embeddings by a server that speaks the protocol of OpenAI."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dependency_injector import containers, providers

from adapters.openai.embeddings import OpenAiEmbedding, OpenAiEmbeddingOptions
from bootstrap.settings import Settings

BATCH_SIZE = 32


def _options(settings: Settings) -> OpenAiEmbeddingOptions:
    key = settings.embedding_api_key
    return OpenAiEmbeddingOptions(
        url=settings.embedding_url,
        model=settings.embedding_model,
        api_key=key.get_secret_value() if key else None,
        dimensions=settings.embedding_dimensions,
        model_id=settings.embedding_model_name,
        batch_size=settings.embedding_batch_size or BATCH_SIZE,
    )


async def _embeddings(options: OpenAiEmbeddingOptions) -> AsyncIterator[OpenAiEmbedding]:
    generator = await OpenAiEmbedding.open(options)
    yield generator
    await generator.aclose()


class OpenAiContainer(containers.DeclarativeContainer):
    """One model of one server."""

    settings: providers.Provider[Settings] = providers.Dependency()
    embeddings = providers.Resource(_embeddings, options=providers.Callable(_options, settings))
