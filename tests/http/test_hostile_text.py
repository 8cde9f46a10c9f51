"""Hostile text through every text field: accepted or refused, in memory and on SQLite alike, and never a failure."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from tests.fakes import FakeClock
from tests.http.test_documents import RUNBOOK
from tests.http.world import PASSWORD, Person, World, local_stores

HOSTILE = {
    "nul": "a\0b",
    "surrogate": "a\ud800b",
    "nan": "NaN",
    "2^63": str(2**63),
    "1 MB": "x" * 1_000_000,
    "rtl": "\u202eabc\u200f",
    "nfd": "e\u0301" * 20,
    "percent": "%",
    "underscore": "_",
    "quote": "\"';--",
    "star": "*",
    "path": "../../../etc/passwd",
    "emoji": "\U0001f525" * 50,
    "controls": "\x01\x02\x1b[31m",
    "line ends": "a\r\nSet-Cookie: x=y\r\n\r\n",
    "blank": "   ",
}
NUMBERS = (float("nan"), float("inf"), 2**63, -(2**70), 1e400, True, "5")


def _raw(value: Any) -> bytes:
    """JSON with whatever it takes: NaN and lone surrogates as Python writes them."""
    return json.dumps(value).encode()


class Twins:
    """The same person in two worlds: one in memory, one on SQLite and files."""

    def __init__(self, people: list[Person], case_ids: list[str]) -> None:
        self._people = people
        self._case_ids = case_ids

    async def check(self, method: str, path: str, **request: Any) -> None:
        """Send the request in both worlds; ``CASE`` in the path is a case of each."""
        statuses = []
        for person, case_id in zip(self._people, self._case_ids, strict=True):
            answer = await person.http.request(method, path.replace("CASE", case_id), **request)
            assert answer.status_code < 500, (method, path, answer.text[:500])
            if answer.status_code >= 400:
                assert isinstance(answer.json()["detail"], str)
            statuses.append(answer.status_code)
        assert statuses[0] == statuses[1], (method, path, statuses)


@pytest.fixture
async def twins(tmp_path: Path) -> AsyncIterator[Twins]:
    async with local_stores(tmp_path, FakeClock()) as stores:
        worlds = [World(), World(stores=stores)]
        people = [await world.person("ada") for world in worlds]
        yield Twins(people, [await person.open_case() for person in people])
        for world in worlds:
            await world.aclose()


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_in_json_bodies(twins: Twins, text: str) -> None:
    bodies: list[tuple[str, str, list[str]]] = [
        ("POST", "/api/v1/auth/login", ["username", "password"]),
        ("POST", "/api/v1/auth/dev-login", ["username"]),
        ("POST", "/api/v1/auth/register", ["username", "email", "display_name", "password"]),
        ("POST", "/api/v1/auth/refresh", ["refresh_token"]),
        ("POST", "/api/v1/sessions", ["client_id", "session_type", "timeout_minutes", "metadata"]),
        ("POST", "/api/v1/cases", ["title", "description", "priority", "source", "initial_message", "follows_case_id"]),
        ("PUT", "/api/v1/cases/CASE", ["title"]),
        ("POST", "/api/v1/cases/CASE/title", ["hint", "max_words"]),
        ("POST", "/api/v1/cases/CASE/reports", ["report_type"]),
    ]
    good = {"username": "eve", "password": PASSWORD, "title": "ok"}
    for method, path, fields in bodies:
        for field in fields:
            body = {**{name: value for name, value in good.items() if name in fields}, field: text}
            await twins.check(method, path, content=_raw(body), headers=JSON)
    await twins.check("POST", "/api/v1/sessions", content=_raw({"metadata": {text: text}}), headers=JSON)


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
async def test_numbers_in_json_bodies(twins: Twins, number: Any) -> None:
    await twins.check("POST", "/api/v1/sessions", content=_raw({"timeout_minutes": number}), headers=JSON)
    await twins.check("POST", "/api/v1/sessions", content=_raw({"metadata": {"n": number}}), headers=JSON)
    await twins.check("POST", "/api/v1/cases/CASE/title", content=_raw({"max_words": number}), headers=JSON)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_in_forms(twins: Twins, text: str) -> None:
    data = text.encode(errors="surrogatepass")
    turn = "/api/v1/cases/CASE/turns"
    for field in ("query", "pasted_content", "input_type", "source_url", "intent_type", "intent_data", "other"):
        await twins.check("POST", turn, files=[("query", (None, b"hello there")), (field, (None, data))])
    await twins.check("POST", turn, files=[("files", ("a.log", data, "text/plain"))])
    decision = _raw({"decision": {"kind": "close", "reason": text}})
    await twins.check("POST", turn, files=[("query", (None, b"x")), ("intent_data", (None, decision))])
    for field in ("title", "document_type", "tags", "description", "source_url", "category"):
        parts = [("file", ("a.md", RUNBOOK, "text/plain")), (field, (None, data))]
        await twins.check("POST", "/api/v1/documents/upload", files=parts)
    await twins.check("POST", "/api/v1/documents/upload", files=[("file", ("a.md", data, "text/plain"))])


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("nul", "surrogate", "1 MB", "line ends")])
async def test_in_file_names(twins: Twins, name: str) -> None:
    filename = HOSTILE[name] + ".log"
    await twins.check("POST", "/api/v1/cases/CASE/turns", files=[("files", (filename, RUNBOOK, "text/plain"))])
    parts = [("file", (HOSTILE[name] + ".md", RUNBOOK, "text/plain"))]
    await twins.check("POST", "/api/v1/documents/upload", files=parts)


async def test_raw_bytes_in_file_names(twins: Twins) -> None:
    for raw in (b"a\0b.log", b"\xff\xfe.log", b"x" * 5000 + b".log", b"..\\..\\a.log", b"/etc/passwd.txt", b""):
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + raw + b'"\r\n\r\nhello\r\n--x--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        await twins.check("POST", "/api/v1/cases/CASE/turns", content=body, headers=headers)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_in_queries_paths_and_headers(twins: Twins, text: str) -> None:
    shown = text[:2000].encode(errors="surrogatepass")
    encoded = quote_from_bytes(shown, safe="")
    for path in (
        f"/api/v1/cases/search?query={encoded}",
        f"/api/v1/cases?state={encoded}&limit={encoded}&offset={encoded}",
        f"/api/v1/knowledge/search?query={encoded}",
        f"/api/v1/knowledge/search?query=disk&case_id={encoded}",
        f"/api/v1/documents?document_type={encoded}",
        f"/api/v1/cases/{encoded}",
        f"/api/v1/cases/{encoded}/messages",
        f"/api/v1/cases/CASE/uploaded-files/{encoded}",
        f"/api/v1/cases/CASE/reports/{encoded}",
        f"/api/v1/knowledge/documents/{encoded}",
        f"/api/v1/jobs/{encoded}",
        f"/api/v1/sessions/{encoded}",
    ):
        await twins.check("GET", path)
    raw = bytes(byte for byte in shown if byte not in b"\r\n\0")[:500]
    for header in (b"Idempotency-Key", b"X-Session-Id", b"X-Request-ID", b"Prefer", b"Origin"):
        await twins.check("POST", "/api/v1/cases", json={}, headers={header: raw})
