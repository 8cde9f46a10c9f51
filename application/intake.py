"""What a user hands in: files go to the blob store, and what they say is extracted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from application.decoding import HEAD_BYTES, encoding_of
from application.errors import UnsupportedFile, UploadTooLarge
from application.evidence import Extract, extract, extract_text
from domain.case import Case
from domain.evidence import (
    Evidence,
    EvidenceForm,
    EvidenceNeedStatus,
    EvidenceSourceType,
    UploadedFile,
    UploadSource,
)
from domain.progress import infer_category
from domain.terms import terms
from ports.blobs import BlobInfo, BlobStore
from ports.clock import Clock
from ports.ids import IdSource

MAX_FILENAME = 255

_FACTS = re.compile(
    r"\d{1,2}:\d{2}|\b\d+ ?(?:%|ms|s|min|minutes?|hours?|[KMG]i?B)(?!\w)"
    r"|\b(?:since|deploy\w*|release[ds]?|rollout|rolled|scaled|upgraded|restarted|config\w* change\w*|nothing changed"
    r"|no (?:recent )?(?:changes?|deploy\w*|releases?)"
    r"|(?:all|only|every|some|half) (?:of )?(?:the |our )?(?:users|customers|requests|pods|nodes|hosts"
    r"|regions?|services?|clients))\b",
    re.IGNORECASE,
)
_COMMAND_WORDS = 3
"""Terms that an output shares with a request before it counts as the answer to it."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it arrives."""

    filename: str
    content: AsyncIterator[bytes]
    source: UploadSource = UploadSource.FILE_UPLOAD
    source_url: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A file that is in the blob store, and what it says."""

    upload: Upload
    file_id: str
    blob: BlobInfo
    extract: Extract
    at: datetime

    def file(self, turn: int) -> UploadedFile:
        """The file as the case knows it, uploaded in this turn."""
        return UploadedFile(
            file_id=self.file_id,
            filename=_name(self.upload.filename),
            size_bytes=self.blob.size,
            sha256=self.blob.sha256,
            data_type=self.extract.data_type,
            uploaded_at_turn=turn,
            uploaded_at=self.at,
            source_type=self.upload.source,
            source_url=self.upload.source_url,
            preprocessing_summary=self.extract.summary,
            content_ref=self.blob.key,
        )


class Intake:
    """Takes in the uploads of a case."""

    def __init__(self, *, blobs: BlobStore, clock: Clock, ids: IdSource, max_file_bytes: int) -> None:
        """Refuses files of more than ``max_file_bytes``."""
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._max_file_bytes = max_file_bytes

    async def receive(self, case_id: str, uploads: Sequence[Upload]) -> list[Received]:
        """Store the files one after the other and read what they say. If one is refused, none stays stored.

        Raises:
            UploadTooLarge, UnsupportedFile: a file is too large, empty, or not text.
            StorageFull: there is no room.
        """
        received: list[Received] = []
        try:
            for upload in uploads:
                item = await self._receive(case_id, upload)
                received.append(item)
        except BaseException:
            await self.discard(received)
            raise
        return received

    async def discard(self, received: Iterable[Received]) -> None:
        """Remove files that no case names."""
        for item in received:
            await self._blobs.delete(item.blob.key)

    async def read_again(self, file: UploadedFile) -> Extract:
        """The extract of a file that was taken in earlier.

        Raises:
            NotFound, StorageCorrupt: its bytes are gone or damaged.
        """
        content = bytearray()
        async for piece in await self._blobs.open(file.content_ref):
            content += piece
        return await asyncio.to_thread(extract, file.filename, bytes(content))

    async def _receive(self, case_id: str, upload: Upload) -> Received:
        name = _name(upload.filename)
        content = bytearray()

        async def checked() -> AsyncIterator[bytes]:
            looked = False
            async for piece in upload.content:
                content.extend(piece)
                if len(content) > self._max_file_bytes:
                    raise UploadTooLarge(self._max_file_bytes)
                if not looked and len(content) >= HEAD_BYTES:
                    looked = encoding_of(name, bytes(content[:HEAD_BYTES])) is not None
                yield piece
            if not content.strip():
                raise UnsupportedFile(f"{name} is empty.")
            encoding_of(name, bytes(content[:HEAD_BYTES]))

        file_id = self._ids.new("file")
        blob = await self._blobs.put(f"{case_id}/{file_id}", checked())
        found = await asyncio.to_thread(extract, name, bytes(content))
        return Received(upload, file_id, blob, found, self._clock.now())


def report_in(message: str) -> Extract | None:
    """What a message states as evidence: pasted output, or facts in the user's own words. None for mere talk."""
    text = message.strip()
    if not text:
        return None
    found = extract_text(text)
    if len(text.splitlines()) >= 3 and (found.errors or found.source_type is not EvidenceSourceType.OTHER):
        source = found.source_type
        if source in (EvidenceSourceType.OTHER, EvidenceSourceType.LOG_FILE):
            source = EvidenceSourceType.COMMAND_OUTPUT
        return _as(found, source, found.summary)
    states = [part for part in re.split(r"(?<=[.!?])\s+|\n", text) if _FACTS.search(part) and not part.endswith("?")]
    if not states:
        return None
    said = " ".join(" ".join(states).split())
    summary = f"The user reports: {said}"
    return _as(found, EvidenceSourceType.USER_REPORT, summary if len(summary) <= 500 else f"{summary[:499]}…")


def _as(found: Extract, source_type: EvidenceSourceType, summary: str) -> Extract:
    return replace(found, summary=summary, source_type=source_type)


def make_evidence(
    case: Case, found: Extract, *, evidence_id: str, file_id: str | None, at: datetime, by: str
) -> Evidence:
    """The evidence for the turn after the case's latest one. It answers the open request that it fits best."""
    return Evidence(
        evidence_id=evidence_id,
        category=infer_category(case),
        summary=found.summary,
        extract=found.text,
        extraction_method=found.method,
        source_type=found.source_type,
        form=EvidenceForm.DOCUMENT if file_id else EvidenceForm.USER_INPUT,
        file_id=file_id,
        content_size_bytes=found.size_bytes,
        compression_ratio=found.compression_ratio,
        need_id=_answered(case, found),
        collected_at=at,
        collected_by=by,
        collected_at_turn=case.current_turn + 1,
    )


def _answered(case: Case, found: Extract) -> str | None:
    """The open request whose command stands in the output, or shares the most names with it."""
    open_ones = [need for need in case.evidence_needs if need.status is EvidenceNeedStatus.OPEN and need.command]
    words = set(terms(found.text))
    best = max(open_ones, key=lambda need: len(words & set(terms(need.command or ""))), default=None)
    if best is None or len(words & set(terms(best.command or ""))) < _COMMAND_WORDS:
        return None
    return best.need_id


def _name(filename: str) -> str:
    """The last part of the name, as far as a case can hold it."""
    name = re.split(r"[/\\]", filename)[-1].strip()
    legal = "".join(character for character in name if character.isprintable())
    return legal[-MAX_FILENAME:] or "unnamed"
