"""What is moved: the content of every kind of store as one stream of items, and when two of them are equal."""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, assert_never

import orjson
from pydantic import BaseModel

from domain.case import Case
from domain.knowledge import Chunk, KnowledgeDocument
from domain.message import Message
from domain.user import User
from ports.blobs import BlobInfo
from ports.transfer import StoredValue
from ports.vectors import VectorRecord

_LAST_BIT = 1e-6
"""How much of its length a component of a vector may differ: an index may scale vectors to within their last bit."""


class Kind(StrEnum):
    """What a store keeps, in the order in which it is moved: what is referred to comes before what refers to it."""

    USERS = "users"
    DOCUMENTS = "documents"
    VECTORS = "vectors"
    FILES = "files"
    CASES = "cases"
    SESSIONS = "sessions"


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A knowledge document with all of its chunks by position."""

    document: KnowledgeDocument
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file; ``open`` gives its bytes in pieces, as `ports.blobs.BlobStore.open` does."""

    info: BlobInfo
    open: Callable[[], Awaitable[AsyncIterator[bytes]]]


Content = Case | Message | User | IndexedDocument | VectorRecord | StoredFile | StoredValue


class Position(NamedTuple):
    """Up to where a stream of items was read: ``parts`` items of the entity ``key``, and all entities before it."""

    key: str
    parts: int


@dataclass(frozen=True, slots=True)
class Item:
    """A part of an entity. Part 0 is the entity itself; the parts 1, 2, ... of a case are its messages in their order.

    A stream is ordered by (``key``, ``part``) and has no gap in the parts of an entity.
    """

    key: str
    part: int
    content: Content

    @property
    def position(self) -> Position:
        """Where a stream stands after this item."""
        return Position(self.key, self.part + 1)

    @property
    def version(self) -> int | None:
        """The version of an entity that has one."""
        match self.content:
            case Case() | User():
                return self.content.version
            case IndexedDocument(document, _):
                return document.version
        return None

    @property
    def weight(self) -> int:
        """About how many characters or bytes are moved."""
        match self.content:
            case Case():
                return 20_000
            case Message(content=text):
                return 500 + len(text)
            case User():
                return 1_000
            case IndexedDocument(document, chunks):
                return 1_000 + 2 * len(document.content) + 500 * len(chunks)
            case VectorRecord(document=text, embedding=vector):
                return len(text) + 10 * len(vector)
            case StoredFile(info, _):
                return info.size
            case StoredValue(value=text):
                return 500 + len(text)
            case other:
                assert_never(other)


def canonical_json(value: BaseModel) -> bytes:
    """The value as JSON with sorted keys and without spaces: equal values give equal bytes, whichever store they come
    from.
    """
    return orjson.dumps(orjson.loads(value.model_dump_json()), option=orjson.OPT_SORT_KEYS)


def canonical_bytes(content: Content) -> bytes:
    """The content in canonical form. A vector has its components as 32-bit floats, a file its size and hash."""
    match content:
        case IndexedDocument(document, chunks):
            return b"\n".join(map(canonical_json, (document, *chunks)))
        case BaseModel():
            return canonical_json(content)
        case VectorRecord():
            return orjson.dumps(_vector_fields(content), option=orjson.OPT_SORT_KEYS)
        case StoredFile(info, _):
            return orjson.dumps({"key": info.key, "sha256": info.sha256, "size": info.size})
        case StoredValue(key, value, expires_at):
            return orjson.dumps({"expires_at": expires_at, "key": key, "value": value})
        case other:
            assert_never(other)


def digest(content: Content) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical_bytes(content)).hexdigest()


def differing_fields(mine: Content, theirs: Content) -> list[str]:
    """The names of the fields in which two contents differ; empty if they are equal."""
    if isinstance(mine, VectorRecord) and isinstance(theirs, VectorRecord):
        fields = _differing(_vector_fields(mine), _vector_fields(theirs))
        alike = _alike(mine.embedding, theirs.embedding)
        return [field for field in fields if not (alike and field == "embedding")]
    if canonical_bytes(mine) == canonical_bytes(theirs):
        return []
    return _differing(_fields(mine), _fields(theirs))


def _differing(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))


def _fields(content: Content) -> dict[str, Any]:
    match content:
        case IndexedDocument(document, chunks):
            return {**_json_fields(document), "chunks": [_json_fields(chunk) for chunk in chunks]}
        case BaseModel():
            return _json_fields(content)
        case _:
            fields: dict[str, Any] = orjson.loads(canonical_bytes(content))
            return fields


def _json_fields(value: BaseModel) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(canonical_json(value))
    return fields


def _vector_fields(record: VectorRecord) -> dict[str, Any]:
    # Pairs with the type, because True, 1 and 1.0 are equal to Python and three different values to a filter.
    metadata = {name: [type(value).__name__, value] for name, value in record.metadata.items()}
    return {"document": record.document, "embedding": list(record.embedding), "id": record.id, "metadata": metadata}


def _alike(mine: Sequence[float], theirs: Sequence[float]) -> bool:
    if len(mine) != len(theirs):
        return False
    allowed = _LAST_BIT * math.hypot(*mine)
    return all(abs(a - b) <= allowed for a, b in zip(mine, theirs, strict=True))
