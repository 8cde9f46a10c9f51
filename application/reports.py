"""Reports of cases: written on request, kept in the blob store, listed in the case."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator
from dataclasses import dataclass

from application.authorization import authorize
from application.report_text import TITLES, render, report_title
from application.retries import retry_conflicts
from domain.access import Action, Actor
from domain.case import Case
from domain.documentation import DocumentFormat, DocumentType, GeneratedDocument
from domain.errors import InvalidInput, MissingPrerequisite
from ports.blobs import BlobStore
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.errors import NotFound
from ports.ids import IdSource

MAX_REPORTS = 100
"""Reports that one case keeps."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report with its text in Markdown."""

    document: GeneratedDocument
    text: str


class ReportService:
    """Writes incident reports, post-mortems and timelines from what a case holds."""

    def __init__(self, *, cases: CaseRepository, blobs: BlobStore, clock: Clock, ids: IdSource) -> None:
        """Works on these ports."""
        self._cases = cases
        self._blobs = blobs
        self._clock = clock
        self._ids = ids

    async def generate(self, actor: Actor, case_id: str, document_type: DocumentType) -> Report:
        """A new report on the case as it stands now; finished cases get one too.

        Raises:
            NotFound: there is no such case, or it belongs to somebody else.
            InvalidInput: no report of this type is written, or the case has too many.
            MissingPrerequisite: a post-mortem of an open case.
            Conflict: others changed the case ten times in a row.
        """
        case = await self._get(actor, case_id, Action.WRITE)
        if document_type not in TITLES:
            raise InvalidInput(f"{document_type} is not written here; accepted: {', '.join(TITLES)}")
        if document_type is DocumentType.POST_MORTEM and not case.status.is_terminal:
            raise MissingPrerequisite("A post-mortem", ("a case that is resolved or closed",))
        if len(case.documentation.documents_generated) >= MAX_REPORTS:
            raise InvalidInput(f"a case keeps at most {MAX_REPORTS} reports")
        now = self._clock.now()
        text = render(case, document_type, now)
        document_id = self._ids.new("doc")
        blob = await self._blobs.put(f"{case_id}/{document_id}", _one_piece(text))
        document = GeneratedDocument(
            document_id=document_id,
            document_type=document_type,
            title=report_title(case, document_type),
            content_ref=blob.key,
            generated_at=now,
            format=DocumentFormat.MARKDOWN,
            size_bytes=blob.size,
        )
        try:
            await retry_conflicts(lambda: self._list_in_case(actor, case_id, document))
        except BaseException:
            await self._blobs.delete(blob.key)
            raise
        return Report(document, text)

    async def list_reports(self, actor: Actor, case_id: str) -> tuple[GeneratedDocument, ...]:
        """The reports of the case, the newest first.

        Raises:
            NotFound: there is no such case, or it belongs to somebody else.
        """
        case = await self._get(actor, case_id, Action.READ)
        return case.documentation.documents_generated[::-1]

    async def read(self, actor: Actor, case_id: str, document_id: str) -> Report:
        """The report with its text.

        Raises:
            NotFound: there is no such case or report, or the case belongs to somebody else.
            StorageCorrupt: the text is damaged.
        """
        found = {item.document_id: item for item in await self.list_reports(actor, case_id)}
        if document_id not in found:
            raise NotFound("report", document_id)
        document = found[document_id]
        decoder = codecs.getincrementaldecoder("utf-8")()
        pieces = [decoder.decode(piece) async for piece in await self._blobs.open(document.content_ref)]
        return Report(document, "".join(pieces))

    async def _get(self, actor: Actor, case_id: str, action: Action) -> Case:
        case = await self._cases.get(case_id)
        if case is None:
            raise NotFound("case", case_id)
        authorize(actor, action, case, kind="case", key=case_id)
        return case

    async def _list_in_case(self, actor: Actor, case_id: str, document: GeneratedDocument) -> Case:
        case = await self._get(actor, case_id, Action.WRITE)
        known = case.documentation
        documentation = known.replace(
            documents_generated=(*known.documents_generated, document),
            generated_at=document.generated_at,
            generated_by=actor.user_id,
        )
        return await self._cases.save(case.touched(document.generated_at, documentation=documentation))


async def _one_piece(text: str) -> AsyncIterator[bytes]:
    yield text.encode()
