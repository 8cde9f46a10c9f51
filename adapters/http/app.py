"""The web application."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from adapters.http import errors
from adapters.http.metrics import Metrics
from adapters.http.middleware import AnswerEverything, LimitBody, Observe
from adapters.http.options import HttpOptions
from adapters.http.routes import auth, cases, documents, files, meta, reports, sessions, turns
from adapters.http.services import Services

JOB_GRACE = timedelta(seconds=1)
ANY_EXTENSION = r"(chrome-extension://[a-p]{32}|moz-extension://[0-9a-f-]{36})"
_ROUTERS = (
    cases.router,
    turns.router,
    turns.jobs,
    files.router,
    reports.router,
    documents.knowledge,
    documents.personal,
    documents.admin,
    sessions.router,
    auth.router,
    auth.aliases,
    meta.router,
)
"""What is asked for most comes first, because a request is compared with one route after the other."""
_CHROMIUM_ID = re.compile(r"[a-p]{32}")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Accept",
    "Idempotency-Key",
    "Prefer",
    "X-Session-Id",
    "X-User-ID",
    "X-User-Roles",
    "X-Request-ID",
)
_ANSWER_HEADERS = (
    "Location",
    "Retry-After",
    "X-Title-Source",
    "X-Error-Code",
    "X-Expected-Version",
    "X-Actual-Version",
    "X-Request-ID",
)


def create_app(services: Services, options: HttpOptions) -> FastAPI:
    """The application over these services. Its lifespan ends the background jobs; the services stay open."""
    metrics = Metrics(options.version)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with metrics.watching_the_loop():
            yield
            await services.jobs.aclose(JOB_GRACE)

    app = FastAPI(
        title="FaultMaven",
        version=options.version,
        description="Troubleshooting cases, their evidence, and the knowledge that helps to solve them.",
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.services, app.state.options, app.state.metrics = services, options, metrics
    # Before FastAPI's own, which are asked for least; and the routes themselves, because a router that is included
    # searches its own for every request, in two passes.
    app.router.routes[:0] = [route for router in _ROUTERS for route in router.routes]
    errors.install(app, metrics)
    _surround(app, options, metrics)
    return app


def _surround(app: FastAPI, options: HttpOptions, metrics: Metrics) -> None:
    # The last one that is added is the outermost: CORS lies around everything, so that every answer can be read.
    app.add_middleware(LimitBody, max_body_bytes=options.max_body_bytes, max_upload_bytes=options.max_upload_bytes)
    app.add_middleware(AnswerEverything, metrics=metrics)
    app.add_middleware(Observe, metrics=metrics)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[*options.cors_origins, *map(_extension_origin, options.cors_extension_ids)],
        allow_origin_regex=ANY_EXTENSION if options.cors_any_extension else None,
        allow_credentials=True,
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
        allow_private_network=True,
    )


def _extension_origin(extension_id: str) -> str:
    scheme = "chrome" if _CHROMIUM_ID.fullmatch(extension_id) else "moz"
    return f"{scheme}-extension://{extension_id}"
