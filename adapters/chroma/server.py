"""The port of the vectors on a Chroma server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from heapq import nsmallest
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from adapters.chroma.exact import distances
from adapters.chroma.server_client import ChromaServerClient
from adapters.chroma.server_options import ChromaServerOptions
from adapters.chroma.server_records import Found, from_body, to_body
from adapters.chroma.where import necessary
from domain.filter import Filter, MetadataValue, matches
from domain.values import normalise_text
from ports.capabilities import Closeable, SupportsHealth
from ports.errors import NotFound
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

EXACT_COMPONENTS = 500_000
"""Up to so many components are fetched and compared one by one; the index of Chroma answers for what is larger."""
MARGIN = 32
"""How many more candidates are taken than wanted: some may be as near as the last one, or be deleted meanwhile."""
PAGE_COMPONENTS = 50_000
"""So many components are fetched at once: more would take too long to decode, even in a thread."""
PAGE_RECORDS = 100
PAGE_IDS = 1000
INLINE = 25_000
"""Up to so many components are handled at once, in a few milliseconds; more of them in a thread."""

_Item = TypeVar("_Item")
_Floats = NDArray[np.float32]


class ChromaServerVectorStore(VectorStore, SupportsHealth, Closeable):
    """Keeps vectors in a collection that any number of processes may use at once.

    A batch is written as a whole or not at all. A call of several batches that breaks off in the middle leaves the
    first ones; repeating it completes them. Of two processes that write the same record the last one wins, `update`
    replaces nothing but the parts that it is given, and a record that two processes delete at once may be counted by
    both.
    """

    def __init__(self, client: ChromaServerClient, space: EmbeddingSpace, batch: int) -> None:
        """Made by `open`."""
        self._client = client
        self._space = space
        self._batch = batch
        self._page = max(1, min(PAGE_RECORDS, PAGE_COMPONENTS // space.dimension))
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, options: ChromaServerOptions, space: EmbeddingSpace) -> ChromaServerVectorStore:
        """Open the collection, making it if need be.

        Raises:
            InvalidInput: the collection belongs to another embedding space.
            StorageUnavailable: the server does not answer.
        """
        client = ChromaServerClient(options, space, await asyncio.to_thread(options.tls_context))
        try:
            await client.resolve()
        except BaseException:
            await client.aclose()
            raise
        return cls(client, space, options.batch)

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
        vector = np.asarray(query_embedding, dtype=np.float32)
        if where is None:
            return await self._query_all(vector, n_results)
        native = necessary(where)
        ids = await self._ids(native)
        if self._is_large(len(ids)):
            if native:
                hits = await self._indexed(vector, n_results, {"where": native}, where)
                if len(hits) >= n_results:
                    return hits
            # Too many of those that Chroma lets pass do not pass, or the index misses some.
            ids = [record_id async for record_id in self._passing(ids, where)]
            if self._is_large(len(ids)):
                hits = await self._indexed(vector, n_results, {"ids": ids}, where)
                if len(hits) >= n_results:
                    return hits
        return await self._compared(vector, n_results, ids, where)

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        names = [normalise_text(record_id) for record_id in ids]
        records: dict[str, VectorRecord] = {}
        async for found in self._fetched(list(dict.fromkeys(names)), ["documents", "metadatas", "embeddings"]):
            records.update((record_id, found.record(row)) for row, record_id in enumerate(found.ids))
            await asyncio.sleep(0)
        return tuple(records[name] for name in names if name in records)

    async def delete(self, ids: Sequence[str]) -> int:
        """See `VectorStore`."""
        names = list(dict.fromkeys(normalise_text(record_id) for record_id in ids))
        deleted = 0
        async with self._writing:
            for batch in _slices(names, PAGE_IDS):
                # The number that Chroma gives is that of the ids which it was sent.
                known = await self._ids(ids=batch)
                if known:
                    await self._client.write("delete", to_body(known))
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
        names = check_update(ids, documents, embeddings, metadatas)
        rows = await self._checked(
            documents if documents is not None else [""] * len(names),
            embeddings if embeddings is not None else [[1.0] * self._space.dimension] * len(names),
            metadatas if metadatas is not None else [{}] * len(names),
            names,
        )
        async with self._writing:
            known: set[str] = set()
            for batch in _slices(names, PAGE_IDS):
                known.update(await self._ids(ids=batch))
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
            return await self._client.read("count", decode=int)
        return len([record_id async for record_id in self._passing(await self._ids(necessary(where)), where)])

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

    async def check_health(self) -> None:
        """Ask the server for something of the collection."""
        await self.count()

    async def aclose(self) -> None:
        """See `Closeable`."""
        await self._client.aclose()

    async def _query_all(self, vector: _Floats, wanted: int) -> tuple[VectorHit, ...]:
        total = await self.count()
        if self._is_large(total):
            hits = await self._indexed(vector, wanted, {}, None)
            if len(hits) >= min(wanted, total):
                return hits
        return await self._compared(vector, wanted, await self._ids(), None)

    async def _indexed(
        self, vector: _Floats, wanted: int, among: Mapping[str, Any], where: Filter | None
    ) -> tuple[VectorHit, ...]:
        """The nearest by the index, ``among`` those of a filter or of some ids; perhaps too few."""
        body = {"query_embeddings": [vector.tolist()], "n_results": wanted + MARGIN, "include": [], **among}
        found: dict[str, Any] = await self._client.read("query", body)
        return await self._hits(vector, wanted, found["ids"][0], where)

    async def _compared(
        self, vector: _Floats, wanted: int, ids: Sequence[str], where: Filter | None
    ) -> tuple[VectorHit, ...]:
        """The nearest of some records, all of which are looked at."""
        if len(ids) > wanted + MARGIN:
            best: list[tuple[float, str]] = []
            parts = ["embeddings"] if where is None else ["embeddings", "metadatas"]
            async for found in self._fetched(ids, parts):
                near = [
                    (distance, record_id)
                    for row, (distance, record_id) in enumerate(
                        zip(distances(found.matrix, vector), found.ids, strict=True)
                    )
                    if where is None or matches(where, found.metadata(row))
                ]
                best = nsmallest(wanted + MARGIN, best + near)
            ids = [record_id for _, record_id in best]
        return await self._hits(vector, wanted, ids, where)

    async def _hits(
        self, vector: _Floats, wanted: int, ids: Sequence[str], where: Filter | None
    ) -> tuple[VectorHit, ...]:
        """Those of some records that pass, by their true distances."""
        hits: list[VectorHit] = []
        async for found in self._fetched(ids, ["documents", "metadatas", "embeddings"]):
            for row, distance in enumerate(distances(found.matrix, vector)):
                metadata = found.metadata(row)
                if where is None or matches(where, metadata):
                    hits.append(VectorHit(found.ids[row], found.document(row), metadata, distance))
        return tuple(nsmallest(wanted, hits, key=lambda hit: (hit.distance, hit.id)))

    async def _passing(self, ids: Sequence[str], where: Filter) -> AsyncIterator[str]:
        """Those of some records that pass."""
        for batch in _slices(ids, PAGE_IDS):
            found = await self._client.read("get", {"ids": batch, "include": ["metadatas"]}, from_body)
            for row, record_id in enumerate(found.ids):
                if matches(where, found.metadata(row)):
                    yield record_id

    async def _ids(self, where: Mapping[str, Any] | None = None, ids: Sequence[str] | None = None) -> list[str]:
        """The ids of all records, or of those that Chroma lets pass, or that exist of some."""
        body: dict[str, Any] = {"include": []}
        if where is not None:
            body["where"] = where
        if ids is not None:
            body["ids"] = ids
        found: list[str] = (await self._client.read("get", body))["ids"]
        return found

    async def _fetched(self, ids: Sequence[str], parts: Sequence[str]) -> AsyncIterator[Found]:
        """Parts of these records, some at a time."""
        for batch in _slices(ids, self._page):
            found = await self._client.read("get", {"ids": batch, "include": parts}, from_body)
            if found.ids:
                yield found

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
            small = len(parts[0]) * self._space.dimension <= INLINE
            await self._client.write(operation, to_body(*parts) if small else await asyncio.to_thread(to_body, *parts))

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

    def _is_large(self, records: int) -> bool:
        return records * self._space.dimension > EXACT_COMPONENTS


def _slices(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
