"""Knowledge documents, their chunks and the full-text index in SQLite."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any

from cachetools import LRUCache
from sqlalchemy import ColumnElement, bindparam, column, delete, func, literal_column, or_, select, table
from sqlalchemy.dialects.sqlite import insert

from adapters.sql import statements
from adapters.sql.documents import decode, decode_chunk, decode_knowledge, encode
from adapters.sql.rows import chunk_columns, document_columns
from adapters.sql.tables import knowledge_chunks, knowledge_documents
from adapters.sql.types import to_micros
from adapters.sqlite.database import SqliteDatabase, atomic, snapshot
from adapters.sqlite.integrity import check_file, check_rows
from adapters.sqlite.search import matches, quoted
from adapters.sqlite.sql import compile_sql, one_of
from adapters.sqlite.store import SqliteStore
from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Scope
from domain.values import check_storable
from ports.errors import AlreadyExists, Conflict
from ports.knowledge import KnowledgeRepository, TextHit
from ports.paging import Page, check_page
from ports.transfer import SupportsDocumentTransfer, check_put

_KEY = knowledge_documents.c.document_id
_COLUMNS = statements.columns_of(knowledge_documents)
_DOCUMENT = (knowledge_documents.c.document_sha256, knowledge_documents.c.document)
_CHUNK = (knowledge_chunks.c.document_sha256, knowledge_chunks.c.document)
_FTS = table("knowledge_chunks_fts", column("rowid"))

KEPT_HITS = 40_000
"""So many hits of the latest searches are kept. With 60 for each of the two or three new questions of a turn they are
those of the last 250 turns.
"""
KEPT_CHUNKS = 2_048
"""So many chunks that were asked for by their ids are kept."""

Mark = bytes
"""What the database has until a chunk changes; no value comes again."""
_Found = tuple[Mark, list[Chunk], list[float]]
"""Chunks and their scores, and the mark of the state in which they were found."""


def _of_type() -> ColumnElement[bool]:
    return or_(
        func.json_array_length(bindparam("types")) == literal_column("0"),
        knowledge_documents.c.document_type.in_(one_of("types")),
    )


_IN_SCOPE = (knowledge_documents.c.scope_key.in_(one_of("scopes")), _of_type())
_MARK = compile_sql(select(column("mark")).select_from(table("knowledge_chunks_mark")))
_SCORE = -func.bm25(literal_column("knowledge_chunks_fts"))

_GET = compile_sql(statements.stored(knowledge_documents, _KEY))
_GET_BY_SOURCE = compile_sql(
    select(*_DOCUMENT).where(
        knowledge_documents.c.scope_key == bindparam("scope"), knowledge_documents.c.source_key == bindparam("source")
    )
)
_VERSION = compile_sql(statements.version_of(knowledge_documents, _KEY))
_INSERT = compile_sql(insert(knowledge_documents).on_conflict_do_nothing(), _COLUMNS)
_UPDATE = compile_sql(
    statements.update_version(knowledge_documents, _KEY).prefix_with("OR IGNORE"),
    [name for name in _COLUMNS if name != "document_id"],
)
_DELETE_OLDER = compile_sql(statements.delete_older(knowledge_documents, _KEY))
_DELETE = compile_sql(statements.delete_one(knowledge_documents, _KEY))
_COUNT = compile_sql(select(func.count()).select_from(knowledge_documents).where(*_IN_SCOPE))
_PAGE = compile_sql(
    select(*_DOCUMENT)
    .where(*_IN_SCOPE)
    .order_by(knowledge_documents.c.created_at.desc(), _KEY)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_SCAN = compile_sql(statements.scan(_KEY, *_DOCUMENT))

_INSERT_CHUNK = compile_sql(insert(knowledge_chunks), statements.columns_of(knowledge_chunks))
_DELETE_CHUNKS = compile_sql(delete(knowledge_chunks).where(knowledge_chunks.c.document_id == bindparam("key")))
_CHUNKS_OF = compile_sql(
    select(*_CHUNK).where(knowledge_chunks.c.document_id == bindparam("key")).order_by(knowledge_chunks.c.position)
)
_CHUNKS = compile_sql(
    select(knowledge_chunks.c.chunk_id, *_CHUNK).where(knowledge_chunks.c.chunk_id.in_(one_of("ids")))
)
_found = (
    # The texts are fetched for the best alone, not carried through the sorting of all that was found.
    select(_SCORE.label("score"), knowledge_chunks.c.row_id, knowledge_chunks.c.chunk_id)
    .select_from(_FTS)
    .join(knowledge_chunks, knowledge_chunks.c.row_id == _FTS.c.rowid)
    .join(knowledge_documents, knowledge_chunks.c.document_id == _KEY)
    .where(matches(_FTS, "match"), *_IN_SCOPE)
    .order_by(literal_column("score").desc(), knowledge_chunks.c.chunk_id)
    .limit(bindparam("limit"))
    .offset(literal_column("0"))
    .subquery("found")
)
_SEARCH = compile_sql(
    select(_found.c.score, *_CHUNK)
    .join(_found, _found.c.row_id == knowledge_chunks.c.row_id)
    .order_by(_found.c.score.desc(), _found.c.chunk_id)
)


class SqliteKnowledgeRepository(SqliteStore, SupportsDocumentTransfer, KnowledgeRepository):
    """`KnowledgeRepository` on a `SqliteDatabase`, which several repositories may share.

    To look for words takes milliseconds of a processor, to see that no chunk has changed since takes microseconds. So
    what was found is kept with the mark that the database then had, which every change of a chunk replaces.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        # Without objects for the hits: the garbage collector would look at thousands of them again and again.
        self._searches: LRUCache[tuple[object, ...], _Found] = LRUCache(KEPT_HITS, getsizeof=_size)
        self._chunks: LRUCache[str, tuple[Mark, Chunk | None]] = LRUCache(KEPT_CHUNKS)

    async def save(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> KnowledgeDocument:
        """Insert or update document and chunks in one transaction."""
        # Cutting a long text into terms takes a while, during which other writers can go on.
        rows = await asyncio.to_thread(_chunk_rows, chunks)
        return await self._database.write(_save, document, rows)

    async def put_many(self, documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]]) -> None:
        """Insert or replace documents and chunks in one transaction."""
        check_put("document", ((document.document_id, document.version) for document, _ in documents))
        rows = await asyncio.to_thread(_put_rows, documents)
        await self._database.write(_put_many, rows)

    async def get(self, document_id: str) -> KnowledgeDocument | None:
        """The document, or None."""
        check_storable(document_id)
        return await self._database.read_few(_get, _GET, {"key": document_id})

    async def get_by_source(self, scope: Scope, source_key: str) -> KnowledgeDocument | None:
        """The document of the scope with this source key."""
        check_storable(source_key)
        return await self._database.read_few(_get, _GET_BY_SOURCE, {"scope": scope.key, "source": source_key})

    async def get_chunks(self, chunk_ids: Sequence[str]) -> tuple[Chunk, ...]:
        """The chunks in the order asked for."""
        check_storable(*chunk_ids)
        known = [self._chunks.get(chunk_id) for chunk_id in chunk_ids]
        if None not in known:
            mark = await self._database.read_few(_mark)
            if all(entry and entry[0] == mark for entry in known):
                return tuple(entry[1] for entry in known if entry and entry[1])
        mark, found = await self._database.read(_get_chunks, chunk_ids)
        self._chunks.update((chunk_id, (mark, found.get(chunk_id))) for chunk_id in chunk_ids)
        return tuple(found[chunk_id] for chunk_id in chunk_ids if chunk_id in found)

    async def chunks_of(self, document_id: str) -> tuple[Chunk, ...]:
        """All chunks of the document by position."""
        check_storable(document_id)
        return await self._database.read(_chunks_of, document_id)

    async def list(
        self, scopes: Sequence[Scope], *, document_type: KnowledgeType | None = None, limit: int = 50, offset: int = 0
    ) -> Page[KnowledgeDocument]:
        """A page of the documents of the scopes."""
        check_page(limit, offset)
        parameters = _scope_parameters(scopes, () if document_type is None else (document_type,))
        return await self._database.read(_list, {**parameters, "limit": limit, "offset": offset})

    async def delete(self, document_id: str) -> bool:
        """Remove the document; its chunks go with it by their foreign key."""
        check_storable(document_id)
        return await self._database.write(_delete, document_id)

    async def search(
        self,
        terms: Sequence[str],
        scopes: Sequence[Scope],
        *,
        document_types: Sequence[KnowledgeType] = (),
        limit: int = 20,
    ) -> tuple[TextHit, ...]:
        """Chunks of the scopes with one of the terms, ranked by FTS5."""
        check_page(limit)
        check_storable(*terms)
        match = " OR ".join(map(quoted, filter(_is_term, dict.fromkeys(terms))))
        if not match or not scopes:
            return ()
        parameters = {**_scope_parameters(scopes, document_types), "match": match, "limit": limit}
        asked = tuple(parameters.values())
        found = self._searches.get(asked)
        if found is None or found[0] != await self._database.read_few(_mark):
            found = self._searches[asked] = await self._database.read(_search, parameters)
        return tuple(map(TextHit, *found[1:]))

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[KnowledgeDocument, ...]:
        """The next documents by id."""
        check_page(limit)
        check_storable(after or "")
        return await self._database.read(_scan, after or "", limit)

    async def check_health(self) -> None:
        """See `SqliteDatabase.check_health`."""
        await self._database.check_health()

    async def check_integrity(self) -> Sequence[str]:
        """Examine the file, every document and every chunk."""
        problems = await check_file(self._database)
        problems += await check_rows(self._database, _KEY, partial(decode, KnowledgeDocument), *_DOCUMENT)
        return problems + await check_rows(self._database, knowledge_chunks.c.chunk_id, partial(decode, Chunk), *_CHUNK)


def _scope_parameters(scopes: Sequence[Scope], types: Sequence[KnowledgeType]) -> dict[str, str]:
    return {"scopes": json.dumps([scope.key for scope in scopes]), "types": json.dumps(list(types))}


def _is_term(term: str) -> bool:
    """False for what the tokenizer would cut or strip: no text has such a term."""
    return term != "" and all(character.isalnum() or not character.isascii() for character in term)


def _document_row(document: KnowledgeDocument) -> dict[str, Any]:
    text, digest = encode(document)
    return {**document_columns(document, to_micros), "document_sha256": digest, "document": text}


def _put_rows(
    documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]],
) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    return [(_document_row(document), _chunk_rows(chunks)) for document, chunks in documents]


def _chunk_rows(chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    rows = []
    for chunk in chunks:
        document, digest = encode(chunk)
        rows.append({**chunk_columns(chunk), "document_sha256": digest, "document": document})
    return rows


def _size(found: _Found) -> int:
    """That of a search without a hit is not nothing."""
    return 1 + len(found[1])


# ---------------------------------------------------------------- on the thread of a connection


def _save(
    connection: sqlite3.Connection, document: KnowledgeDocument, chunk_rows: Sequence[dict[str, Any]]
) -> KnowledgeDocument:
    expected = document.version
    saved = document.model_copy(update={"version": expected + 1})
    key = {"key": saved.document_id}
    row = {**key, **_document_row(saved), "expected": expected}
    with atomic(connection):
        if connection.execute(_UPDATE if expected else _INSERT, row).rowcount != 1:
            stored = connection.execute(_VERSION, key).fetchone()
            if (stored[0] if stored else 0) != expected:
                raise Conflict("document", saved.document_id, expected, stored[0] if stored else None)
            raise AlreadyExists("document", "source_key")
        connection.execute(_DELETE_CHUNKS, key)
        connection.executemany(_INSERT_CHUNK, chunk_rows)
    return saved


def _put_many(
    connection: sqlite3.Connection, documents: Sequence[tuple[dict[str, Any], Sequence[dict[str, Any]]]]
) -> None:
    with atomic(connection):
        # All before the first is inserted: documents may have exchanged their source keys.
        connection.executemany(_DELETE_OLDER, [row for row, _ in documents])
        for row, chunk_rows in documents:
            if connection.execute(_INSERT, row).rowcount == 1:
                connection.executemany(_INSERT_CHUNK, chunk_rows)
            elif not connection.execute(_VERSION, {"key": row["document_id"]}).fetchone():
                raise AlreadyExists("document", "source_key")


def _get(connection: sqlite3.Connection, sql: str, parameters: dict[str, str]) -> KnowledgeDocument | None:
    row = connection.execute(sql, parameters).fetchone()
    return decode_knowledge(*row) if row else None


def _mark(connection: sqlite3.Connection) -> Mark:
    (mark,) = connection.execute(_MARK).fetchone()
    return bytes(mark)


def _get_chunks(connection: sqlite3.Connection, chunk_ids: Sequence[str]) -> tuple[Mark, dict[str, Chunk]]:
    with snapshot(connection):
        mark = _mark(connection)
        rows = connection.execute(_CHUNKS, {"ids": json.dumps(list(chunk_ids))}).fetchall()
    return mark, {chunk_id: decode_chunk(*row) for chunk_id, *row in rows}


def _chunks_of(connection: sqlite3.Connection, document_id: str) -> tuple[Chunk, ...]:
    rows = connection.execute(_CHUNKS_OF, {"key": document_id}).fetchall()
    return tuple(decode_chunk(*row) for row in rows)


def _list(connection: sqlite3.Connection, parameters: dict[str, Any]) -> Page[KnowledgeDocument]:
    with snapshot(connection):
        (total,) = connection.execute(_COUNT, parameters).fetchone()
        rows = connection.execute(_PAGE, parameters).fetchall()
    return Page(tuple(decode(KnowledgeDocument, *row) for row in rows), total)


def _delete(connection: sqlite3.Connection, document_id: str) -> bool:
    return connection.execute(_DELETE, {"key": document_id}).rowcount == 1


def _search(connection: sqlite3.Connection, parameters: dict[str, Any]) -> _Found:
    with snapshot(connection):
        mark = _mark(connection)
        rows = connection.execute(_SEARCH, parameters).fetchall()
    return mark, [decode_chunk(*row) for _, *row in rows], [score for score, *_ in rows]


def _scan(connection: sqlite3.Connection, after: str, limit: int) -> tuple[KnowledgeDocument, ...]:
    rows = connection.execute(_SCAN, {"after": after, "limit": limit}).fetchall()
    return tuple(decode(KnowledgeDocument, *row) for row in rows)
