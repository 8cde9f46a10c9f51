"""Where the time of a request goes, in one process and without sockets: ``python -m benchmarks.process.inside``.

Prints JSON: microseconds of processor time of a read, of its parts, and of a bare endpoint; and of a question that
becomes a vector. The log goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope

from adapters.http.metrics import Metrics
from adapters.http.middleware import Observe
from adapters.http.routes.cases import get_case
from application.rate_limit import REQUESTS
from benchmarks.process import bare
from bootstrap.build import opened_ports
from bootstrap.configuration import load_configuration
from bootstrap.logging import configure_logging
from bootstrap.runtime import loop_factory
from bootstrap.serve import web_application
from bootstrap.services import assembled
from bootstrap.settings import Settings
from domain.user import Role

ROUNDS = 15
SECONDS = 0.1
"""Of one round."""
SHORT = "connection pool exhausted after deploy"
LONG = (
    "Checkout answers 502 since the deployment at noon, the pool is exhausted. "
    "Still 502 after 7 minutes, and the log says: too many connections for role app"
)
READ, CALLER, LIMIT, CASE, SEEN = "a read", "who is calling", "the rate limit", "the case", "the log and the figures"
USUAL = "a read with FastAPI's work on each parameter"
BARE = "a bare endpoint, the same bytes"


async def microseconds(call: Callable[[], Awaitable[object]]) -> float:
    """Processor time of one call in the quickest round, of all threads."""
    best = float("inf")
    for _ in range(ROUNDS):
        calls, began, until = 0, time.process_time(), time.perf_counter() + SECONDS
        while time.perf_counter() < until:
            await call()
            calls += 1
        best = min(best, (time.process_time() - began) / calls)
    return best * 1e6


def asking(app: ASGIApp, path: str, token: str) -> Callable[[], Awaitable[bytes]]:
    """A request as a server hands it to the application."""
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    given = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    address = {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "root_path": "", "query_string": b""}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ask() -> bytes:
        answered: list[Any] = []

        async def send(message: Message) -> None:
            answered.append(message)

        scope: Scope = {**given, **address, "path": path, "raw_path": path.encode(), "headers": headers}
        await app(scope, receive, send)
        if answered[0]["status"] != 200:
            raise RuntimeError(f"{path} answers {answered[0]['status']}")
        return b"".join(message.get("body", b"") for message in answered)

    return ask


async def measured(settings: Settings) -> dict[str, float]:
    """Microseconds by what they are spent for."""
    async with opened_ports(settings, "the benchmark") as ports, assembled(settings, ports) as services:
        users, cases, limiter = services.user_service(), services.case_service(), services.rate_limiter()
        name, password = "engineer", "correct-horse-battery"
        await users.create_user(
            username=name, email=None, display_name=name, password=password, roles=(Role.USER, Role.ADMIN)
        )
        token = (await users.sign_in(name, password)).tokens.access_token
        actor = await users.authenticate(token)
        case_id = (await cases.open_case(actor, title="Checkout answers 502")).case_id
        app: Any = web_application(settings, services)
        read = asking(app, f"/api/v1/cases/{case_id}", token)
        # Beside the other, so that a request is compared with as many routes before.
        place = next(at for at, route in enumerate(app.router.routes) if getattr(route, "endpoint", None) is get_case)
        app.router.routes.insert(place + 1, APIRoute("/usual/{case_id}", get_case))
        usual = asking(app, f"/usual/{case_id}", token)
        nothing = Response(await read(), media_type="application/json")
        spent = {
            READ: await microseconds(read),
            USUAL: await microseconds(usual),
            CALLER: await microseconds(lambda: users.authenticate(token)),
            LIMIT: await microseconds(lambda: limiter.check(REQUESTS, actor.user_id)),
            CASE: await microseconds(lambda: cases.get_case(actor, case_id)),
        }
        observed = await microseconds(asking(Observe(nothing, Metrics("0")), "/", token))
        spent[SEEN] = observed - await microseconds(asking(nothing, "/", token))
        spent[BARE] = await microseconds(asking(bare.application(await read()), "/", token))
        for length, question in (("a short", SHORT), ("a long", LONG)):
            spent[f"{length} question as a vector"] = await microseconds(
                lambda text=question: ports.embeddings.embed_query(text)
            )
        return spent


def main() -> None:
    """Measure a backend with the settings of a laptop, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="faultmaven-bench-") as folder:
        os.environ |= {"FAULTMAVEN_DATA_DIR": folder, "RATE_LIMIT_PER_MINUTE": "1000000", "LOG_FORMAT": "json"}
        settings = load_configuration().settings
        configure_logging(settings)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            spent = runner.run(measured(settings))
    sys.stdout.write(json.dumps(spent, indent=1) + "\n")


if __name__ == "__main__":
    main()
