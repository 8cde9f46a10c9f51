"""What surrounds every request: an id, one line in the log, figures, limits, and an answer whatever happens."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Mapping
from functools import cache

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.errors import explain, record, respond
from adapters.http.metrics import Metrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PROBES = frozenset({"/livez", "/readyz", "/readiness", "/health", "/metrics"})
UNROUTED = "(none)"
CLIENT_GONE = 499
SECURITY_HEADERS: Mapping[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
}
"""Of every answer that does not say otherwise."""

log = logging.getLogger("faultmaven.access")


class Observe:
    """Gives the request its id, times it, logs one line (never a body or a secret) and counts it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._auth_failures = metrics.auth_failures
        # To look a figure up by its labels takes longer than to count.
        self._requests, self._duration = cache(metrics.requests.labels), cache(metrics.duration.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = CLIENT_GONE
        began = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = dict(message.get("headers", ()))
                lacking = [item for item in SECURITY_HEADERS.items() if item[0] not in present]
                message["headers"] = [*message.get("headers", ()), *lacking, (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNROUTED)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._requests(method, route, status).inc()
        self._duration(method, route).observe(seconds)
        if status == 401:
            self._auth_failures.inc()
        if scope["path"] not in PROBES:
            extra = {
                "request_id": scope["state"]["request_id"],
                "method": method,
                "route": route,
                "status": status,
                "duration_ms": round(seconds * 1000, 1),
                "actor_id": scope["state"].get("actor_id"),
            }
            log.info("http_request", extra=extra)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AnswerEverything:
    """Turns what nobody expected into an answer. It lies inside CORS, so that a browser can read that answer too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except ClientDisconnect:
            return
        except Exception as error:
            explanation = explain(error)
            request_id = scope["state"]["request_id"]
            record(error, explanation, self._metrics, request_id)
            if started:
                raise
            await respond(explanation, request_id)(scope, receive, send)


class LimitBody:
    """Counts the body as it arrives and stops reading at the limit, whatever the client announced."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, max_upload_bytes: int) -> None:
        self._app = app
        self._max_body = max_body_bytes
        self._max_upload = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = Headers(scope=scope).get("content-type", "").lower().startswith("multipart/")
        limit = self._max_upload if upload else self._max_body
        received = 0

        async def receive_and_count() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    # FastAPI passes on only this class while it reads a body.
                    raise HTTPException(413, f"The request is too large: at most {limit / 1024 / 1024:g} MiB.")
            return message

        await self._app(scope, receive_and_count, send)
