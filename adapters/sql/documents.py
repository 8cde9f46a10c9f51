"""Values of the domain as JSON documents, each with a hash that gives a damaged one away."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from domain.case import Case
from domain.knowledge import Chunk, KnowledgeDocument
from domain.user import User
from ports.errors import StorageCorrupt

V = TypeVar("V", bound=BaseModel)

LARGE = 100_000
"""Characters of a document from which on its value is not kept decoded."""


def encode(value: BaseModel) -> tuple[str, bytes]:
    """The document of a value and its SHA-256."""
    document = value.model_dump_json()
    return document, sha256(document.encode()).digest()


def decode(model: type[V], digest: bytes, document: str) -> V:
    """The value of a document.

    Raises:
        StorageCorrupt: the document is not the one that was written, or no ``model``.
    """
    check(model, digest, document)
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        raise StorageCorrupt(
            f"a stored {model.__name__} breaks {error.error_count()} rule(s) of its type; "
            "was it written by a newer release?"
        ) from error


def decode_case(digest: bytes, document: str) -> Case:
    """The case of a document. The 128 that were read last are kept: one of 28 kB takes 0.5 ms to decode, and 120 kB of
    memory.

    Raises:
        StorageCorrupt: see `decode`.
    """
    return _decode_case(digest, document) if len(document) <= LARGE else decode(Case, digest, document)


def decode_knowledge(digest: bytes, document: str) -> KnowledgeDocument:
    """The knowledge document of a document. The 128 that were read last are kept: a turn asks several questions, whose
    answers are much the same documents.

    Raises:
        StorageCorrupt: see `decode`.
    """
    if len(document) <= LARGE:
        return _decode_knowledge(digest, document)
    return decode(KnowledgeDocument, digest, document)


def decode_user(digest: bytes, document: str) -> User:
    """The user of a document. Those who were read last are kept: each request asks who is calling.

    Raises:
        StorageCorrupt: see `decode`.
    """
    return _decode_user(digest, document)


@lru_cache(maxsize=128)
def _decode_case(digest: bytes, document: str) -> Case:
    return decode(Case, digest, document)


@lru_cache(maxsize=128)
def _decode_knowledge(digest: bytes, document: str) -> KnowledgeDocument:
    return decode(KnowledgeDocument, digest, document)


@lru_cache(maxsize=1_024)
def _decode_user(digest: bytes, document: str) -> User:
    return decode(User, digest, document)


@lru_cache(maxsize=2_048)
def decode_chunk(digest: bytes, document: str) -> Chunk:
    """The chunk of a document. A question looks at hundreds of them, and the next one at many of the same.

    Raises:
        StorageCorrupt: see `decode`.
    """
    return decode(Chunk, digest, document)


def check(model: type[BaseModel], digest: bytes, document: str) -> None:
    """Refuse a document that is not the one that was written.

    Raises:
        StorageCorrupt: it does not match its checksum.
    """
    if sha256(document.encode()).digest() != digest:
        raise StorageCorrupt(f"a stored {model.__name__} does not match its checksum; restore it from a backup")
