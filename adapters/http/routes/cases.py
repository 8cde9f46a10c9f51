"""Cases: create, find, show, rename, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from adapters.http.dependencies import (
    CaseId,
    CurrentActor,
    CurrentSessionId,
    IdempotencyKey,
    Limit,
    Offset,
    ServicesDep,
    checked_id,
)
from adapters.http.errors import FAILURES
from adapters.http.idempotent import answer_once
from adapters.http.plain_route import PlainRoute
from adapters.http.wire import vocabulary
from adapters.http.wire.cases import (
    AnalyticsAnswer,
    CaseList,
    CaseRow,
    CreateCaseRequest,
    MessageList,
    RenameRequest,
    TitleAnswer,
    TitleRequest,
)
from adapters.http.wire.header import header
from adapters.http.wire.header_shapes import CaseHeader
from adapters.http.wire.knowledge import Hit, SearchAnswer
from application.idempotency import StoredAnswer
from ports.errors import NotFound

router = APIRouter(prefix="/api/v1/cases", tags=["cases"], responses=FAILURES, route_class=PlainRoute)
DELETION = "delete-case"
"""The idempotency key of every deletion: whoever deleted a case may do so again."""
TITLE_WORDS = 8


@router.post("", status_code=201, response_model=CaseRow)
async def create_case(
    request: Request,
    actor: CurrentActor,
    services: ServicesDep,
    session_id: CurrentSessionId,
    key: IdempotencyKey = None,
    body: CreateCaseRequest | None = None,
) -> Response:
    """Open a case."""
    wish = body or CreateCaseRequest()

    async def create() -> StoredAnswer:
        case = await services.cases.open_case(
            actor,
            title=wish.title,
            description=wish.description or wish.initial_message or "",
            priority=wish.priority,
            source=wish.source or "api",
            session_id=session_id,
            follows=checked_id("case", wish.follows_case_id) if wish.follows_case_id else None,
        )
        return StoredAnswer(201, CaseRow.of(case).model_dump_json())

    return await answer_once(services, actor, "POST", request.url.path, key, create)


@router.get("")
async def list_cases(
    actor: CurrentActor,
    services: ServicesDep,
    limit: Limit = 50,
    offset: Offset = 0,
    state: Annotated[str | None, Query(description="Only cases in this state.")] = None,
) -> CaseList:
    """The cases of the caller, the latest activity first."""
    status = vocabulary.required_status(state) if state else None
    return CaseList.of(await services.cases.list_cases(actor, status=status, limit=limit, offset=offset), limit, offset)


@router.get("/search")
async def search_cases(
    actor: CurrentActor,
    services: ServicesDep,
    query: Annotated[str, Query(description="Words that all occur in title, description or messages.")],
    limit: Limit = 20,
    offset: Offset = 0,
) -> CaseList:
    """The cases of the caller in which all the words occur."""
    return CaseList.of(await services.cases.search_cases(actor, query, limit=limit, offset=offset), limit, offset)


@router.get("/{case_id}")
async def get_case(case_id: CaseId, actor: CurrentActor, services: ServicesDep) -> CaseRow:
    """One case."""
    return CaseRow.of(await services.cases.get_case(actor, case_id))


@router.put("/{case_id}")
async def rename_case(case_id: CaseId, body: RenameRequest, actor: CurrentActor, services: ServicesDep) -> CaseRow:
    """Give the case another title."""
    return CaseRow.of(await services.cases.rename_case(actor, case_id, body.title))


@router.delete("/{case_id}", status_code=204)
async def delete_case(request: Request, case_id: CaseId, actor: CurrentActor, services: ServicesDep) -> Response:
    """Delete the case with everything that belongs to it. A repeat within a day is answered alike."""

    async def delete() -> StoredAnswer:
        if not await services.cases.delete_case(actor, case_id):
            raise NotFound("case", case_id)
        return StoredAnswer(204, "")

    return await answer_once(services, actor, "DELETE", request.url.path, DELETION, delete)


@router.post("/{case_id}/title")
async def generate_title(
    case_id: CaseId,
    actor: CurrentActor,
    services: ServicesDep,
    response: Response,
    body: TitleRequest | None = None,
) -> TitleAnswer:
    """Find a title from what was said, and keep it."""
    wish = body or TitleRequest()
    title = await services.cases.generate_title(actor, case_id, max_words=wish.max_words or TITLE_WORDS, hint=wish.hint)
    response.headers["X-Title-Source"] = title.source
    return TitleAnswer(title=title.title)


@router.get("/{case_id}/messages")
async def get_messages(
    case_id: CaseId, actor: CurrentActor, services: ServicesDep, limit: Limit = 100, offset: Offset = 0
) -> MessageList:
    """What was said, oldest first."""
    return MessageList.of(await services.cases.get_messages(actor, case_id, limit=limit, offset=offset), offset)


@router.get("/{case_id}/ui")
async def get_header(case_id: CaseId, actor: CurrentActor, services: ServicesDep) -> CaseHeader:
    """What a client shows above the conversation."""
    return header(await services.cases.get_case(actor, case_id))


@router.get("/{case_id}/analytics")
async def get_analytics(case_id: CaseId, actor: CurrentActor, services: ServicesDep) -> AnalyticsAnswer:
    """The case in figures."""
    return AnalyticsAnswer.of(await services.cases.get_analytics(actor, case_id))


@router.get("/{case_id}/similar")
async def get_similar(
    case_id: CaseId, actor: CurrentActor, services: ServicesDep, limit: Annotated[int, Query(ge=1, le=20)] = 5
) -> SearchAnswer:
    """Solved cases that resemble this one, each with the reason."""
    case = await services.cases.get_case(actor, case_id)
    hits = await services.knowledge.similar_cases(actor, case, limit=limit)
    return SearchAnswer(query=case.title, results=[Hit.of(hit) for hit in hits], total_count=len(hits), degraded=False)
