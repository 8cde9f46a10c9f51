"""Reports of a case."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Response

from adapters.http.dependencies import CaseId, CurrentActor, ServicesDep, checked_id
from adapters.http.errors import FAILURES
from adapters.http.plain_route import PlainRoute
from adapters.http.wire.base import Answer
from adapters.http.wire.base import Request as WireRequest
from domain.documentation import DocumentType, GeneratedDocument

router = APIRouter(
    prefix="/api/v1/cases/{case_id}/reports", tags=["reports"], responses=FAILURES, route_class=PlainRoute
)


class ReportRequest(WireRequest):
    """Which report to write."""

    report_type: DocumentType = DocumentType.INCIDENT_REPORT


class ReportAnswer(Answer):
    """A report of a case; its text is at ``download_url``."""

    report_id: str
    report_type: str
    title: str
    format: str
    size_bytes: int
    generated_at: datetime
    download_url: str

    @classmethod
    def of(cls, case_id: str, document: GeneratedDocument) -> ReportAnswer:
        """The report for a client."""
        return cls(
            report_id=document.document_id,
            report_type=document.document_type,
            title=document.title,
            format=document.format,
            size_bytes=document.size_bytes,
            generated_at=document.generated_at,
            download_url=f"/api/v1/cases/{case_id}/reports/{document.document_id}",
        )


class ReportList(Answer):
    """The reports of a case."""

    reports: list[ReportAnswer]
    total_count: int


@router.get("")
async def list_reports(case_id: CaseId, actor: CurrentActor, services: ServicesDep) -> ReportList:
    """The reports that were written."""
    found = await services.reports.list_reports(actor, case_id)
    return ReportList(reports=[ReportAnswer.of(case_id, item) for item in found], total_count=len(found))


@router.post("", status_code=201)
async def create_report(
    case_id: CaseId, actor: CurrentActor, services: ServicesDep, body: ReportRequest | None = None
) -> ReportAnswer:
    """Write a report of the case as it stands now."""
    wish = body or ReportRequest()
    report = await services.reports.generate(actor, case_id, wish.report_type)
    return ReportAnswer.of(case_id, report.document)


@router.get("/{report_id}", response_class=Response, responses={200: {"content": {"text/markdown": {}}}})
async def read_report(case_id: CaseId, report_id: str, actor: CurrentActor, services: ServicesDep) -> Response:
    """The text of a report, in Markdown."""
    report = await services.reports.read(actor, case_id, checked_id("report", report_id))
    name = f"{case_id}-{report.document.document_type}.md"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(report.text, media_type="text/markdown; charset=utf-8", headers=headers)
