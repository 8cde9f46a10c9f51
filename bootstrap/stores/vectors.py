"""Opens vector stores, and finds out which space a stored collection belongs to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from bootstrap.stores.configurations import ChromaConfiguration, InMemoryVectorConfiguration, PgVectorConfiguration
from bootstrap.stores.kinds import Opening
from bootstrap.stores.relational import postgres_options
from ports.vectors import EmbeddingSpace, VectorStore

if TYPE_CHECKING:
    from adapters.chroma.server_options import ChromaServerOptions


@asynccontextmanager
async def in_memory(configuration: InMemoryVectorConfiguration, _: Opening) -> AsyncIterator[VectorStore]:
    """In memory."""
    from adapters.memory.vectors import InMemoryVectorStore

    async with aclosing(InMemoryVectorStore(configuration.space)) as store:
        yield store


async def nothing_stored(_: InMemoryVectorConfiguration, __: Opening) -> EmbeddingSpace | None:
    """What memory holds before it is opened."""
    return None


@asynccontextmanager
async def chroma(configuration: ChromaConfiguration, _: Opening) -> AsyncIterator[VectorStore]:
    """In Chroma, embedded or on a server."""
    if configuration.url is None:
        from adapters.chroma.vectors import ChromaVectorStore

        opened = await ChromaVectorStore.open(configuration.folder, configuration.collection, configuration.space)
        async with aclosing(opened) as store:
            yield store
    else:
        from adapters.chroma.server import ChromaServerVectorStore

        options = _server(configuration, configuration.url)
        async with aclosing(await ChromaServerVectorStore.open(options, configuration.space)) as server_store:
            yield server_store


async def stored_in_chroma(configuration: ChromaConfiguration, _: Opening) -> EmbeddingSpace | None:
    """The space of the collection."""
    if configuration.url is None:
        from adapters.chroma.vectors import ChromaVectorStore

        return await ChromaVectorStore.stored_space(configuration.folder, configuration.collection)
    from adapters.chroma.server import ChromaServerVectorStore

    return await ChromaServerVectorStore.stored_space(_server(configuration, configuration.url))


def _server(configuration: ChromaConfiguration, url: str) -> ChromaServerOptions:
    from adapters.chroma.server_options import ChromaServerOptions

    key = configuration.api_key
    return ChromaServerOptions(
        url=url,
        api_key=key.get_secret_value() if key else None,
        collection=configuration.collection,
        ca_file=configuration.ca_file,
    )


@asynccontextmanager
async def pgvector(configuration: PgVectorConfiguration, opening: Opening) -> AsyncIterator[VectorStore]:
    """In PostgreSQL, with a pool of its own."""
    from adapters.pgvector.vectors import PgVectorStore

    options = postgres_options(configuration, opening)
    async with aclosing(await PgVectorStore.open(options, configuration.collection, configuration.space)) as store:
        yield store


async def stored_in_pgvector(configuration: PgVectorConfiguration, opening: Opening) -> EmbeddingSpace | None:
    """The space of the collection."""
    from adapters.pgvector.vectors import PgVectorStore

    return await PgVectorStore.stored_space(postgres_options(configuration, opening), configuration.collection)
