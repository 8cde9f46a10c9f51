"""A Chroma server, written by hand for httpx: one request an operation, vectors as base64, JSON by orjson.

What is promised takes two precautions, here as in the adapter. Chroma does not say which of two equally near records it
leaves out, so a few more candidates are taken than wanted, of which the first ids win. And it merges the metadata of a
record into the old ones, so they go along as one text, too, which is replaced. Beside it, judged by nobody: the same
without either, and Chroma's own client, which most programs use.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
import orjson

from ports.vectors import VectorHit, VectorRecord, to_floats

INDEX = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200, "sync_threshold": 100}
BATCH = 100
MARGIN = 3
WHOLE = "whole"
"""The field with all metadata as one text."""
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


class Server:
    """A collection on a server."""

    _margin = MARGIN

    def __init__(self, client: httpx.AsyncClient, collection: str) -> None:
        self._client = client
        self._path = f"{COLLECTIONS}/{collection}"

    @classmethod
    async def open(cls, url: str, name: str) -> Server:
        """A new collection with the index that the adapter has."""
        client = httpx.AsyncClient(base_url=url, timeout=4, trust_env=False, limits=httpx.Limits(max_connections=20))
        answer = await client.post(COLLECTIONS, json={"name": name, "configuration": {"hnsw": INDEX}})
        return cls(client, answer.raise_for_status().json()["id"])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def add(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Sequence[float]],
        metadatas: Sequence[Mapping[str, Any]],
        ids: Sequence[str],
    ) -> None:
        """Store or replace records."""
        packed = [to_floats(embedding) for embedding in embeddings]
        if not np.isfinite(np.frombuffer(b"".join(packed), dtype="<f4")).all():
            raise ValueError("a component is not finite")
        for start in range(0, len(ids), BATCH):
            rows = slice(start, start + BATCH)
            await self._post(
                "upsert",
                {
                    "ids": ids[rows],
                    "documents": documents[rows],
                    "embeddings": [base64.b64encode(row).decode() for row in packed[rows]],
                    "metadatas": [self._stored(metadata) for metadata in metadatas[rows]],
                },
            )

    async def query(
        self, embedding: Sequence[float], wanted: int, where: dict[str, Any] | None
    ) -> tuple[VectorHit, ...]:
        """The nearest records."""
        body = {
            "query_embeddings": [list(embedding)],
            "n_results": wanted + self._margin,
            "include": ["documents", "metadatas", "distances"],
        }
        found = orjson.loads(await self._post("query", body if where is None else {**body, "where": where}))
        rows = zip(*(found[name][0] for name in ("ids", "documents", "metadatas", "distances")), strict=True)
        nearest = sorted(rows, key=lambda row: (row[3], row[0]))[:wanted]
        return tuple(VectorHit(key, text, self._given(stored), distance) for key, text, stored, distance in nearest)

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """Records in the order asked for."""
        body = {"ids": ids, "include": ["documents", "metadatas", "embeddings"]}
        found = orjson.loads(await self._post("get", body))
        matrix = np.asarray(found["embeddings"], dtype=np.float32)
        rows = {record_id: row for row, record_id in enumerate(found["ids"])}
        return tuple(
            VectorRecord(
                name,
                found["documents"][rows[name]],
                tuple(matrix[rows[name]].tolist()),
                self._given(found["metadatas"][rows[name]]),
            )
            for name in ids
            if name in rows
        )

    @staticmethod
    def _stored(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**metadata, WHOLE: orjson.dumps(metadata).decode()}

    @staticmethod
    def _given(stored: Mapping[str, Any]) -> Mapping[str, Any]:
        given: Mapping[str, Any] = orjson.loads(stored[WHOLE])
        return given

    async def _post(self, operation: str, body: dict[str, Any]) -> bytes:
        answer = await self._client.post(
            f"{self._path}/{operation}", content=orjson.dumps(body), headers={"Content-Type": "application/json"}
        )
        return answer.raise_for_status().content


class WithoutPrecautions(Server):
    """Any of those that are equally near, and fields of an older record that this one has not stay."""

    _margin = 0

    @staticmethod
    def _stored(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        return metadata

    @staticmethod
    def _given(stored: Mapping[str, Any]) -> Mapping[str, Any]:
        return stored


class OwnClient:
    """The same by the client of the package chromadb."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    @classmethod
    async def open(cls, host: str, port: int, name: str) -> OwnClient:
        """A new collection."""
        import chromadb

        client = await chromadb.AsyncHttpClient(host=host, port=port)
        return cls(await client.create_collection(name, configuration={"hnsw": INDEX}, embedding_function=None))

    async def add(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Sequence[float]],
        metadatas: Sequence[Mapping[str, Any]],
        ids: Sequence[str],
    ) -> None:
        """Store or replace records."""
        for start in range(0, len(ids), BATCH):
            rows = slice(start, start + BATCH)
            await self._collection.upsert(
                ids=list(ids[rows]),
                documents=list(documents[rows]),
                embeddings=np.asarray(embeddings[rows], dtype=np.float32),
                metadatas=list(metadatas[rows]),
            )

    async def query(
        self, embedding: Sequence[float], wanted: int, where: dict[str, Any] | None
    ) -> tuple[VectorHit, ...]:
        """The nearest records."""
        found = await self._collection.query(
            query_embeddings=[list(embedding)],
            n_results=wanted,
            where=where,
            include=["documents", "metadatas", "distances"],
        )
        columns = (found[name][0] for name in ("ids", "documents", "metadatas", "distances"))
        return tuple(VectorHit(*row) for row in zip(*columns, strict=True))

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        """Records, in any order."""
        found = await self._collection.get(ids=list(ids), include=["documents", "metadatas", "embeddings"])
        columns = (found["ids"], found["documents"], found["embeddings"], found["metadatas"])
        return tuple(
            VectorRecord(record_id, document, tuple(vector.tolist()), metadata)
            for record_id, document, vector, metadata in zip(*columns, strict=True)
        )
