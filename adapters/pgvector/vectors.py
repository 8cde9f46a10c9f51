"""The port of the vectors on PostgreSQL with pgvector."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from operator import itemgetter

import asyncpg
import numpy as np
from cachetools import TTLCache
from pgvector import Vector as PgVector

from adapters.pgvector.collection import Collection, find_space, prepare
from adapters.pgvector.encoding import metadata_from_json, metadata_to_json, register_vectors
from adapters.pgvector.integrity import find_problems
from adapters.pgvector.statements import (
    READ_CHECKPOINT,
    REMOVE_CHECKPOINT,
    WRITE_CHECKPOINT,
    Statements,
)
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.postgres.pool import Connection
from domain.filter import Filter, MetadataValue
from domain.values import normalise_text
from ports.capabilities import Closeable, SupportsHealth, SupportsIntegrityCheck
from ports.errors import NotFound
from ports.paging import check_page
from ports.transfer import SupportsCheckpoints, SupportsTransactions, check_checkpoint
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

BATCH = 100
"""Records that are written by one statement."""
MARGINS = (3, 32, 1000)
"""How many more candidates are taken than wanted: some may be as near as the last one. If all are, even more."""
MEMORY_SECONDS = 10.0
"""How long it is taken for known whether few records pass a filter, without counting them."""
MEMORY_FILTERS = 1_000
"""Of so many filters that is known."""
_INLINE = 25_000
"""Up to so many components are converted at once, in a few milliseconds; more of them in a thread."""
_INLINE_DISTANCES = 250_000
"""The same for computing distances."""

_Row = tuple[str, str, str, PgVector]


class PgVectorStore(
    VectorStore, SupportsHealth, SupportsIntegrityCheck, SupportsCheckpoints, SupportsTransactions, Closeable
):
    """Keeps vectors in one table of a database. Each call that writes happens as a whole or not at all.

    A negative zero in metadata comes back as zero.
    """

    def __init__(self, database: PostgresDatabase, collection: Collection) -> None:
        """Made by `open`."""
        self._database = database
        self._collection = collection
        self._statements = Statements(collection)
        self._few: TTLCache[Filter | None, bool] = TTLCache(MEMORY_FILTERS, MEMORY_SECONDS)

    @classmethod
    async def open(cls, options: PostgresOptions, collection: str, space: EmbeddingSpace) -> PgVectorStore:
        """Reach the database; the extension and the collection are made if need be.

        Several processes may do this at once. Vectors of more than 4,000 dimensions are searched without an index.

        Raises:
            InvalidInput: the collection belongs to another embedding space, or cannot be a table.
            NotSupported: pgvector 0.8 or newer is not there and cannot be made; the message says who can help how.
            PortError: the database cannot be reached or used.
        """
        wanted = Collection(collection, space)
        database = await PostgresDatabase.open(
            options, prepare=partial(prepare, collection=wanted, options=options), setup=register_vectors
        )
        return cls(database, wanted)

    @staticmethod
    async def stored_space(options: PostgresOptions, collection: str) -> EmbeddingSpace | None:
        """The space that the collection has been made for; None if there is no such collection. Makes nothing.

        Raises:
            PortError: the database cannot be reached or used.
        """
        found: EmbeddingSpace | None = None

        async def look(connection: Connection) -> None:
            nonlocal found
            found = await find_space(connection, collection)

        database = await PostgresDatabase.open(options, prepare=look)
        await database.aclose()
        return found

    @property
    def space(self) -> EmbeddingSpace:
        """See `VectorStore`."""
        return self._collection.space

    async def add_documents(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> None:
        """See `VectorStore`."""
        rows = await self._encoded(documents, embeddings, metadatas, ids)
        if len(rows) <= BATCH:
            await self._add(rows)
            return
        async with self._database.transaction():
            for start in range(0, len(rows), BATCH):
                await self._add(rows[start : start + BATCH])

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        """See `VectorStore`."""
        check_query(query_embedding, self.space.dimension, n_results)
        vector = _encode(query_embedding)
        near: list[tuple[float, str, asyncpg.Record]] = []
        few = self._few.get(where)
        for margin in self._margins(where, few):
            rows = await self._candidates(vector, n_results + margin, where, few)
            if len(rows) * self.space.dimension <= _INLINE_DISTANCES:
                near = _nearest(vector, rows)
            else:
                near = await asyncio.to_thread(_nearest, vector, rows)
            # Whoever is not among the candidates is farther than all of them, and so than the last one wanted.
            if len(rows) < n_results + margin or near[-1][0] - near[n_results - 1][0] > self._statements.noise:
                break
            few = self._few.get(where)
        return tuple(
            VectorHit(record_id, row["document"], metadata_from_json(row["metadata"]), distance)
            for distance, record_id, row in near[:n_results]
        )

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        names = [normalise_text(record_id) for record_id in ids]
        rows = await self._database.read(self._statements.get, {"ids": list(dict.fromkeys(names))})
        known = {record.id: record for record in await self._records(rows)}
        return tuple(known[name] for name in names if name in known)

    async def delete(self, ids: Sequence[str]) -> int:
        """See `VectorStore`."""
        names = [normalise_text(record_id) for record_id in ids]
        ((count,),) = await self._database.write(self._statements.delete, {"ids": names})
        self._few.clear()
        return int(count)

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
        async with self._database.transaction():
            known = {row["id"] for row in await self._database.write(self._statements.lock, {"ids": names})}
            if unknown := [name for name in names if name not in known]:
                raise NotFound("vector record", unknown[0])
            # What is not given is checked and sent as anything valid, and then left out.
            rows = await self._encoded(
                [""] * len(names) if documents is None else documents,
                [(1.0,) * self.space.dimension] * len(names) if embeddings is None else embeddings,
                [{}] * len(names) if metadatas is None else metadatas,
                names,
            )
            given = {"documents": documents, "embeddings": embeddings, "metadatas": metadatas}
            for start in range(0, len(rows), BATCH):
                columns = _columns(rows[start : start + BATCH])
                columns |= {part: [None] * len(columns["ids"]) for part, values in given.items() if values is None}
                _ = await self._database.write(self._statements.update, columns)

    async def count(self, where: Filter | None = None) -> int:
        """See `VectorStore`."""
        ((count,),) = await self._database.read(*self._statements.count(where))
        return int(count)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[VectorRecord, ...]:
        """See `VectorStore`."""
        check_page(limit)
        if after is None:
            rows = await self._database.read(self._statements.first_page, {"limit": limit})
        else:
            page = {"after": normalise_text(after), "limit": limit}
            rows = await self._database.read(self._statements.next_page, page)
        return await self._records(rows)

    @property
    def location(self) -> str:
        """The address of the database, and the collection."""
        return f"{self._database.options.location}#{self._collection.name}"

    async def read_checkpoint(self, name: str) -> str | None:
        """See `SupportsCheckpoints`."""
        check_checkpoint(name)
        rows = await self._database.read(READ_CHECKPOINT, {"collection": self._collection.name, "name": name})
        return rows[0][0] if rows else None

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        """See `SupportsCheckpoints`."""
        check_checkpoint(name, text)
        row = {"collection": self._collection.name, "name": name}
        if text is None:
            _ = await self._database.write(REMOVE_CHECKPOINT, row)
        else:
            _ = await self._database.write(WRITE_CHECKPOINT, {**row, "text": text})

    def begin_transaction(self) -> AbstractAsyncContextManager[None]:
        """A transaction of this task on the connection pool of the store."""
        return self._database.transaction()

    async def check_health(self) -> None:
        """See `SupportsHealth`."""
        await self._database.check_health()

    async def check_integrity(self) -> Sequence[str]:
        """See `SupportsIntegrityCheck`: whether the indexes serve, and every vector has the dimension of the space."""
        return await find_problems(self._database, self._collection)

    async def aclose(self) -> None:
        """See `Closeable`."""
        await self._database.aclose()

    async def _encoded(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[Mapping[str, MetadataValue]],
        ids: Sequence[str],
    ) -> list[_Row]:
        arguments = (self.space.dimension, documents, embeddings, metadatas, ids)
        if len(ids) * self.space.dimension <= _INLINE:
            return _to_rows(*arguments)
        return await asyncio.to_thread(_to_rows, *arguments)

    async def _add(self, rows: Sequence[_Row]) -> None:
        if rows:
            _ = await self._database.write(self._statements.add, _columns(rows))

    def _margins(self, where: Filter | None, few: bool | None) -> tuple[int, ...]:
        """A walk past records that do not pass, or along halves, gives the candidates in a rougher order."""
        walks_roughly = where is not None or not self._collection.is_indexed_whole
        return MARGINS[1:] if walks_roughly and not few else MARGINS

    async def _candidates(
        self, vector: PgVector, limit: int, where: Filter | None, few: bool | None
    ) -> list[asyncpg.Record]:
        if not few and self._collection.embedding_index is not None:
            statement = self._statements.search if few is None else self._statements.walk
            rows = await self._database.read(*statement(vector, limit, where))
            if few is None and rows:
                few = self._few[where] = not rows[0]["walked"]
            # More records pass than that; where a walk has found less, it has ended too early.
            if few or len(rows) == limit:
                return rows
        return await self._database.read(*self._statements.compare_all(vector, limit, where))

    async def _records(self, rows: Sequence[asyncpg.Record]) -> tuple[VectorRecord, ...]:
        if len(rows) * self.space.dimension <= _INLINE:
            return _to_records(rows)
        return await asyncio.to_thread(_to_records, rows)


def _encode(vector: Vector) -> PgVector:
    return PgVector(np.frombuffer(to_floats(vector), dtype="<f4"))


def _to_rows(
    dimension: int,
    documents: Sequence[str],
    embeddings: Sequence[Vector],
    metadatas: Sequence[Mapping[str, MetadataValue]],
    ids: Sequence[str],
) -> list[_Row]:
    """The records in the order of ids, which is the one in which rows are locked."""
    checked = check_records(dimension, documents, embeddings, metadatas, ids)
    rows = [
        (record_id, document, metadata_to_json(metadata), _encode(embedding))
        for (record_id, document, metadata), embedding in zip(checked, embeddings, strict=True)
    ]
    return sorted(rows, key=lambda row: row[0])


def _columns(rows: Sequence[_Row]) -> dict[str, list[object]]:
    ids, documents, metadatas, embeddings = map(list, zip(*rows, strict=True))
    return {"ids": ids, "documents": documents, "metadatas": metadatas, "embeddings": embeddings}


def _to_records(rows: Sequence[asyncpg.Record]) -> tuple[VectorRecord, ...]:
    return tuple(
        VectorRecord(row["id"], row["document"], tuple(row["embedding"].to_list()), metadata_from_json(row["metadata"]))
        for row in rows
    )


def _nearest(query: PgVector, rows: Sequence[asyncpg.Record]) -> list[tuple[float, str, asyncpg.Record]]:
    """The rows, nearest first, those that are equally near by id; with distance and id. Where the row has its vector,
    the distance is computed anew with 64 bits, so that the error of the server's decides nothing.
    """
    distances = [row["distance"] for row in rows]
    if close := [place for place, row in enumerate(rows) if row["embedding"] is not None]:
        direction = query.to_numpy().astype(np.float64)
        matrix = np.stack([rows[place]["embedding"].to_numpy() for place in close]).astype(np.float64)
        cosine = matrix @ direction / (np.linalg.norm(matrix, axis=1) * np.linalg.norm(direction))
        for place, distance in zip(close, np.clip(1.0 - cosine, 0.0, 2.0).round(9).tolist(), strict=True):
            distances[place] = distance
    near = [(distance, row["id"], row) for distance, row in zip(distances, rows, strict=True)]
    return sorted(near, key=itemgetter(0, 1))
