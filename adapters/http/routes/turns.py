"""Turns: what the user says and hands in, and the answer to it, at once or in the background."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from starlette.datastructures import FormData

from adapters.http import intents
from adapters.http.dependencies import (
    CaseId,
    CurrentActor,
    IdempotencyKey,
    MetricsDep,
    OptionsDep,
    ServicesDep,
    checked_id,
)
from adapters.http.errors import FAILURES, explain, record
from adapters.http.forms import ALLOWED_EVIDENCE, check_extension, files_of, pieces, read_form, text_field
from adapters.http.idempotent import answer_once
from adapters.http.metrics import Metrics
from adapters.http.services import Services
from adapters.http.wire.turns import JobAnswer, TurnAnswer
from application.idempotency import StoredAnswer
from application.jobs import Job, JobStatus
from application.rate_limit import TURNS
from application.troubleshooting import TurnRequest, Upload
from domain.access import Actor
from domain.case import Case
from domain.errors import InvalidInput
from domain.evidence import UploadSource

router = APIRouter(prefix="/api/v1/cases", tags=["turns"], responses=FAILURES)
jobs = APIRouter(prefix="/api/v1/jobs", tags=["turns"], responses=FAILURES)
MAX_QUERY = 200_000

_TEXT = {"type": "string"}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "description": "At least one of query, files and pasted_content.",
                    "properties": {
                        "query": {**_TEXT, "maxLength": MAX_QUERY},
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "pasted_content": _TEXT,
                        "input_type": {**_TEXT, "enum": ["text", "file", "paste", "page_capture"]},
                        "source_url": _TEXT,
                        "intent_type": {
                            **_TEXT,
                            "enum": list(intents.KINDS),
                        },
                        "intent_data": {**_TEXT, "description": "A JSON object, e.g. the intent of an action."},
                    },
                }
            }
        },
    }
}


@router.post(
    "/{case_id}/turns",
    response_model=TurnAnswer,
    responses={202: {"model": JobAnswer, "description": "The answer is being made; ask at Location."}},
    openapi_extra=_FORM,
)
async def take_turn(
    *,
    request: Request,
    case_id: CaseId,
    actor: CurrentActor,
    services: ServicesDep,
    options: OptionsDep,
    metrics: MetricsDep,
    key: IdempotencyKey = None,
    prefer: Annotated[str | None, Header(description="respond-async: answer 202 at once.")] = None,
) -> Response:
    """Take one turn in the case."""
    await services.rate_limiter.check(TURNS, actor.user_id)
    case = await services.cases.get_case(actor, case_id)
    form = await read_form(request, options)
    turn = _Turn(request, services, actor, form, options.turn_timeout, metrics)
    try:
        wish = _read_wish(form, case)
        if "respond-async" in (prefer or "").lower():
            return await turn.in_background(case_id, wish, key)
        return await turn.at_once(case_id, wish, key)
    finally:
        await turn.close()


@jobs.get("/{job_id}")
async def get_job(job_id: str, actor: CurrentActor, services: ServicesDep) -> JobAnswer:
    """How a turn in the background stands."""
    return _job_answer(await services.jobs.get(actor, checked_id("job", job_id)))


@dataclass
class _Turn:
    """One request for a turn with its form, which lives until the turn is taken."""

    request: Request
    services: Services
    actor: Actor
    form: FormData
    timeout: float
    metrics: Metrics
    in_job: bool = False

    async def at_once(self, case_id: str, wish: TurnRequest, key: str | None) -> Response:
        """Take the turn and wait for the answer."""

        async def take() -> StoredAnswer:
            return StoredAnswer(200, await self._take(case_id, wish))

        return await answer_once(self.services, self.actor, "POST", self.request.url.path, key, take)

    async def in_background(self, case_id: str, wish: TurnRequest, key: str | None) -> Response:
        """Begin the turn and tell where to ask for the answer."""

        async def take() -> str:
            try:
                return await self._take(case_id, wish)
            finally:
                await self.form.close()

        async def start() -> StoredAnswer:
            self.in_job = True
            job = await self.services.jobs.start(self.actor, take, self._explain)
            headers = {"Location": f"/api/v1/jobs/{job.job_id}", "Retry-After": "2"}
            return StoredAnswer(202, _job_answer(job).model_dump_json(exclude_none=True), headers)

        path = self.request.url.path
        answer = await answer_once(self.services, self.actor, "POST", path, key, start)
        if key is not None and not self.in_job and await self._has_failed(answer):
            # A kept 202 whose job has failed is no success: the user's retry has to work.
            await self.services.idempotency.forget(self.actor, "POST", path, key)
            answer = await answer_once(self.services, self.actor, "POST", path, key, start)
        return answer

    async def close(self) -> None:
        """Let go of the form, unless a job needs it."""
        if not self.in_job:
            await self.form.close()

    async def _take(self, case_id: str, wish: TurnRequest) -> str:
        outcome = "failed"
        try:
            async with asyncio.timeout(self.timeout):
                reply = await self.services.troubleshooting.take_turn(self.actor, case_id, wish)
            outcome = "answered"
        finally:
            self.metrics.turns.labels(outcome).inc()
        return TurnAnswer.of(reply).model_dump_json()

    async def _has_failed(self, answer: Response) -> bool:
        job_id = answer.headers.get("Location", "").rpartition("/")[2]
        if not job_id:
            return False
        return (await self.services.jobs.get(self.actor, job_id)).status is JobStatus.FAILED

    def _explain(self, error: Exception) -> str:
        explanation = explain(error)
        record(error, explanation, self.metrics, self.request.state.request_id)
        return explanation.detail


def _read_wish(form: FormData, case: Case) -> TurnRequest:
    query = (text_field(form, "query") or "").strip()
    if len(query) > MAX_QUERY:
        raise InvalidInput(f"query: it has {len(query)} characters; accepted are at most {MAX_QUERY}")
    uploads = [*_files(form), *_pasted(form)]
    if not query and not uploads:
        raise InvalidInput("Send a query, a file or pasted_content.")
    decisions = intents.decode(text_field(form, "intent_type"), text_field(form, "intent_data"), case)
    return TurnRequest(query=query, uploads=tuple(uploads), decisions=decisions)


def _files(form: FormData) -> Iterator[Upload]:
    for file in files_of(form, "files"):
        name = file.filename or "unnamed"
        check_extension(name, ALLOWED_EVIDENCE)
        yield Upload(filename=name, content=pieces(file), source=UploadSource.FILE_UPLOAD)


def _pasted(form: FormData) -> Iterator[Upload]:
    text = text_field(form, "pasted_content")
    if text is None:
        return
    content = text.encode(errors="replace")
    # The clients choose an icon by the beginning of the name.
    page = text_field(form, "input_type") == "page_capture"
    kind, source = ("page-capture", UploadSource.PAGE_INJECTION) if page else ("pasted-content", UploadSource.PASTE)
    name = f"{kind}-{hashlib.sha256(content).hexdigest()[:8]}.txt"
    yield Upload(filename=name, content=_one_piece(content), source=source, source_url=text_field(form, "source_url"))


async def _one_piece(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _job_answer(job: Job) -> JobAnswer:
    return JobAnswer(
        job_id=job.job_id,
        status=job.status,
        result=None if job.result is None else TurnAnswer.model_validate_json(job.result),
        error=None if job.error is None else {"message": job.error},
    )
