"""Knowledge documents, their chunks and the full-text index in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar

import asyncpg
from pydantic import BaseModel
from sqlalchemy import ARRAY, Text, any_, bindparam, delete, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import insert

from adapters.postgres.bulk import batches
from adapters.postgres.documents import document_values, other_columns, to_jsonb
from adapters.postgres.errors import Taken
from adapters.postgres.full_text import check_index, search
from adapters.postgres.integrity import check_rows
from adapters.postgres.paging import compile_page
from adapters.postgres.putting import delete_older, put
from adapters.postgres.sql import Sql, compile_sql, fetch
from adapters.postgres.store import PostgresStore
from adapters.sql import statements
from adapters.sql.documents import decode, decode_chunk, decode_knowledge
from adapters.sql.rows import chunk_columns, document_columns
from adapters.sql.tables import knowledge_chunks, knowledge_documents
from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Scope
from domain.values import check_storable
from ports.errors import AlreadyExists, Conflict
from ports.knowledge import KnowledgeRepository, TextHit
from ports.paging import Page, check_page
from ports.transfer import SupportsDocumentTransfer, check_put

V = TypeVar("V", bound=BaseModel)

_document = partial(decode, KnowledgeDocument)

_KEY = knowledge_documents.c.document_id
_DOCUMENT = (knowledge_documents.c.document_sha256, knowledge_documents.c.document)
_CHUNK = (knowledge_chunks.c.document_sha256, knowledge_chunks.c.document)

_SOURCE_KEY = "uq_knowledge_documents_scope_key_source_key"


def _any_of(name: str) -> Any:
    """The elements of the list ``:name``, so that one statement serves any number of values."""
    return any_(bindparam(name, type_=ARRAY(Text)))


_IN_SCOPE = (
    knowledge_documents.c.scope_key == _any_of("scopes"),
    or_(
        func.cardinality(bindparam("types", type_=ARRAY(Text))) == literal_column("0"),
        knowledge_documents.c.document_type == _any_of("types"),
    ),
)

_GET = compile_sql(statements.stored(knowledge_documents, _KEY))
_GET_BY_SOURCE = compile_sql(
    select(*_DOCUMENT).where(
        knowledge_documents.c.scope_key == bindparam("scope"), knowledge_documents.c.source_key == bindparam("source")
    )
)
_VERSION = compile_sql(statements.version_of(knowledge_documents, _KEY))
_DELETE = compile_sql(statements.delete_one(knowledge_documents, _KEY).returning(_KEY))
_SCAN = compile_sql(statements.scan(_KEY, *_DOCUMENT))

_CHUNKS_OF = compile_sql(
    select(*_CHUNK).where(knowledge_chunks.c.document_id == bindparam("key")).order_by(knowledge_chunks.c.position)
)
_CHUNKS = compile_sql(select(knowledge_chunks.c.chunk_id, *_CHUNK).where(knowledge_chunks.c.chunk_id == _any_of("ids")))
_DELETE_CHUNKS = compile_sql(delete(knowledge_chunks).where(knowledge_chunks.c.document_id == bindparam("key")))

_PAGE = compile_page(
    select(func.count()).select_from(knowledge_documents).where(*_IN_SCOPE),
    select(*_DOCUMENT, knowledge_documents.c.created_at, _KEY)
    .where(*_IN_SCOPE)
    .order_by(knowledge_documents.c.created_at.desc(), _KEY)
    .limit(bindparam("limit"))
    .offset(bindparam("offset")),
    _DOCUMENT,
    lambda page: (page.created_at.desc(), page.document_id),
)

_PUT = put(knowledge_documents, "document_id")
_DELETE_OLDER = delete_older(knowledge_documents, "document_id")
_DELETE_CHUNKS_OF = compile_sql(delete(knowledge_chunks).where(knowledge_chunks.c.document_id == _any_of("ids")))
_COLUMNS = other_columns(knowledge_documents)
_INSERT = compile_sql(
    insert(knowledge_documents).values(document_values()).on_conflict_do_nothing(index_elements=[_KEY]).returning(_KEY),
    _COLUMNS,
)
_UPDATE = compile_sql(
    statements.update_version(knowledge_documents, _KEY).values(document_values()).returning(_KEY),
    [name for name in _COLUMNS if name != "document_id"],
)
_INSERT_CHUNKS = Sql(
    """
    WITH given AS MATERIALIZED (
        SELECT chunk_id, document_id, position, terms, document::jsonb AS document
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
            AS chunk (chunk_id, document_id, position, terms, document)
    )
    INSERT INTO knowledge_chunks (chunk_id, document_id, position, terms, document_sha256, document)
    SELECT chunk_id, document_id, position, terms, sha256(convert_to(document::text, 'UTF8')), document FROM given
    """,
    ("chunk_id", "document_id", "position", "terms", "json"),
)

_BATCH = 500_000
"""Characters of chunks that are sent at once; the driver takes a few milliseconds of the event loop for them."""

_ROW = 1_000
"""Characters that cost the driver as much as what it does for each row beside them."""

_LARGE = 50_000
"""Characters of documents that are read on a thread, so as not to hold up the event loop."""


class PostgresKnowledgeRepository(PostgresStore, SupportsDocumentTransfer, KnowledgeRepository):
    """`KnowledgeRepository` on a `PostgresDatabase`, which several repositories may share."""

    async def save(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> KnowledgeDocument:
        """Insert or update document and chunks in one transaction; the index follows the chunks by itself."""
        saved = document.model_copy(update={"version": document.version + 1})
        # Cutting a long text into terms takes a while, during which others can go on.
        row, batches = await asyncio.to_thread(_rows, saved, chunks)
        expected = document.version
        key = {"key": saved.document_id, "expected": expected}
        async with self._database.atomic() as connection:
            try:
                written = await fetch(connection, _UPDATE if expected else _INSERT, {**row, **key})
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name != _SOURCE_KEY:
                    raise
                raise AlreadyExists("document", "source_key") from None
            if not written:
                stored = await fetch(connection, _VERSION, key)
                raise Conflict("document", saved.document_id, expected, stored[0][0] if stored else None)
            if expected:
                await fetch(connection, _DELETE_CHUNKS, key)
            for batch in batches:
                await fetch(connection, _INSERT_CHUNKS, batch)
        return saved

    async def put_many(self, documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]]) -> None:
        """Insert or replace documents and chunks in one transaction, many at a time."""
        check_put("document", ((document.document_id, document.version) for document, _ in documents))
        parts = await asyncio.to_thread(_put_batches, documents)
        written: set[str] = set()
        try:
            async with self._database.atomic() as connection:
                # All before the first is inserted: documents may have exchanged their source keys.
                for part in parts:
                    await fetch(connection, _DELETE_OLDER, part)
                for part in parts:
                    written |= {row[0] for row in await fetch(connection, _PUT, part)}
                # Somebody may have inserted an older version at the same moment.
                await fetch(connection, _DELETE_CHUNKS_OF, {"ids": list(written)})
                for batch in await asyncio.to_thread(_chunk_batches, documents, written):
                    await fetch(connection, _INSERT_CHUNKS, batch)
        except Taken as taken:
            if taken.constraint != _SOURCE_KEY:
                raise
            raise AlreadyExists("document", "source_key") from taken

    async def get(self, document_id: str) -> KnowledgeDocument | None:
        """The document, or None."""
        check_storable(document_id)
        return await self._one(_GET, {"key": document_id})

    async def get_by_source(self, scope: Scope, source_key: str) -> KnowledgeDocument | None:
        """The document of the scope with this source key."""
        check_storable(source_key)
        return await self._one(_GET_BY_SOURCE, {"scope": scope.key, "source": source_key})

    async def get_chunks(self, chunk_ids: Sequence[str]) -> tuple[Chunk, ...]:
        """The chunks in the order asked for."""
        check_storable(*chunk_ids)
        rows = await self._database.read(_CHUNKS, {"ids": list(chunk_ids)})
        found = {chunk.chunk_id: chunk for chunk in await _decode(decode_chunk, rows)}
        return tuple(found[chunk_id] for chunk_id in chunk_ids if chunk_id in found)

    async def chunks_of(self, document_id: str) -> tuple[Chunk, ...]:
        """All chunks of the document by position."""
        check_storable(document_id)
        return await _decode(decode_chunk, await self._database.read(_CHUNKS_OF, {"key": document_id}))

    async def list(
        self, scopes: Sequence[Scope], *, document_type: KnowledgeType | None = None, limit: int = 50, offset: int = 0
    ) -> Page[KnowledgeDocument]:
        """A page of the documents of the scopes."""
        check_page(limit, offset)
        parameters = _scope_parameters(scopes, () if document_type is None else (document_type,))
        rows = await self._database.read(_PAGE, {**parameters, "limit": limit, "offset": offset})
        items = await _decode(_document, [row for row in rows if row["document"] is not None])
        return Page(items, rows[0][0])

    async def delete(self, document_id: str) -> bool:
        """Remove the document; its chunks and what the index has of them go with it by their foreign key."""
        check_storable(document_id)
        return bool(await self._database.write(_DELETE, {"key": document_id}))

    async def search(
        self,
        terms: Sequence[str],
        scopes: Sequence[Scope],
        *,
        document_types: Sequence[KnowledgeType] = (),
        limit: int = 20,
    ) -> tuple[TextHit, ...]:
        """Chunks of the scopes with one of the terms, ranked on the server."""
        check_page(limit)
        check_storable(*terms)
        rows = await search(self._database, terms, {**_scope_parameters(scopes, document_types), "limit": limit})
        return tuple(map(TextHit, await _decode(decode_chunk, rows), (row["score"] for row in rows)))

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[KnowledgeDocument, ...]:
        """The next documents by id."""
        check_page(limit)
        check_storable(after or "")
        return await _decode(_document, await self._database.read(_SCAN, {"after": after or "", "limit": limit}))

    async def check_health(self) -> None:
        """See `PostgresDatabase.check_health`."""
        await self._database.check_health()

    async def check_integrity(self) -> Sequence[str]:
        """Examine every document and every chunk, and whether the index is that of the chunks."""
        problems = await check_rows(self._database, _KEY, _document, *_DOCUMENT)
        problems += await check_rows(self._database, knowledge_chunks.c.chunk_id, partial(decode, Chunk), *_CHUNK)
        return problems + await check_index(self._database)

    async def _one(self, sql: Sql, parameters: dict[str, str]) -> KnowledgeDocument | None:
        found = await _decode(decode_knowledge, await self._database.read(sql, parameters))
        return found[0] if found else None


def _scope_parameters(scopes: Sequence[Scope], types: Sequence[KnowledgeType]) -> dict[str, Any]:
    return {"scopes": [scope.key for scope in scopes], "types": [kind.value for kind in types]}


def _rows(document: KnowledgeDocument, chunks: Sequence[Chunk]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The columns of a document, and those of its chunks as lists, in batches."""
    return _row(document), _batches(chunks)


def _row(document: KnowledgeDocument) -> dict[str, Any]:
    return {**document_columns(document), "json": to_jsonb(document)}


def _put_batches(documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]]) -> list[dict[str, str]]:
    return batches(_row(document) for document, _ in documents)


def _chunk_batches(
    documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]], written: Collection[str]
) -> list[dict[str, Any]]:
    return _batches([chunk for document, chunks in documents if document.document_id in written for chunk in chunks])


def _batches(chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    size = _BATCH
    for chunk in chunks:
        row = {**chunk_columns(chunk), "json": to_jsonb(chunk)}
        if size >= _BATCH:
            found.append({name: [] for name in row})
            size = 0
        for name, value in row.items():
            found[-1][name].append(value)
        size += len(row["terms"]) + len(row["json"]) + _ROW
    return found


async def _decode(decode_one: Callable[[bytes, str], V], rows: Sequence[asyncpg.Record]) -> tuple[V, ...]:
    def all_of_them() -> tuple[V, ...]:
        return tuple(decode_one(row["document_sha256"], row["document"]) for row in rows)

    if sum(len(row["document"]) for row in rows) > _LARGE:
        return await asyncio.to_thread(all_of_them)
    return all_of_them()
