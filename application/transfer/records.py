"""Items as lines of text: one JSON record a line, as the models write themselves. See docs/archive-format.md."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any, TypeVar, assert_never

import orjson
from pydantic import BaseModel, ValidationError

from application.transfer.items import Content, IndexedDocument, Item, StoredFile
from domain.case import Case
from domain.errors import InvalidInput
from domain.knowledge import Chunk, KnowledgeDocument
from domain.message import Message
from domain.user import User
from domain.values import first_problem
from ports.blobs import BlobInfo, check_blob_key
from ports.errors import StorageCorrupt
from ports.sessions import check_key, check_value
from ports.transfer import StoredValue
from ports.vectors import VectorRecord

M = TypeVar("M", bound=BaseModel)

_MODELS: dict[str, type[Case | Message | User]] = {"case": Case, "message": Message, "user": User}
_SCALARS = (str, bool, int, float)


def encode(content: Content) -> bytes:
    """The content as one line, without the end of the line. A file is its key, size and hash."""
    match content:
        case Case():
            return _line(_json(content), b"case")
        case Message():
            return _line(_json(content), b"message")
        case User():
            return _line(_json(content), b"user")
        case IndexedDocument(document, chunks):
            return (
                b'{"chunks":[' + b",".join(map(_json, chunks)) + b'],"data":' + _json(document) + b',"kind":"document"}'
            )
        case VectorRecord(id=record_id, document=text, embedding=vector, metadata=metadata):
            packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data = {"document": text, "embedding": packed, "id": record_id, "metadata": dict(metadata)}
            return _line(orjson.dumps(data), b"vector")
        case StoredFile(info, _):
            return _line(orjson.dumps({"key": info.key, "sha256": info.sha256, "size": info.size}), b"file")
        case StoredValue(key, value, expires_at):
            return _line(orjson.dumps({"expires_at": expires_at, "key": key, "value": value}), b"session")
        case other:
            assert_never(other)


def decode(line: bytes, case_id: str = "", part: int = 0) -> Item | BlobInfo:
    """What the line says. A message is the given part of its case; of a file there is no more than is known of it.

    Raises:
        StorageCorrupt: it is no record, or one of something that cannot be.
    """
    try:
        record = orjson.loads(line)
        kind, data = record["kind"], record["data"]
        if set(record) != {"kind", "data"} | ({"chunks"} if kind == "document" else set()):
            raise StorageCorrupt("a record has other parts than kind and data")
        if kind in _MODELS:
            return _entity(kind, _validated(_MODELS[kind], data), case_id, part)
        if kind == "document":
            document = _validated(KnowledgeDocument, data)
            chunks = tuple(_validated(Chunk, chunk) for chunk in record["chunks"])
            return _document(document, chunks)
        if kind == "vector":
            return _vector(**data)
        if kind == "file":
            return _file(**data)
        if kind == "session":
            return _value(**data)
    except ValidationError as error:
        raise StorageCorrupt(f"a record is not valid: {first_problem(error)}") from error
    except InvalidInput as error:
        raise StorageCorrupt(f"a record is not valid: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, struct.error) as error:
        raise StorageCorrupt("a line is no record of this format") from error
    raise StorageCorrupt(f"a record is of an unknown kind: {str(kind)[:50]!r}")


def _json(value: BaseModel) -> bytes:
    # Not in canonical form: the order of the keys of an attribute is kept.
    return value.model_dump_json().encode()


def _line(data: bytes, kind: bytes) -> bytes:
    return b'{"data":' + data + b',"kind":"' + kind + b'"}'


def _validated(model: type[M], data: Any) -> M:
    # By way of JSON, which is how the models are stored: a text stands for a duration there, never for a number.
    return model.model_validate_json(orjson.dumps(data))


def _entity(kind: str, value: BaseModel, case_id: str, part: int) -> Item:
    match value:
        case Message():
            if value.case_id != case_id:
                raise StorageCorrupt(f"message {value.message_id} does not follow its case {value.case_id}")
            return Item(case_id, part, value)
        case Case():
            return Item(value.case_id, 0, value)
        case User():
            return Item(value.user_id, 0, value)
    raise StorageCorrupt(f"a record is of an unknown kind: {kind!r}")


def _document(document: KnowledgeDocument, chunks: tuple[Chunk, ...]) -> Item:
    key = document.document_id
    if any(chunk.document_id != key or chunk.position != position for position, chunk in enumerate(chunks)):
        raise StorageCorrupt(f"the pieces of document {key} are not its own, or not in order")
    return Item(key, 0, IndexedDocument(document, chunks))


def _vector(*, id: str, document: str, embedding: str, metadata: dict[str, Any]) -> Item:  # noqa: A002
    packed = base64.b64decode(embedding, validate=True)
    if not all(isinstance(value, _SCALARS) for value in metadata.values()):
        raise StorageCorrupt(f"vector {id!r} has metadata that is neither text nor number")
    vector = struct.unpack(f"<{len(packed) // 4}f", packed)
    return Item(id, 0, VectorRecord(id, document, vector, metadata))


def _file(*, key: str, size: int, sha256: str) -> BlobInfo:
    if not isinstance(size, int) or size < 0 or not isinstance(sha256, str):
        raise StorageCorrupt(f"the size or hash of file {key!r} is none")
    return BlobInfo(check_blob_key(key), size, sha256)


def _value(*, key: str, value: str, expires_at: int | None) -> Item:
    if not isinstance(expires_at, int | None):
        raise StorageCorrupt(f"the end of the value {key!r} is none")
    return Item(check_key(key), 0, StoredValue(key, check_value(value), expires_at))
