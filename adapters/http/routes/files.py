"""Files of a case."""

from __future__ import annotations

from fastapi import APIRouter

from adapters.http.dependencies import CaseId, CurrentActor, Limit, Offset, ServicesDep, checked_id
from adapters.http.errors import FAILURES
from adapters.http.wire.files import FileDetails, FileList, FileRow
from ports.errors import NotFound

router = APIRouter(prefix="/api/v1/cases/{case_id}/uploaded-files", tags=["files"], responses=FAILURES)


@router.get("")
async def list_files(
    case_id: CaseId, actor: CurrentActor, services: ServicesDep, limit: Limit = 50, offset: Offset = 0
) -> FileList:
    """The files of the case, in the order in which they came."""
    case = await services.cases.get_case(actor, case_id)
    return FileList(
        files=[FileRow.of(file, case) for file in case.uploaded_files[offset : offset + limit]],
        total_count=len(case.uploaded_files),
        limit=limit,
        offset=offset,
    )


@router.get("/{file_id}")
async def get_file(case_id: CaseId, file_id: str, actor: CurrentActor, services: ServicesDep) -> FileDetails:
    """One file with the evidence that came from it."""
    case = await services.cases.get_case(actor, case_id)
    file = case.file(checked_id("file", file_id))
    if file is None:
        raise NotFound("file", file_id)
    return FileDetails.of(file, case)
