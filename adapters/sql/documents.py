"""Values of the domain as JSON documents, each with a hash that gives a damaged one away."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from domain.knowledge import Chunk
from ports.errors import StorageCorrupt

V = TypeVar("V", bound=BaseModel)


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
