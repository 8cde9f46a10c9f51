"""How each error is told to a client: one table, one body.

The body is ``{"detail", "code", "request_id"}`` and ``detail`` is always text for a person. What a store or a bug has
to say goes to the log only.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from adapters.http.metrics import Metrics
from application.errors import (
    ApplicationError,
    Forbidden,
    InvalidIdempotencyKey,
    NotEnoughContext,
    RateLimited,
    TokenExpired,
    Unauthenticated,
    UnsupportedFile,
    UploadTooLarge,
)
from domain.errors import (
    BadClosureReason,
    DomainError,
    IllegalTransition,
    InvalidInput,
    MissingPrerequisite,
    TerminalCase,
    UnknownReference,
)
from ports.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    NotSupported,
    OutcomeUnknown,
    PortError,
    StorageCorrupt,
    StorageFull,
    StorageUnavailable,
)

RETRY_SECONDS = 2
SHOWN_KEY = 64

log = logging.getLogger("faultmaven.http")


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    loc: list[str | int]
    msg: str
    type: str


class ErrorBody(BaseModel):
    """The body of every error."""

    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = None


FAILURES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request was refused."},
    "5XX": {"model": ErrorBody, "description": "The server could not do it."},
}
"""What the interface's description says of every address."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a client is told about an error."""

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[FieldProblem, ...] = ()


_UNKNOWN_OUTCOME = (
    "It is not known whether the request took effect. Please repeat it; with the same Idempotency-Key nothing is done "
    "twice."
)
# status, code, and the text that is shown; None shows the words of the error itself.
_TABLE: dict[type[Exception], tuple[int, str, str | None]] = {
    Unauthenticated: (401, "UNAUTHENTICATED", None),
    TokenExpired: (401, "TOKEN_EXPIRED", None),
    Forbidden: (403, "FORBIDDEN", None),
    InvalidIdempotencyKey: (400, "INVALID_IDEMPOTENCY_KEY", None),
    NotEnoughContext: (422, "NOT_ENOUGH_CONTEXT", None),
    RateLimited: (429, "RATE_LIMITED", None),
    UnsupportedFile: (415, "UNSUPPORTED_FILE", None),
    UploadTooLarge: (413, "TOO_LARGE", None),
    ApplicationError: (422, "REFUSED", None),
    InvalidInput: (422, "INVALID_INPUT", None),
    BadClosureReason: (422, "INVALID_INPUT", None),
    UnknownReference: (422, "UNKNOWN_REFERENCE", None),
    IllegalTransition: (409, "ILLEGAL_TRANSITION", None),
    MissingPrerequisite: (409, "MISSING_PREREQUISITE", None),
    TerminalCase: (409, "CASE_FINISHED", None),
    DomainError: (409, "REFUSED", None),
    NotFound: (404, "NOT_FOUND", None),
    AlreadyExists: (409, "ALREADY_EXISTS", None),
    Conflict: (409, "VERSION_CONFLICT", "Somebody else changed this at the same moment. Read it again and repeat."),
    NotSupported: (501, "NOT_SUPPORTED", "This installation does not offer that."),
    StorageUnavailable: (503, "STORAGE_UNAVAILABLE", "The service cannot reach its storage. Please try again soon."),
    OutcomeUnknown: (503, "OUTCOME_UNKNOWN", _UNKNOWN_OUTCOME),
    StorageFull: (507, "STORAGE_FULL", "There is no room left to store this. Ask an administrator."),
    StorageCorrupt: (500, "STORAGE_CORRUPT", "What is stored is damaged. Ask an administrator."),
    PortError: (503, "STORAGE_ERROR", "The storage refused the request. Ask an administrator."),
    TimeoutError: (504, "TIMEOUT", "The answer took too long. Please try again."),
}
_UNEXPECTED = Explanation(500, "INTERNAL_ERROR", "Something went wrong on the server. It has been logged.")


def explain(error: Exception) -> Explanation:
    """What to tell a client about ``error``."""
    match error:
        case RequestValidationError():
            return _explain_fields(error.errors())
        case ValidationError():
            return _explain_fields(error.errors(include_url=False, include_context=False, include_input=False))
        case HTTPException():
            return _explain_http(error)
    entry = next((_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE), None)
    if entry is None:
        return _UNEXPECTED
    status, code, fixed = entry
    detail = fixed or str(error) or "The request was refused."
    if isinstance(error, NotFound):
        detail = f"The {error.kind} {error.key[:SHOWN_KEY]!r} does not exist."
        code = f"{error.kind.upper().replace(' ', '_')}_NOT_FOUND"
    return Explanation(status, code, detail, _headers(error))


def _headers(error: Exception) -> dict[str, str]:
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case RateLimited():
            return {"Retry-After": str(error.retry_after_seconds)}
        case StorageUnavailable() | OutcomeUnknown():
            return {"Retry-After": str(RETRY_SECONDS)}
        case Conflict(actual=None):
            return {"X-Expected-Version": str(error.expected)}
        case Conflict():
            return {"X-Expected-Version": str(error.expected), "X-Actual-Version": str(error.actual)}
    return {}


def respond(explanation: Explanation, request_id: str) -> JSONResponse:
    """The explanation as a response."""
    body = ErrorBody(
        detail=explanation.detail,
        code=explanation.code,
        request_id=request_id,
        errors=list(explanation.errors) or None,
    )
    headers = {**explanation.headers, "X-Error-Code": explanation.code}
    return JSONResponse(body.model_dump(exclude_none=True), explanation.status, headers)


def record(error: Exception, explanation: Explanation, metrics: Metrics, request_id: str) -> None:
    """Count what operators watch, and log what the client is not told."""
    if isinstance(error, Conflict):
        metrics.conflicts.inc()
    elif isinstance(error, PortError) and not isinstance(error, (NotFound, AlreadyExists)):
        metrics.store_errors.labels(explanation.code.lower()).inc()
    if explanation.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        extra = {"request_id": request_id, "code": explanation.code, "error": repr(error)}
        log.error("request_failed", extra=extra, exc_info=error if explanation is _UNEXPECTED else None)


def install(app: FastAPI, metrics: Metrics) -> None:
    """Let every error that the table knows be answered by it."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        explanation = explain(error)
        request_id: str = request.state.request_id
        record(error, explanation, metrics, request_id)
        return respond(explanation, request_id)

    kinds = (ApplicationError, DomainError, PortError, TimeoutError, ValidationError, RequestValidationError)
    for kind in (*kinds, HTTPException):
        app.add_exception_handler(kind, handle)


def _explain_http(error: HTTPException) -> Explanation:
    phrase = HTTPStatus(error.status_code)
    texts = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    detail = texts.get(error.status_code, str(error.detail)) or phrase.phrase
    return Explanation(error.status_code, phrase.name, detail, error.headers or {})


def _explain_fields(problems: object) -> Explanation:
    found = [
        FieldProblem(loc=list(problem["loc"]), msg=problem["msg"].removeprefix("Value error, "), type=problem["type"])
        for problem in problems  # type: ignore[attr-defined]
    ]
    detail = "; ".join(_sentence(problem) for problem in found[:5]) or "The request is not valid."
    return Explanation(422, "INVALID_INPUT", detail, errors=tuple(found))


def _sentence(problem: FieldProblem) -> str:
    names = [str(part) for part in problem.loc if part not in ("body", "query", "path", "header")]
    return f"{'.'.join(names)}: {problem.msg}" if names else problem.msg
