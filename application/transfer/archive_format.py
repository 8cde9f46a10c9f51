"""What stands in an archive beside the records, and the two small interfaces of the file that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from application.errors import ApplicationError
from application.transfer.items import Kind
from domain.evidence import Sha256
from ports.errors import StorageCorrupt

FORMAT = "faultmaven-archive"
VERSION = 1
"""The version that is written. Every version from 1 to this one is read."""

MANIFEST = "manifest.json"
CONTENTS = "contents.json"
FILES_PREFIX = "files/"

MAX_HEAD = 16 * 1024 * 1024
"""Bytes of manifest or contents."""
MAX_LINE = 128 * 1024 * 1024
"""Bytes of one record. The largest is a value of 16 MiB of which each byte is written as an escape."""


class ArchiveRefused(ApplicationError):
    """The archive cannot be used for what was asked. Nothing was written."""


class Extent(StrEnum):
    """How much is in an archive."""

    EVERYTHING = "everything"
    CASE = "case"


class _Head(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Space(_Head):
    """The embedding space of the vectors."""

    model_id: str
    dimension: Annotated[int, Field(ge=1)]
    metric: str


class Manifest(_Head):
    """The first member: what this is."""

    format: str
    version: int
    created_at: datetime
    release: str
    extent: Extent
    case_id: str | None = None
    kinds: tuple[Kind, ...]
    space: Space | None = None


class MemberSummary(_Head):
    """One member of records: how many entities and lines, how many bytes, and the hash of these."""

    entities: Annotated[int, Field(ge=0)]
    lines: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Contents(_Head):
    """The last member: what has to be in the others.

    ``dangling`` are references that led nowhere when the archive was made; ``left_out`` are cases that were deleted
    while it was made.
    """

    manifest_sha256: Sha256
    members: dict[Annotated[str, StringConstraints(max_length=50)], MemberSummary]
    dangling: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class ArchiveWriter(Protocol):
    """A file that is written member by member, and is there only once it is complete."""

    def member(self, name: str) -> AbstractContextManager[Callable[[bytes], object]]:
        """Append a member; the block is given what writes its bytes. One at a time."""
        ...


class ArchiveReader(Protocol):
    """A file whose members can be read in any order, also several at once."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members in their order.

        Raises:
            StorageCorrupt: a name stands twice. Every method raises it for a file that cannot be read.
        """
        ...

    def pieces(self, name: str, limit: int) -> Iterator[bytes]:
        """The bytes of a member, in pieces of at most 64 KiB.

        Raises:
            StorageCorrupt: there is no such member, or more than ``limit`` bytes come out of it.
        """
        ...


def records_name(kind: Kind) -> str:
    """The member with the records of this kind."""
    return f"{kind}.jsonl"


def whole(reader: ArchiveReader, name: str) -> bytes:
    """All bytes of a small member."""
    return b"".join(reader.pieces(name, MAX_HEAD))


def lines(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The lines without their ends; each line has one.

    Raises:
        StorageCorrupt: a line is too long, or the last one has no end.
    """
    rest = bytearray()
    for piece in pieces:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            rest += piece[start:end]
            yield bytes(rest)
            rest.clear()
            start = end + 1
        rest += piece[start:]
        if len(rest) > MAX_LINE:
            raise StorageCorrupt(f"{name} has a line of more than {MAX_LINE} bytes")
    if rest:
        raise StorageCorrupt(f"{name} ends in the middle of a line")
