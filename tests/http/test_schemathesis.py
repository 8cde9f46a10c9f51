"""Thousands of generated requests, valid and not: none may be answered by a failure of the server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.http.options import HttpOptions
from adapters.system.clock import SystemClock
from tests.http.test_socket import serving
from tests.http.world import World, local_stores
from tests.plain_http import NO_TLS
from tests.stateful.profiles import NIGHTLY

AT_LEAST = 100_000 if NIGHTLY else 2_500
SHARE_OF_SUCCESS = 0.3
PER_ROUND = {GenerationMode.POSITIVE: 60, GenerationMode.NEGATIVE: 15}
"""Requests as they should be and such as should be refused, to each operation in turn."""
TURNS_PER_CASE = 20


class Background:
    """The application over SQLite and files, in a thread with a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.url = ""

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        clock = SystemClock()
        async with local_stores(self._folder, clock) as stores:
            world = World(clock=clock, options=HttpOptions(dev_login=True), stores=stores)
            async with serving(world) as url:
                self.url = url
                self._ready.set()
                await self._stop.wait()

    def __enter__(self) -> str:
        self._thread.start()
        assert self._ready.wait(20)
        return self.url

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


class Caller:
    """Signs in, keeps objects that exist, and puts their ids into generated requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30, verify=NO_TLS)
        self.numbers = itertools.count()
        self.headers = self.sign_in("admin")
        self.http.headers.update(self.headers)
        self.turns = 0
        self.case_id = self.new_case()

    def sign_in(self, username: str) -> dict[str, str]:
        answer = self.http.post("/api/v1/auth/dev-login", json={"username": username})
        self.refresh_token = answer.json()["refresh_token"]
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def new_case(self) -> str:
        body = {"title": "Disk full on db-1", "description": "db-1 refuses writes"}
        return str(self.http.post("/api/v1/cases", json=body).json()["case_id"])

    def existing(self, operation: str) -> dict[str, str]:
        """Ids of objects that exist, for the parameters of the operation; made anew where the call ends them."""
        method, path = operation.split(" ")
        found = {"case_id": self.case_id}
        if method == "DELETE" and path == "/api/v1/cases/{case_id}":
            found["case_id"] = self.new_case()
        if path.endswith("/turns"):
            self.turns += 1
            if self.turns % TURNS_PER_CASE == 0:
                self.case_id = self.new_case()
        if "{document_id}" in path:
            upload = "/api/v1/admin/kb/documents" if "/admin/" in path else "/api/v1/documents/upload"
            made = self.http.post(upload, files={"file": ("a.md", b"# Disk full", "text/plain")})
            found["document_id"] = made.json()["document_id"]
        if "{session_id}" in path:
            made = self.http.post("/api/v1/sessions", json={"client_id": f"c{next(self.numbers)}"})
            found["session_id"] = made.json()["session_id"]
        if "{report_id}" in path:
            made = self.http.post(f"/api/v1/cases/{self.case_id}/reports", json={"report_type": "timeline"})
            found["report_id"] = made.json().get("report_id", "none")
        if "{file_id}" in path:
            files = [("files", ("a.log", f"ERROR {next(self.numbers)}".encode(), "text/plain"))]
            made = self.http.post(f"/api/v1/cases/{self.case_id}/turns", files=files)
            found["file_id"] = made.json()["attachments_processed"][0]["file_id"]
        if "{job_id}" in path:
            made = self.http.post(
                f"/api/v1/cases/{self.case_id}/turns",
                files=[("query", (None, "hello"))],
                headers={"Prefer": "respond-async"},
            )
            found["job_id"] = made.json()["job_id"]
        return found


class Tally:
    """What was sent and how it was answered."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.by_operation: Counter[tuple[str, int]] = Counter()
        self.by_mode: Counter[GenerationMode] = Counter()

    @property
    def total(self) -> int:
        return self.statuses.total()

    @property
    def successes(self) -> int:
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    def note(self, operation: str, mode: GenerationMode, status: int) -> None:
        self.statuses[status] += 1
        self.by_mode[mode] += 1
        self.by_operation[operation, status] += 1


NOT_GUESSED = {
    # A generated file has no name with an extension, and generated credentials belong to nobody.
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/register",
    "POST /api/v1/admin/kb/documents",
    "POST /api/v1/documents/upload",
}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def _modes(operation: Any) -> list[GenerationMode]:
    """What can be generated for the operation: without any input nothing can be wrong."""
    has_input = operation.body or any(item.name.lower() != "x-session-id" for item in operation.iter_parameters())
    return list(PER_ROUND) if has_input else [GenerationMode.POSITIVE]


def _send(
    operation: Any, mode: GenerationMode, caller: Caller, session: requests.Session, tally: Tally, number: int
) -> None:
    """One round of generated requests to one operation; the rounds differ by their number."""
    strategy = operation.as_strategy(generation_mode=mode)

    @seed(number)
    @settings(
        max_examples=PER_ROUND[mode],
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, real=st.integers(0, 9))
    def send(case: Any, real: int) -> None:
        label = operation.label
        headers = dict(caller.headers)
        if "logout" in label:
            headers = caller.sign_in("somebody")
        if real < 8 and case.path_parameters:
            known = caller.existing(label)
            case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
        if real < 8 and label.endswith("/auth/refresh") and mode is GenerationMode.POSITIVE:
            caller.sign_in("somebody")
            case.body = {"refresh_token": caller.refresh_token}
        response = case.call(base_url=caller.url, session=session, headers=headers)
        tally.note(label, mode, response.status_code)
        case.validate_response(response, checks=CHECKS)

    send()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_generated_requests_never_cause_a_failure(tmp_path: Path) -> None:
    tally = Tally()
    with Background(tmp_path) as url, requests.Session() as session:
        caller = Caller(url)
        with contextlib.closing(caller.http):
            schema = schemathesis.openapi.from_dict(caller.http.get("/openapi.json").json())
            operations = [found.ok() for found in schema.get_all_operations()]
            assert len(operations) > 35
            number = 0
            while tally.total < AT_LEAST:
                for operation, mode in [(each, mode) for each in operations for mode in _modes(each)]:
                    _send(operation, mode, caller, session, tally, number)
                number += 1
    summary = f"{tally.total} requests: {dict(sorted(tally.statuses.items()))}"
    logging.getLogger(__name__).info(summary)
    assert [status for status in tally.statuses if status >= 500] == [], summary
    assert tally.by_mode[GenerationMode.NEGATIVE] >= AT_LEAST / 10, tally.by_mode
    assert tally.successes >= SHARE_OF_SUCCESS * tally.total, summary
    never = {operation.label for operation in operations} - {
        label for label, status in tally.by_operation if 200 <= status < 300
    }
    assert never <= NOT_GUESSED, summary
