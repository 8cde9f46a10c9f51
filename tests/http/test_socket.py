"""What the clients rely on, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn

from adapters.http.options import HttpOptions
from adapters.system.clock import SystemClock
from application.rate_limit import REQUESTS, RateLimit
from tests.http.world import ORIGIN, PASSWORD, World, assert_error
from tests.plain_http import NO_TLS

LOG = b"2025-03-01T09:20:00Z db-1 postgres: ERROR could not write: No space left on device\n" * 20


class Server(uvicorn.Server):
    """Uvicorn without signal handlers: the test ends it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(world: World) -> AsyncIterator[str]:
    """The base address of the application on a free port."""
    # Without the protocol asyncio does not switch off Nagle, and each answer waits 40 ms for an acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        server = Server(uvicorn.Config(world.app, log_config=None, access_log=False, lifespan="on"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(10):
                while not server.started:  # noqa: ASYNC110 - uvicorn tells it by this flag only
                    await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
            await world.aclose()


@pytest.fixture
async def served() -> AsyncIterator[tuple[World, str]]:
    world = World(clock=SystemClock(), options=HttpOptions(dev_login=True, max_file_bytes=1_000_000))
    async with serving(world) as url:
        yield world, url


async def sign_in(url: str, username: str) -> httpx.AsyncClient:
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS) as client:
        answer = await client.post("/api/v1/auth/dev-login", json={"username": username})
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "Origin": ORIGIN}
    return httpx.AsyncClient(base_url=url, verify=NO_TLS, headers=headers, timeout=30)


async def turn(client: httpx.AsyncClient, case_id: str, *, key: str | None = None, **fields: Any) -> httpx.Response:
    files = fields.pop("files", [])
    headers = {"Idempotency-Key": key} if key else {}
    if fields.pop("later", False):
        headers["Prefer"] = "respond-async"
    parts = [(name, (None, value)) for name, value in fields.items()] + [("files", file) for file in files]
    return await client.post(f"/api/v1/cases/{case_id}/turns", files=parts, headers=headers)


@pytest.mark.parametrize("later", [False, True])
async def test_the_journey_of_the_panel(served: tuple[World, str], *, later: bool) -> None:
    world, url = served
    await world.services.users.create_user(username="ada", password=PASSWORD)
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS, headers={"Origin": ORIGIN}, timeout=30) as client:
        # First run, before anybody has signed in.
        assert (await client.get("/v1/meta/capabilities")).status_code == 200
        assert (await client.post("/api/v1/sessions", json={"client_id": "c1"})).status_code == 401
        assert (await client.get("/api/v1/auth/config")).json()["auth_mode"] == "local"
        signed_in = (await client.post("/api/v1/auth/login", json={"username": "ada", "password": PASSWORD})).json()
        client.headers["Authorization"] = f"Bearer {signed_in['access_token']}"
        session = await client.post("/api/v1/sessions", json={"client_id": "c1", "timeout_minutes": 180})
        client.headers["X-Session-Id"] = session.json()["session_id"]
        assert (await client.get("/api/v1/auth/me")).json()["username"] == "ada"
        assert (await client.get("/api/v1/cases", params={"limit": 50})).json()["cases"] == []
        # A case, a text, a file, a paste, a suggestion.
        created = await client.post(
            "/api/v1/cases", json={"title": None, "priority": "low"}, headers={"Idempotency-Key": "opt_case_1_1"}
        )
        case_id = created.json()["case_id"]

        async def take(**fields: Any) -> dict[str, Any]:
            answer = await turn(client, case_id, later=later, **fields)
            if not later:
                assert answer.status_code == 200, answer.text
                return answer.json()
            assert answer.status_code == 202, answer.text
            for _ in range(200):
                job = (await client.get(answer.headers["Location"])).json()
                if job["status"] == "completed":
                    return job["result"]
                assert job["status"] == "running", job
                await asyncio.sleep(0.02)
            raise AssertionError("the job does not end")

        first = await take(query="The database db-1 refuses writes since 09:20: disk full", key="opt_msg_1_1")
        assert first["turn_number"] == 1
        second = await take(query="see the log", files=[("app.log", LOG, "text/plain")], key="opt_msg_1_2")
        assert second["attachments_processed"][0]["filename"] == "app.log"
        pasted = await take(pasted_content="df -h\n/var 100%", input_type="paste", key="opt_msg_1_3")
        assert pasted["attachments_processed"][0]["filename"].startswith("pasted-content-")
        decide = next(item for item in pasted["suggested_actions"] if item["type"] == "DECIDE")
        clicked = await take(
            query=decide["payload"], intent_type=decide["intent"]["type"], intent_data=json.dumps(decide["intent"])
        )
        assert clicked["turn_number"] == 4
        start = {"type": "status_transition", "from_state": "inquiry", "to_state": "investigating"}
        begun = await take(query="Start", intent_type="status_transition", intent_data=json.dumps(start))
        assert begun["case_state"] == "investigating"
        assert (await client.get(f"/api/v1/cases/{case_id}/ui")).json()["progress"]["current_stage"] == "diagnosis"
        # Details, title, rename, reload with the history from the server.
        assert (await client.get(f"/api/v1/cases/{case_id}/uploaded-files")).json()["total_count"] == 2
        title = await client.post(f"/api/v1/cases/{case_id}/title", json={"max_words": 8})
        assert title.json()["title"]
        assert title.headers["X-Title-Source"] in {"llm", "fallback", "existing"}
        assert (await client.put(f"/api/v1/cases/{case_id}", json={"title": "Disk full on db-1"})).status_code == 200
        history = (await client.get(f"/api/v1/cases/{case_id}/messages", params={"limit": 100})).json()
        assert history["total_count"] == 10
        assert [row["turn_number"] for row in history["messages"]] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
        assert (await client.get("/api/v1/cases", params={"limit": 100})).json()["cases"][0][
            "title"
        ] == "Disk full on db-1"
        beat = await client.post(f"/api/v1/sessions/{client.headers['X-Session-Id']}/heartbeat")
        assert beat.status_code == 200
        renewed = await client.post("/api/v1/auth/refresh", json={"refresh_token": signed_in["refresh_token"]})
        client.headers["Authorization"] = f"Bearer {renewed.json()['access_token']}"
        # Delete and sign out.
        assert (await client.delete(f"/api/v1/cases/{case_id}")).status_code == 204
        assert (await client.get("/api/v1/cases")).json()["total_count"] == 0
        assert (await client.post("/api/v1/auth/logout")).json()["all_sessions_ended"] is True
        assert_error(await client.get("/api/v1/cases"), 401)


async def test_the_journey_of_the_dashboard(served: tuple[World, str]) -> None:
    _, url = served
    async with await sign_in(url, "grace") as client:
        for collection, upload in (
            ("/api/v1/documents", "/api/v1/documents/upload"),
            ("/api/v1/admin/kb/documents", "/api/v1/admin/kb/documents"),
        ):
            page = {"limit": 20, "offset": 0}
            assert (await client.get(collection, params=page)).json()["documents"] == []
            made = await client.post(
                upload,
                data={"title": "Disk full", "document_type": "guide", "tags": "disk"},
                files={"file": ("disk.md", b"# Disk full\n\nFind what grows.", "text/markdown")},
            )
            assert made.status_code == 201
            (row,) = (await client.get(collection, params=page)).json()["documents"]
            assert row["document_id"] == made.json()["document_id"]
            assert (await client.delete(f"{collection}/{row['document_id']}")).status_code == 204
        assert (await client.post("/v1/auth/logout")).status_code == 200
        assert_error(await client.get("/api/v1/documents"), 401)


async def test_errors_reach_the_client_with_their_status_and_cors(served: tuple[World, str]) -> None:
    world, url = served
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS, headers={"Origin": ORIGIN}) as client:
        refused = await client.post("/api/v1/auth/login", json={"username": "ada", "password": "wrong one"})
        assert_error(refused, 401)
        assert refused.headers["access-control-allow-origin"] == ORIGIN
    async with await sign_in(url, "ada") as client:
        case_id = (await client.post("/api/v1/cases", json={})).json()["case_id"]
        answers = {
            409: await turn(
                client, case_id, query="x", intent_type="status_transition", intent_data='{"to_state": "resolved"}'
            ),
            422: await turn(client, case_id, query="   "),
            404: await client.get("/api/v1/cases/case_000000000000"),
            400: await client.post("/api/v1/cases", json={}, headers={"Idempotency-Key": "x"}),
        }
        world.cases.failure = ZeroDivisionError("bug")
        answers[500] = await client.get(f"/api/v1/cases/{case_id}")
        world.cases.failure = None
        for status, answer in answers.items():
            assert_error(answer, status)
            assert answer.headers["access-control-allow-origin"] == ORIGIN
        # An expired or made-up session does not sign anybody out.
        stale = await client.get("/api/v1/cases", headers={"X-Session-Id": "sess_" + "0" * 32})
        assert stale.status_code == 200
        # Only a bad token does.
        hard = await client.get("/api/v1/cases", headers={"Authorization": "Bearer fm_at_made_up"})
        assert "session" not in assert_error(hard, 401)["detail"].lower()
        assert (await client.get("/api/v1/cases")).status_code == 200


async def test_429_once_then_it_works_again() -> None:
    world = World(clock=SystemClock(), limits={REQUESTS: RateLimit(1, timedelta(seconds=1))})
    async with serving(world) as url, await sign_in(url, "ada") as client:
        for _ in range(20):
            answer = await client.get("/api/v1/cases")
            if answer.status_code == 429:
                break
        assert_error(answer, 429, "RATE_LIMITED")
        assert answer.headers["Retry-After"] == "1"
        await asyncio.sleep(int(answer.headers["Retry-After"]))
        assert (await client.get("/api/v1/cases")).status_code == 200


async def test_keys_belong_to_users_and_a_pair_is_one_case(served: tuple[World, str]) -> None:
    _, url = served
    headers = {"Idempotency-Key": "opt_case_1795300218654_1"}
    async with await sign_in(url, "ada") as ada, await sign_in(url, "bob") as bob:
        pair = await asyncio.gather(*(ada.post("/api/v1/cases", json={}, headers=headers) for _ in range(8)))
        assert {answer.status_code for answer in pair} == {201}
        assert len({answer.content for answer in pair}) == 1
        again = await ada.post("/api/v1/cases", json={}, headers=headers)
        assert again.content == pair[0].content
        other = await bob.post("/api/v1/cases", json={}, headers=headers)
        assert other.json()["case_id"] != again.json()["case_id"]
        assert (await ada.get("/api/v1/cases")).json()["total_count"] == 1
        case_id = again.json()["case_id"]
        turns = await asyncio.gather(*(turn(ada, case_id, query="hello", key="opt_msg_1_1") for _ in range(4)))
        assert len({answer.content for answer in turns}) == 1
        assert (await ada.get(f"/api/v1/cases/{case_id}/messages")).json()["total_count"] == 2


async def test_a_preflight_is_answered(served: tuple[World, str]) -> None:
    _, url = served
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,x-session-id",
    }
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS) as client:
        answer = await client.options("/api/v1/cases/case_000000000000/turns", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_a_file_is_refused_while_the_client_still_sends(served: tuple[World, str]) -> None:
    _, url = served
    async with await sign_in(url, "ada") as client:
        case_id = (await client.post("/api/v1/cases", json={})).json()["case_id"]
        token = client.headers["Authorization"]
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        announced = 1_000_000_000
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.log"\r\n\r\n'
        writer.write(
            f"POST /api/v1/cases/{case_id}/turns HTTP/1.1\r\nHost: test\r\nAuthorization: {token}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {announced}\r\n\r\n".encode()
        )
        writer.write(part + b"y" * 1_200_000)
        async with asyncio.timeout(10):
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_client_that_goes_away_leaves_nothing_behind(served: tuple[World, str]) -> None:
    world, url = served
    async with await sign_in(url, "ada") as client:
        case_id = (await client.post("/api/v1/cases", json={})).json()["case_id"]
        token = client.headers["Authorization"]
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(
            f"POST /api/v1/cases/{case_id}/turns HTTP/1.1\r\nHost: test\r\nAuthorization: {token}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000\r\n\r\n--x\r\n".encode()
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await client.get(f"/api/v1/cases/{case_id}/messages")).json()["total_count"] == 0
        for _ in range(200):
            if 'status="499"' in world.app.state.metrics.render().decode():
                break
            await asyncio.sleep(0.01)
        assert 'status="499"' in world.app.state.metrics.render().decode()
        assert 'status="500"' not in world.app.state.metrics.render().decode()
