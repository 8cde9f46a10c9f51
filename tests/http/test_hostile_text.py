"""Hostile text through every text field: accepted or refused, never a failure of the server."""

import json
from typing import Any

import pytest

from tests.http.test_documents import RUNBOOK
from tests.http.world import PASSWORD, Person, World

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


async def _check(person: Person, method: str, path: str, **request: Any) -> None:
    answer = await person.http.request(method, path, **request)
    assert answer.status_code < 500, (method, path, answer.text[:500])
    if answer.status_code >= 400:
        assert isinstance(answer.json()["detail"], str)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_in_json_bodies(world: World, ada: Person, text: str) -> None:
    case_id = await ada.open_case()
    bodies: list[tuple[str, str, list[str]]] = [
        ("POST", "/api/v1/auth/login", ["username", "password"]),
        ("POST", "/api/v1/auth/dev-login", ["username"]),
        ("POST", "/api/v1/auth/register", ["username", "email", "display_name", "password"]),
        ("POST", "/api/v1/auth/refresh", ["refresh_token"]),
        ("POST", "/api/v1/sessions", ["client_id", "session_type", "timeout_minutes", "metadata"]),
        ("POST", "/api/v1/cases", ["title", "description", "priority", "source", "initial_message", "follows_case_id"]),
        ("PUT", f"/api/v1/cases/{case_id}", ["title"]),
        ("POST", f"/api/v1/cases/{case_id}/title", ["hint", "max_words"]),
        ("POST", f"/api/v1/cases/{case_id}/reports", ["report_type"]),
    ]
    good = {"username": "eve", "password": PASSWORD, "title": "ok"}
    for method, path, fields in bodies:
        for field in fields:
            body = {**{name: value for name, value in good.items() if name in fields}, field: text}
            await _check(ada, method, path, content=_raw(body), headers=JSON)
    await _check(ada, "POST", "/api/v1/sessions", content=_raw({"metadata": {text: text}}), headers=JSON)


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
async def test_numbers_in_json_bodies(ada: Person, number: Any) -> None:
    case_id = await ada.open_case()
    await _check(ada, "POST", "/api/v1/sessions", content=_raw({"timeout_minutes": number}), headers=JSON)
    await _check(ada, "POST", "/api/v1/sessions", content=_raw({"metadata": {"n": number}}), headers=JSON)
    await _check(ada, "POST", f"/api/v1/cases/{case_id}/title", content=_raw({"max_words": number}), headers=JSON)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_in_forms(ada: Person, text: str) -> None:
    case_id = await ada.open_case()
    data = text.encode(errors="surrogatepass")
    turn = f"/api/v1/cases/{case_id}/turns"
    for field in ("query", "pasted_content", "input_type", "source_url", "intent_type", "intent_data", "other"):
        await _check(ada, "POST", turn, files=[("query", (None, b"hello there")), (field, (None, data))])
    await _check(ada, "POST", turn, files=[("files", ("a.log", data, "text/plain"))])
    decision = _raw({"decision": {"kind": "close", "reason": text}})
    await _check(ada, "POST", turn, files=[("query", (None, b"x")), ("intent_data", (None, decision))])
    for field in ("title", "document_type", "tags", "description", "source_url", "category"):
        parts = [("file", ("a.md", RUNBOOK, "text/plain")), (field, (None, data))]
        await _check(ada, "POST", "/api/v1/documents/upload", files=parts)
    await _check(ada, "POST", "/api/v1/documents/upload", files=[("file", ("a.md", data, "text/plain"))])


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("nul", "surrogate", "1 MB", "line ends")])
async def test_in_file_names(ada: Person, name: str) -> None:
    case_id = await ada.open_case()
    filename = HOSTILE[name] + ".log"
    await _check(ada, "POST", f"/api/v1/cases/{case_id}/turns", files=[("files", (filename, RUNBOOK, "text/plain"))])
    parts = [("file", (HOSTILE[name] + ".md", RUNBOOK, "text/plain"))]
    await _check(ada, "POST", "/api/v1/documents/upload", files=parts)


async def test_raw_bytes_in_file_names(ada: Person) -> None:
    case_id = await ada.open_case()
    for raw in (b"a\0b.log", b"\xff\xfe.log", b"x" * 5000 + b".log", b"..\\..\\a.log", b"/etc/passwd.txt", b""):
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + raw + b'"\r\n\r\nhello\r\n--x--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        await _check(ada, "POST", f"/api/v1/cases/{case_id}/turns", content=body, headers=headers)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_in_queries_paths_and_headers(ada: Person, text: str) -> None:
    from urllib.parse import quote_from_bytes

    case_id = await ada.open_case()
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
        f"/api/v1/cases/{case_id}/uploaded-files/{encoded}",
        f"/api/v1/cases/{case_id}/reports/{encoded}",
        f"/api/v1/knowledge/documents/{encoded}",
        f"/api/v1/jobs/{encoded}",
        f"/api/v1/sessions/{encoded}",
    ):
        await _check(ada, "GET", path)
    raw = bytes(byte for byte in shown if byte not in b"\r\n\0")[:500]
    for header in (b"Idempotency-Key", b"X-Session-Id", b"X-Request-ID", b"Prefer", b"Origin"):
        answer = await ada.http.post("/api/v1/cases", json={}, headers={header: raw})
        assert answer.status_code < 500
