"""Sessions, vectors and files whose store can be exchanged while it is used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from application.transfer.items import Kind
from application.transfer.live.layer import Layer
from domain.filter import Filter, MetadataValue
from domain.values import normalise_text
from ports.blobs import BlobInfo, BlobStore
from ports.sessions import CacheStore
from ports.vectors import EmbeddingSpace, Vector, VectorHit, VectorRecord, VectorStore


class LiveSessions(Layer[CacheStore], CacheStore):
    """Sessions, caches and counters."""

    kind = Kind.SESSIONS

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        async with self._writing(key):
            return await self.store.set(key, value, ttl)

    async def get(self, key: str) -> str | None:
        value = await self.store.get(key)
        if self.shadow is not None:
            self.shadow.saw(self._key(key), lambda store: store.get(key), "get")
        return value

    async def delete(self, key: str) -> bool:
        async with self._writing(key, deletes=True):
            return await self.store.delete(key)

    async def exists(self, key: str) -> bool:
        exists = await self.store.exists(key)
        if self.shadow is not None:
            self.shadow.saw(self._key(key), lambda store: store.exists(key), "exists")
        return exists

    async def expire(self, key: str, ttl: timedelta) -> bool:
        async with self._writing(key):
            return await self.store.expire(key, ttl)

    async def keys(self, pattern: str) -> list[str]:
        return await self.store.keys(pattern)

    async def get_many(self, keys: Sequence[str]) -> dict[str, str]:
        values = await self.store.get_many(keys)
        if self.shadow is not None:
            self.shadow.saw(None, lambda store: store.get_many(keys), "get many")
        return values

    async def set_many(self, values: Mapping[str, str], ttl: timedelta | None = None) -> None:
        async with self._writing(*values):
            await self.store.set_many(values, ttl)

    async def add(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        async with self._writing(key):
            return await self.store.add(key, value, ttl)

    async def compare_and_set(
        self, key: str, expected: str | None, value: str | None, ttl: timedelta | None = None
    ) -> bool:
        async with self._writing(key):
            return await self.store.compare_and_set(key, expected, value, ttl)

    async def increment(self, key: str, by: int = 1, ttl: timedelta | None = None) -> int:
        async with self._writing(key):
            return await self.store.increment(key, by, ttl)

    async def clear(self) -> int:
        async with self._writing() as write:
            if self.changes is not None:
                # What is written between these two calls is noted by its writer.
                write.keys = dict.fromkeys(await self.store.keys("*"), True)
            return await self.store.clear()

    def _key(self, key: str) -> str:
        return normalise_text(key)


class LiveVectors(Layer[VectorStore], VectorStore):
    """Vectors. Of a query, the shadow compares the records that were found: two indexes need not find the same."""

    kind = Kind.VECTORS

    @property
    def space(self) -> EmbeddingSpace:
        return self.store.space

    async def add_documents(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> None:
        async with self._writing(*ids):
            await self.store.add_documents(documents, embeddings, metadatas, ids)

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        hits = await self.store.query(query_embedding, n_results, where)
        if self.shadow is not None and hits:
            self._saw([hit.id for hit in hits])
        return hits

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        records = await self.store.get(ids)
        if self.shadow is not None:
            self._saw(ids)
        return records

    async def delete(self, ids: Sequence[str]) -> int:
        async with self._writing(*ids, deletes=True):
            return await self.store.delete(ids)

    async def update(
        self,
        ids: Sequence[str],
        *,
        documents: Sequence[str] | None = None,
        embeddings: Sequence[Vector] | None = None,
        metadatas: Sequence[Mapping[str, MetadataValue]] | None = None,
    ) -> None:
        async with self._writing(*ids):
            await self.store.update(ids, documents=documents, embeddings=embeddings, metadatas=metadatas)

    async def count(self, where: Filter | None = None) -> int:
        return await self.store.count(where)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        return await self.store.scan(after=after, limit=limit)

    def _key(self, key: str) -> str:
        return normalise_text(key)

    def _saw(self, ids: Sequence[str]) -> None:
        async def ask(store: Any) -> object:
            # Indexes scale vectors to within their last bit, so those are left to the comparison at the end.
            return [(record.id, record.document, dict(record.metadata)) for record in await store.get(ids)]

        if self.shadow is not None:
            self.shadow.saw(None, ask, f"get {', '.join(ids)}")


class LiveFiles(Layer[BlobStore], BlobStore):
    """Uploaded files and reports."""

    kind = Kind.FILES

    async def put(self, key: str, content: AsyncIterator[bytes]) -> BlobInfo:
        async with self._writing(key):
            return await self.store.put(key, content)

    async def open(self, key: str) -> AsyncIterator[bytes]:
        return await self.store.open(key)

    async def stat(self, key: str) -> BlobInfo | None:
        info = await self.store.stat(key)
        if self.shadow is not None:
            self.shadow.saw(key, lambda store: store.stat(key), f"stat {key}")
        return info

    async def delete(self, key: str) -> bool:
        async with self._writing(key, deletes=True):
            return await self.store.delete(key)

    async def scan(self, *, prefix: str = "", after: str | None = None, limit: int = 100) -> tuple[BlobInfo, ...]:
        return await self.store.scan(prefix=prefix, after=after, limit=limit)
