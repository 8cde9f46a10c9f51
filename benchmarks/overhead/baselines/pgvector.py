"""Vectors in PostgreSQL with pgvector, written by hand for asyncpg: one statement an operation.

A few more candidates are taken than wanted, so that of those which are equally near the first ids win.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import numpy as np
import orjson
from pgvector import Vector as PgVector

from benchmarks.overhead.baselines.postgres import no_reset
from ports.vectors import VectorHit, VectorRecord, to_floats

MARGIN = 32
WALK = {
    "hnsw.ef_search": "100",
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": "20000",
    "hnsw.scan_mem_multiplier": "8",
}

QUERY = """
    SELECT id, document, metadata::text, distance FROM (
        SELECT id, document, metadata, embedding <=> $1 AS distance FROM {table}
        WHERE {condition} ORDER BY embedding <=> $1 LIMIT $2
    ) AS near
    ORDER BY distance, id LIMIT $3
"""
FILTER = "metadata @> $4::text::jsonb"
GET = "SELECT id, document, metadata::text, embedding FROM {table} WHERE id = ANY ($1)"
ADD = """
    INSERT INTO {table} (id, document, metadata, embedding)
    SELECT id, document, metadata::jsonb, embedding
    FROM unnest($1::text[], $2::text[], $3::text[], $4::vector[]) AS new (id, document, metadata, embedding)
    ORDER BY id COLLATE "C"
    ON CONFLICT (id) DO UPDATE
    SET document = excluded.document, metadata = excluded.metadata, embedding = excluded.embedding
"""


async def _set_up(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "vector", schema="public", encoder=PgVector.to_binary, decoder=PgVector.from_binary, format="binary"
    )
    for name, value in WALK.items():
        await connection.execute("SELECT set_config($1, $2, false)", name, value)


async def open_pool(dsn: str) -> asyncpg.Pool:
    """The driver's pool with the limits that the adapter has; its connections know vectors and how to walk an index."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=30,
        max_inactive_connection_lifetime=0,
        init=_set_up,
        reset=no_reset,
        timeout=4,
        command_timeout=32,
        statement_cache_size=256,
        max_cached_statement_lifetime=0,
        server_settings={"statement_timeout": "30000"},
    )


class Table:
    """A table of vectors, which the adapter has made."""

    def __init__(self, pool: Any, table: str) -> None:
        self._pool = pool
        self._nearest = QUERY.format(table=table, condition="true")
        self._nearest_of = QUERY.format(table=table, condition=FILTER)
        self._get = GET.format(table=table)
        self._add = ADD.format(table=table)

    async def add(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Sequence[float]],
        metadatas: Sequence[Mapping[str, Any]],
        ids: Sequence[str],
    ) -> None:
        """Store or replace a few records."""
        matrix = [np.frombuffer(to_floats(embedding), dtype="<f4") for embedding in embeddings]
        if not np.isfinite(matrix).all():
            raise ValueError("a component is not finite")
        fields = [orjson.dumps(metadata).decode() for metadata in metadatas]
        async with self._pool.acquire() as connection:
            await connection.execute(self._add, ids, documents, fields, [PgVector(row) for row in matrix])

    async def query(
        self, embedding: Sequence[float], wanted: int, where: dict[str, Any] | None
    ) -> tuple[VectorHit, ...]:
        """The nearest records."""
        vector = PgVector(np.frombuffer(to_floats(embedding), dtype="<f4"))
        async with self._pool.acquire() as connection:
            if where is None:
                rows = await connection.fetch(self._nearest, vector, wanted + MARGIN, wanted)
            else:
                fields = orjson.dumps(where).decode()
                rows = await connection.fetch(self._nearest_of, vector, wanted + MARGIN, wanted, fields)
        return tuple(VectorHit(row[0], row[1], orjson.loads(row[2]), row[3]) for row in rows)

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """Records in the order asked for."""
        async with self._pool.acquire() as connection:
            rows = {row[0]: row for row in await connection.fetch(self._get, ids)}
        found = (rows[name] for name in ids if name in rows)
        return tuple(VectorRecord(row[0], row[1], tuple(row[3].to_list()), orjson.loads(row[2])) for row in found)
