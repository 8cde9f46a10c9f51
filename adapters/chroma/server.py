"""The port of the vectors on a Chroma server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest
from typing import Any

import numpy as np
import orjson

from adapters.chroma import checkpoints
from adapters.chroma.server_client import ChromaServerClient
from adapters.chroma.server_integrity import problems
from adapters.chroma.server_options import ChromaServerOptions
from adapters.chroma.server_reader import PAGE_IDS, WHOLE, ChromaServerReader, slices
from adapters.chroma.server_records import to_body
from adapters.chroma.where import necessary
from domain.filter import Filter, MetadataValue
from domain.values import normalise_text
from ports.capabilities import Closeable, SupportsHealth, SupportsIntegrityCheck
from ports.errors import NotFound
from ports.paging import check_page
from ports.transfer import SupportsCheckpoints, check_checkpoint
from ports.vectors import (
    EmbeddingSpace,
    Vector,
    VectorHit,
    VectorRecord,
    VectorStore,
    check_query,
    check_records,
    check_update,
    to_floats,
)

WRITE_COMPONENTS = 38_400
"""So many components are written at once: the index takes up to 1.4 seconds for them, if their vectors are equal."""
INLINE = 50_000
"""Up to so many components are checked at once, in a few milliseconds; more of them in a thread."""


class ChromaServerVectorStore(VectorStore, SupportsHealth, SupportsIntegrityCheck, SupportsCheckpoints, Closeable):
    """Keeps vectors in a collection that any number of processes may use at once.

    A batch is written as a whole or not at all. A call of several batches that breaks off in the middle leaves the
    first ones; repeating it completes them. Of two processes that write the same record the last one wins, `update`
    replaces nothing but the parts that it is given, and a record that two processes delete at once may be counted by
    both.
    """

    def __init__(
        self,
        client: ChromaServerClient,
        checkpoints: ChromaServerClient,
        space: EmbeddingSpace,
        options: ChromaServerOptions,
    ) -> None:
        """Made by `open`."""
        self._client = client
        self._checkpoints = checkpoints
        self._space = space
        self._location = options.location
        self._batch = max(1, min(options.batch, WRITE_COMPONENTS // space.dimension))
        self._reader = ChromaServerReader(client, space.dimension)
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, options: ChromaServerOptions, space: EmbeddingSpace) -> ChromaServerVectorStore:
        """Open the collection, making it if need be.

        Raises:
            InvalidInput: the collection belongs to another embedding space.
            StorageUnavailable: the server does not answer.
        """
        tls = await asyncio.to_thread(options.tls_context)
        client = ChromaServerClient(options, space, tls)
        # Connects when it is needed for the first time.
        beside = replace(options, collection=checkpoints.collection_of(options.collection))
        notes = ChromaServerClient(beside, checkpoints.SPACE, tls)
        try:
            await client.resolve()
        except BaseException:
            await client.aclose()
            raise
        return cls(client, notes, space, options)

    @staticmethod
    async def stored_space(options: ChromaServerOptions) -> EmbeddingSpace | None:
        """The space that the collection has been made for; None if there is none, or it does not say. Makes nothing.

        Raises:
            StorageUnavailable: the server does not answer.
        """
        any_space = EmbeddingSpace("", 1)
        client = ChromaServerClient(options, any_space, await asyncio.to_thread(options.tls_context))
        try:
            return await client.stored_space()
        finally:
            await client.aclose()

    @property
    def space(self) -> EmbeddingSpace:
        """See `VectorStore`."""
        return self._space

    async def add_documents(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> None:
        """See `VectorStore`."""
        self._client.check_open()
        rows = await self._checked(documents, embeddings, metadatas, ids)
        async with self._writing:
            await self._write(
                "upsert", [row[0] for row in rows], [row[1] for row in rows], embeddings, [row[2] for row in rows]
            )

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        """See `VectorStore`."""
        check_query(query_embedding, self._space.dimension, n_results)
        vector = np.frombuffer(to_floats(query_embedding), dtype="<f4")
        return await self._reader.nearest(vector, n_results, where)

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        self._client.check_open()
        names = [normalise_text(record_id) for record_id in ids]
        records: dict[str, VectorRecord] = {}
        async for found in self._reader.fetched(list(dict.fromkeys(names)), WHOLE):
            records.update((record_id, found.record(row)) for row, record_id in enumerate(found.ids))
            await asyncio.sleep(0)
        return tuple(records[name] for name in names if name in records)

    async def delete(self, ids: Sequence[str]) -> int:
        """See `VectorStore`."""
        self._client.check_open()
        names = list(dict.fromkeys(normalise_text(record_id) for record_id in ids))
        deleted = 0
        async with self._writing:
            for batch in slices(names, PAGE_IDS):
                # The number that Chroma gives is that of the ids which it was sent.
                known = await self._reader.ids(among=batch)
                if known:
                    await self._delete(known)
                deleted += len(known)
        return deleted

    async def update(
        self,
        ids: Sequence[str],
        *,
        documents: Sequence[str] | None = None,
        embeddings: Sequence[Vector] | None = None,
        metadatas: Sequence[Mapping[str, MetadataValue]] | None = None,
    ) -> None:
        """See `VectorStore`."""
        self._client.check_open()
        names = check_update(ids, documents, embeddings, metadatas)
        rows = await self._checked(
            documents if documents is not None else [""] * len(names),
            embeddings if embeddings is not None else [[1.0] * self._space.dimension] * len(names),
            metadatas if metadatas is not None else [{}] * len(names),
            names,
        )
        async with self._writing:
            known: set[str] = set()
            for batch in slices(names, PAGE_IDS):
                known.update(await self._reader.ids(among=batch))
            if unknown := [name for name in names if name not in known]:
                raise NotFound("vector record", unknown[0])
            await self._write(
                "update",
                names,
                None if documents is None else [row[1] for row in rows],
                embeddings,
                None if metadatas is None else [row[2] for row in rows],
            )

    async def count(self, where: Filter | None = None) -> int:
        """See `VectorStore`."""
        if where is None:
            return await self._reader.total()
        return len(
            [record_id async for record_id in self._reader.passing(await self._reader.ids(necessary(where)), where)]
        )

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        """See `VectorStore`. Takes time in proportion to the number of all records: Chroma cannot sort."""
        check_page(limit)
        start = None if after is None else normalise_text(after)

        def page(body: bytes) -> list[str]:
            ids: list[str] = orjson.loads(body)["ids"]
            return nsmallest(limit, ids if start is None else (record_id for record_id in ids if record_id > start))

        while next_ids := await self._client.read("get", {"include": []}, page):
            # If others have deleted them all in between, those behind them are next.
            if records := await self.get(next_ids):
                return records
        return ()

    @property
    def location(self) -> str:
        """The address of the server, tenant and database, and the collection."""
        return self._location

    async def read_checkpoint(self, name: str) -> str | None:
        """See `SupportsCheckpoints`."""
        check_checkpoint(name)
        found: dict[str, Any] = await self._checkpoints.read("get", {"ids": [name], "include": ["documents"]})
        return (found["documents"][0] or "") if found["ids"] else None

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        """See `SupportsCheckpoints`."""
        check_checkpoint(name, text)
        async with self._writing:
            if text is None:
                await self._checkpoints.write("delete", to_body([name]))
            else:
                await self._checkpoints.write("upsert", to_body([name], [text], [checkpoints.VECTOR]))

    async def check_health(self) -> None:
        """Ask the server for something of the collection."""
        await self.count()

    async def check_integrity(self) -> Sequence[str]:
        """See `SupportsIntegrityCheck`. Reads every vector, and compares what the index finds with what is near."""
        return await problems(self._reader)

    async def aclose(self) -> None:
        """See `Closeable`."""
        await self._client.aclose()
        await self._checkpoints.aclose()

    async def _delete(self, ids: Sequence[str]) -> None:
        try:
            await self._client.write("delete", to_body(ids))
        finally:
            self._reader.count_again()

    async def _write(
        self,
        operation: str,
        ids: Sequence[str],
        documents: Sequence[str] | None,
        embeddings: Sequence[Vector] | None,
        metadatas: Sequence[Mapping[str, MetadataValue]] | None,
    ) -> None:
        for start in range(0, len(ids), self._batch):
            rows = slice(start, start + self._batch)
            parts = (
                ids[rows],
                None if documents is None else documents[rows],
                None if embeddings is None else embeddings[rows],
                None if metadatas is None else metadatas[rows],
            )
            await self._client.write(operation, to_body(*parts))

    async def _checked(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> list[tuple[str, str, dict[str, MetadataValue]]]:
        arguments = (self._space.dimension, documents, embeddings, metadatas, ids)
        if len(ids) * self._space.dimension <= INLINE:
            return check_records(*arguments)
        return await asyncio.to_thread(check_records, *arguments)
