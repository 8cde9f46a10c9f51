"""A vector store that is opened by its first operation, with the two short forms that need no more than vectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bootstrap.stores.configurations import UNSPECIFIED_MODEL, VectorConfiguration
from bootstrap.stores.deferred import DeferredStore
from domain.errors import InvalidInput
from domain.filter import Filter, MetadataValue, parse_filter
from ports.errors import NotFound
from ports.ids import IdSource
from ports.paging import check_page
from ports.vectors import (
    EmbeddingSpace,
    Vector,
    VectorHit,
    VectorRecord,
    VectorStore,
    check_query,
    check_records,
    check_update,
)


class NothingStored(InvalidInput):
    """There is no collection yet, and nobody said which dimension it is to have."""


class DeferredVectorStore(DeferredStore[VectorStore], VectorStore):
    """Opens the collection that is stored in its own embedding space, unless the configuration asks for another one.

    If the configuration leaves the dimension open and nothing is stored, the collection is made by the first vectors
    that are added, for their dimension. Until then it is empty.
    """

    def __init__(
        self,
        title: str,
        configuration: VectorConfiguration,
        open_in: Callable[[VectorConfiguration], AbstractAsyncContextManager[VectorStore]],
        stored_space: Callable[[], Awaitable[EmbeddingSpace | None]] | None,
        ids: IdSource,
    ) -> None:
        super().__init__(title, self._unsuited)
        self._configuration = configuration
        self._open_in = open_in
        self._stored_space = stored_space
        self._ids = ids

    async def add_vectors(
        self,
        embeddings: Sequence[Vector],
        metadata: Sequence[Mapping[str, MetadataValue]] | None = None,
        *,
        documents: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
    ) -> tuple[str, ...]:
        """`add_documents` for vectors that need not have a text, and get new ids if none are given. Returns the ids.

        Raises:
            InvalidInput: see `VectorStore.add_documents`. Nothing is stored.
        """
        names = tuple(self._ids.new("vec", 24) for _ in embeddings) if ids is None else tuple(ids)
        texts = [""] * len(embeddings) if documents is None else documents
        fields = [{}] * len(embeddings) if metadata is None else metadata
        await self.add_documents(texts, embeddings, fields, names)
        return names

    async def search(
        self, query_vector: Vector, k: int = 10, where: Filter | Mapping[str, object] | None = None
    ) -> tuple[VectorHit, ...]:
        """`query`, whose filter may also be written as `domain.filter` reads it.

        Raises:
            InvalidInput: see `VectorStore.query` and `domain.filter.parse_filter`.
        """
        return await self.query(query_vector, k, parse_filter(where) if isinstance(where, Mapping) else where)

    async def opened(self, space: EmbeddingSpace | None = None) -> VectorStore:
        """See `ports.deferred.DeferredVectors`."""
        if self._store is not None:
            return self._store
        return await self._open(lambda: self._open_for(space))

    @property
    def space(self) -> EmbeddingSpace:
        """See `VectorStore`.

        Raises:
            InvalidInput: it is not known before the store is opened.
        """
        if self._store is not None:
            return self._store.space
        if self._is_settled:
            return self._configuration.space
        raise InvalidInput(
            f"the embedding space of the {self._title} is known once it is open (await its opened()), or if the "
            "configuration has model_id and dimension"
        )

    async def add_documents(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> None:
        """See `VectorStore`."""
        space = None
        if self._store is None and len(embeddings) > 0:
            space = EmbeddingSpace(UNSPECIFIED_MODEL, len(embeddings[0]))
            # What cannot be stored must not decide for which dimension a collection is made.
            await asyncio.to_thread(check_records, space.dimension, documents, embeddings, metadatas, ids)
        store = await self._if_known(space)
        if store is None:
            check_records(0, documents, embeddings, metadatas, ids)
            return
        await store.add_documents(documents, embeddings, metadatas, ids)

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        """See `VectorStore`."""
        store = await self._if_known()
        if store is None:
            check_query(query_embedding, len(query_embedding), n_results)
            return ()
        return await store.query(query_embedding, n_results, where)

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        store = await self._if_known()
        return () if store is None else await store.get(ids)

    async def delete(self, ids: Sequence[str]) -> int:
        """See `VectorStore`."""
        store = await self._if_known()
        return 0 if store is None else await store.delete(ids)

    async def update(
        self,
        ids: Sequence[str],
        *,
        documents: Sequence[str] | None = None,
        embeddings: Sequence[Vector] | None = None,
        metadatas: Sequence[Mapping[str, MetadataValue]] | None = None,
    ) -> None:
        """See `VectorStore`."""
        store = await self._if_known()
        if store is not None:
            await store.update(ids, documents=documents, embeddings=embeddings, metadatas=metadatas)
        elif names := check_update(ids, documents, embeddings, metadatas):
            raise NotFound("vector record", names[0])

    async def count(self, where: Filter | None = None) -> int:
        """See `VectorStore`."""
        store = await self._if_known()
        return 0 if store is None else await store.count(where)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        store = await self._if_known()
        if store is None:
            check_page(limit)
            return ()
        return await store.scan(after=after, limit=limit)

    @property
    def _is_settled(self) -> bool:
        return self._configuration.model_id is not None and self._configuration.dimension is not None

    async def _if_known(self, space: EmbeddingSpace | None = None) -> VectorStore | None:
        """The open store; None if there is none yet, and no dimension to make it for."""
        try:
            return await self.opened(space)
        except NothingStored:
            return None

    def _unsuited(self) -> AbstractAsyncContextManager[VectorStore]:
        return self._open_for(None)

    @asynccontextmanager
    async def _open_for(self, space: EmbeddingSpace | None) -> AsyncIterator[VectorStore]:
        wanted = self._configuration.space if self._is_settled else await self._find_space(space)
        async with self._open_in(self._configuration.in_space(wanted)) as store:
            yield store

    async def _find_space(self, offered: EmbeddingSpace | None) -> EmbeddingSpace:
        model_id, dimension = self._configuration.model_id, self._configuration.dimension
        stored = await self._stored_space() if self._stored_space else None
        if stored is not None:
            if model_id not in (None, stored.model_id) or dimension not in (None, stored.dimension):
                raise InvalidInput(
                    f"the collection of the {self._title} holds vectors of {stored.model_id} with {stored.dimension} "
                    f"dimensions, but model_id is {model_id or 'open'} and dimension is {dimension or 'open'}. Leave "
                    "both out to use it, or name another collection."
                )
            return stored
        if offered is not None:
            return EmbeddingSpace(model_id or offered.model_id, dimension or offered.dimension)
        if dimension is not None:
            return EmbeddingSpace(model_id or UNSPECIFIED_MODEL, dimension)
        raise NothingStored(
            f"the {self._title} has no collection yet, and its configuration names no dimension: add vectors, or give "
            "the key dimension"
        )
