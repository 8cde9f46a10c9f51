"""Embeddings by a model that this process computes with sentence-transformers, such as BGE-M3."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dependency_injector import containers, providers

from adapters.sentence_transformers.embeddings import SentenceTransformersEmbedding, SentenceTransformersOptions
from bootstrap.settings import Settings

BATCH_SIZE = 8


def _options(settings: Settings) -> SentenceTransformersOptions:
    return SentenceTransformersOptions(
        model=settings.embedding_model,
        device=settings.embedding_device,
        batch_size=settings.embedding_batch_size or BATCH_SIZE,
        max_length=settings.embedding_max_length,
        model_id=settings.embedding_model_name,
    )


async def _embeddings(options: SentenceTransformersOptions) -> AsyncIterator[SentenceTransformersEmbedding]:
    generator = await SentenceTransformersEmbedding.open(options)
    yield generator
    await generator.aclose()


class SentenceTransformersContainer(containers.DeclarativeContainer):
    """One model on one device."""

    settings: providers.Provider[Settings] = providers.Dependency()
    embeddings = providers.Resource(_embeddings, options=providers.Callable(_options, settings))
