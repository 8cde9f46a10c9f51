"""An archive as a source of items: what is read from it is what a store would give."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import orjson
from pydantic import ValidationError

from application.transfer.archive_format import (
    CONTENTS,
    FILES_PREFIX,
    FORMAT,
    MANIFEST,
    VERSION,
    ArchiveReader,
    ArchiveRefused,
    Contents,
    Manifest,
    MemberSummary,
    lines,
    records_name,
    whole,
)
from application.transfer.items import Item, Kind, Position, StoredFile
from application.transfer.records import decode
from domain.case import Case
from domain.values import first_problem
from ports.blobs import BlobInfo
from ports.errors import StorageCorrupt
from ports.vectors import EmbeddingSpace

Progress = Callable[[Kind, int, int], None]


class Archive:
    """An archive of any version that is known. Whoever writes what it holds calls `verify` first."""

    def __init__(self, reader: ArchiveReader) -> None:
        """Reads manifest and contents.

        Raises:
            ArchiveRefused: it is something else, or a newer release wrote it.
            StorageCorrupt: it is damaged.
        """
        if not reader.names or reader.names[0] != MANIFEST:
            raise ArchiveRefused("this is no archive of FaultMaven: it does not begin with manifest.json")
        self._reader = reader
        manifest = whole(reader, MANIFEST)
        self.manifest = _manifest(manifest)
        if reader.names[-1] != CONTENTS:
            raise StorageCorrupt("the archive does not end with contents.json: it is incomplete, or was altered")
        contents = whole(reader, CONTENTS)
        self.contents = _contents(contents)
        self.digest = hashlib.sha256(contents).hexdigest()
        if hashlib.sha256(manifest).hexdigest() != self.contents.manifest_sha256:
            raise StorageCorrupt("manifest.json is not the one that the archive was made with")
        if set(self.contents.members) != {records_name(kind) for kind in self.manifest.kinds}:
            raise StorageCorrupt("contents.json does not list the kinds of the manifest")

    @property
    def location(self) -> str:
        """Which archive it is, whatever its file is called."""
        return f"archive:{self.digest[:16]}, made {self.manifest.created_at:%Y-%m-%d %H:%M:%SZ}"

    @property
    def space(self) -> EmbeddingSpace | None:
        """The embedding space of its vectors; None if there are none in it."""
        space = self.manifest.space
        return None if space is None else EmbeddingSpace(**space.model_dump())

    def summary(self, kind: Kind) -> MemberSummary:
        """What has to be in the member of this kind."""
        return self.contents.members[records_name(kind)]

    def sources(self) -> Mapping[Kind, ArchiveSource]:
        """What it holds, in the order in which it is moved."""
        return {kind: ArchiveSource(self, kind) for kind in Kind if kind in self.manifest.kinds}

    def records(self, kind: Kind, seen: Callable[[bytes], object] = lambda _: None) -> Iterator[Item | BlobInfo]:
        """The records of a kind in their order; ``seen`` is given all bytes that they are read from.

        Raises:
            StorageCorrupt: one of them is damaged, out of order or in the wrong place.
        """
        name = records_name(kind)
        case: Case | None = None
        part = 0
        last = ""

        def read() -> Iterator[bytes]:
            for piece in self._reader.pieces(name, self.summary(kind).size):
                seen(piece)
                yield piece

        for line in lines(read(), name):
            record = decode(line, case.case_id if case else "", part + 1)
            if isinstance(record, Item) and record.part:
                part = record.part
            else:
                _check_messages(case, part)
                if record.key <= last:
                    raise StorageCorrupt(f"{name}: {record.key} is out of order")
                last, part = record.key, 0
                case = record.content if isinstance(record, Item) and isinstance(record.content, Case) else None
            if _kind(record) is not kind:
                raise StorageCorrupt(f"{name}: {record.key} does not belong there")
            yield record
        _check_messages(case, part)

    def file(self, info: BlobInfo) -> Iterator[bytes]:
        """The bytes of a file, checked before the last piece is given out.

        Raises:
            StorageCorrupt: they are not those that were written.
        """
        found = hashlib.sha256()
        size = 0
        held = b""
        for piece in self._reader.pieces(FILES_PREFIX + info.key, info.size):
            if held:
                yield held
            found.update(piece)
            size += len(piece)
            held = piece
        if size != info.size or found.hexdigest() != info.sha256:
            raise StorageCorrupt(f"file {info.key} is not the one that was written to the archive")
        if held:
            yield held

    def verify(self, on_progress: Progress = lambda *_: None) -> None:
        """Read everything once and compare it with its hashes. Nothing is held in memory but the names of the files.

        Raises:
            StorageCorrupt: it is damaged, incomplete or altered.
        """
        files: set[str] = set()
        for kind in self.manifest.kinds:
            self._verify(kind, files, on_progress)
        expected = {MANIFEST, CONTENTS, *self.contents.members, *files}
        if foreign := sorted(set(self._reader.names) - expected):
            raise StorageCorrupt(f"the archive holds what does not belong in it: {foreign[0][:200]!r}")

    def _verify(self, kind: Kind, files: set[str], on_progress: Progress) -> None:
        name, summary = records_name(kind), self.summary(kind)
        found = hashlib.sha256()
        size = entities = count = 0

        def seen(piece: bytes) -> None:
            nonlocal size
            found.update(piece)
            size += len(piece)

        for record in self.records(kind, seen):
            count += 1
            if isinstance(record, BlobInfo):
                for _ in self.file(record):
                    pass
                files.add(FILES_PREFIX + record.key)
            if isinstance(record, BlobInfo) or record.part == 0:
                entities += 1
                on_progress(kind, entities, max(entities, summary.entities))
        if (entities, count, size, found.hexdigest()) != (
            summary.entities,
            summary.lines,
            summary.size,
            summary.sha256,
        ):
            raise StorageCorrupt(
                f"{name} is not what was written to the archive: its number of lines or its hash differs"
            )


class ArchiveSource:
    """One kind of content of an archive; an `application.transfer.collections.Source`."""

    def __init__(self, archive: Archive, kind: Kind) -> None:
        self._archive = archive
        self.kind = kind
        self.location = archive.location

    async def count(self) -> int:
        return self._archive.summary(self.kind).entities

    async def items(self, after: Position | None = None) -> AsyncIterator[Item]:
        for record in self._archive.records(self.kind):
            item = self._stored(record) if isinstance(record, BlobInfo) else record
            if after is None or item.position > after:
                yield item

    def _stored(self, info: BlobInfo) -> Item:
        async def opened() -> AsyncIterator[bytes]:
            return _as_async(self._archive.file(info))

        return Item(info.key, 0, StoredFile(info, opened))


async def _as_async(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _kind(record: Item | BlobInfo) -> Kind:
    if isinstance(record, BlobInfo):
        return Kind.FILES
    match type(record.content).__name__:
        case "Case" | "Message":
            return Kind.CASES
        case "User":
            return Kind.USERS
        case "IndexedDocument":
            return Kind.DOCUMENTS
        case "VectorRecord":
            return Kind.VECTORS
    return Kind.SESSIONS


def _check_messages(case: Case | None, found: int) -> None:
    if case is not None and case.message_count != found:
        raise StorageCorrupt(f"case {case.case_id} has {found} messages instead of {case.message_count}")


def _manifest(text: bytes) -> Manifest:
    try:
        raw = orjson.loads(text)
        known = raw["format"] == FORMAT
        version = raw["version"] if known else None
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveRefused("this is no archive of FaultMaven: its manifest cannot be read") from error
    if not known or not isinstance(version, int) or version < 1:
        raise ArchiveRefused("this is no archive of FaultMaven: its manifest names another format")
    if version > VERSION:
        raise ArchiveRefused(
            f"release {str(raw.get('release'))[:50]} wrote this archive in version {version} of the format; this "
            f"release reads versions 1 to {VERSION}: use that release, or a later one"
        )
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise StorageCorrupt(f"manifest.json is not valid: {first_problem(error)}") from error


def _contents(text: bytes) -> Contents:
    try:
        return Contents.model_validate_json(text)
    except ValidationError as error:
        raise StorageCorrupt(f"contents.json is not valid: {first_problem(error)}") from error
