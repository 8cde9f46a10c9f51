"""Vectors in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dependency_injector import containers, providers

from adapters.pgvector.vectors import PgVectorStore
from adapters.postgres.options import PostgresOptions
from bootstrap.containers.postgres import postgres_options
from bootstrap.settings import Settings
from ports.vectors import EmbeddingSpace


def _options(settings: Settings) -> PostgresOptions:
    prefix = "VECTORS_DB" if settings.has_vectors_db else "CASES_DB"
    return postgres_options(settings, settings.vectors_dsn, prefix)


async def _vectors(options: PostgresOptions, collection: str, space: EmbeddingSpace) -> AsyncIterator[PgVectorStore]:
    store = await PgVectorStore.open(options, collection, space)
    yield store
    await store.aclose()


class PgVectorContainer(containers.DeclarativeContainer):
    """One collection in one database, with a pool of its own."""

    settings: providers.Provider[Settings] = providers.Dependency()
    space: providers.Provider[EmbeddingSpace] = providers.Dependency()
    vectors = providers.Resource(
        _vectors,
        options=providers.Callable(_options, settings),
        collection=settings.provided.chromadb_collection,
        space=space,
    )
