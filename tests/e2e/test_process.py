"""The process: it starts, says how to sign in, keeps what it acknowledged, and stops in order."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.server import PASSWORD, Server, command, environment, run, serving, turn

SAVES = 200
LIGHT = {"EMBEDDING_TYPE": "hashing", "VECTOR_STORAGE_TYPE": "inmemory"}
"""For what has nothing to do with vectors: starts at once."""
SPOIL_REVISION = """
import sqlite3
import sys

connection = sqlite3.connect(sys.argv[1])
connection.execute("update alembic_version set version_num = '9999'")
connection.commit()
connection.close()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_first_start_prints_how_to_sign_in_and_the_second_does_not_repeat_it(data: Path) -> None:
    with serving(data, **LIGHT, AUTH_INITIAL_ADMIN_PASSWORD="") as server:
        printed = re.search(r"Sign in as admin with the password (\S+) \(shown only now", server.log.read_text())
        assert printed
        me = server.signed_in(password=printed[1]).get("/api/v1/auth/me").json()
        assert me["username"] == "admin"
        assert "admin" in me["roles"]
        assert "setup plugin" not in server.log.read_text()
    with serving(data, **LIGHT, AUTH_INITIAL_ADMIN_PASSWORD="") as server:
        assert "with the password" not in server.log.read_text()
        server.signed_in(password=printed[1])


def test_what_a_server_had_in_memory_is_kept_in_an_archive(data: Path, tmp_path: Path) -> None:
    """From the profile development to singlenode."""
    archive = tmp_path / "kept.zip"
    with serving(data, "--archive", str(archive), FAULTMAVEN_PROFILE="development") as server:
        client = server.client()
        token = client.post("/api/v1/auth/dev-login", json={"username": "grace"}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        case_id = client.post("/api/v1/cases", json={"title": "Worth keeping"}).json()["case_id"]
        turn(client, case_id, "The gateway answers 502")
        assert server.stop() == 0, server.log.read_text()
        assert f"Everything is in {archive}" in server.log.read_text()
    restored = run(data, "restore", str(archive), **LIGHT)
    assert restored.returncode == 0, restored.stderr
    shown = run(data, "case", "show", case_id, **LIGHT)
    assert "owned by grace" in shown.stdout
    assert "The gateway answers 502" in shown.stdout
    refused = run(data, "serve", "--archive", str(archive), **LIGHT)
    assert refused.returncode == 78
    assert "exists already" in refused.stderr


def test_sigterm_finishes_the_requests_in_flight_and_exits_0(data: Path) -> None:
    with serving(data, **LIGHT) as server:
        client = server.signed_in()
        case_id = client.post("/api/v1/cases", json={}).json()["case_id"]
        answers: list[int] = []

        def slow_upload() -> None:
            def pieces() -> object:
                boundary = b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\n'
                yield boundary
                uploading.set()
                for _ in range(10):
                    time.sleep(0.1)
                    yield b"the database is slow "
                yield b"\r\n--b--\r\n"

            answer = client.post(
                f"/api/v1/cases/{case_id}/turns",
                content=pieces(),  # type: ignore[arg-type]
                headers={"Content-Type": "multipart/form-data; boundary=b"},
            )
            answers.append(answer.status_code)

        uploading = threading.Event()
        uploader = threading.Thread(target=slow_upload)
        uploader.start()
        assert uploading.wait(10)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        uploader.join(10)
    assert answers == [200]


def test_second_process_on_the_data_folder_is_refused(data: Path) -> None:
    with serving(data, **LIGHT) as server:
        for words in (("serve",), ("knowledge", "search", "disk")):
            refused = run(data, *words, FAULTMAVEN_PORT="0" if words != ("serve",) else "18999")
            assert refused.returncode in (75, 78)
        refused = run(data, "serve", FAULTMAVEN_PORT="18999")
        assert refused.returncode == 75
        assert f"in use by process {server.process.pid} (faultmaven serve, since" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_port_in_use_is_explained(data: Path) -> None:
    with serving(data, **LIGHT) as server:
        refused = run(data.parent / "other", "serve", FAULTMAVEN_PORT=server.environment["FAULTMAVEN_PORT"])
        assert refused.returncode == 75
        assert "FAULTMAVEN_PORT: cannot listen on 127.0.0.1 port" in refused.stderr


def test_newer_database_is_refused(data: Path) -> None:
    assert run(data, "case", "list").returncode == 0
    subprocess.run(
        [
            sys.executable,
            "-c",
            SPOIL_REVISION,
            str(data / "faultmaven.db"),
        ],
        check=True,
    )
    refused = run(data, "serve")
    assert refused.returncode == 69
    assert "CASE_STORAGE_TYPE=sqlite" in refused.stderr
    assert "newer" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_everything_acknowledged_survives_kill_9(data: Path) -> None:
    with serving(data, EMBEDDING_TYPE="hashing") as server:
        client = server.signed_in()
        session = client.post("/api/v1/sessions", json={"client_id": "a-browser"}).json()["session_id"]
        talked = client.post("/api/v1/cases", json={"title": "Talked about"}).json()["case_id"]
        log = b"2026-03-01T09:20:00Z ERROR disk full: No space left on device\n" * 50
        answer = turn(client, talked, "The disk of db-1 is full", files=[("files", ("app.log", log, "text/plain"))])
        uploaded = answer["attachments_processed"][0]["file_id"]
        acknowledged: dict[str, str] = {}
        enough = threading.Event()

        def save(number: int) -> None:
            try:
                made = client.post("/api/v1/cases", json={"title": f"Case number {number}"})
            except httpx.TransportError:
                return
            if made.status_code == 201:
                acknowledged[made.json()["case_id"]] = made.json()["title"]
                if len(acknowledged) >= SAVES // 2:
                    enough.set()

        with ThreadPoolExecutor(8) as pool:
            saves = [pool.submit(save, number) for number in range(SAVES)]
            assert enough.wait(60)
            server.kill()
            for item in saves:
                item.result()
    assert SAVES // 2 <= len(acknowledged) < SAVES + 1

    with serving(data, EMBEDDING_TYPE="hashing") as server:
        again = server.signed_in()
        # The token and the session of before are still good.
        assert client.headers["Authorization"]
        again.headers["Authorization"] = client.headers["Authorization"]
        resumed = again.post("/api/v1/sessions", json={"client_id": "a-browser"}).json()
        assert (resumed["session_id"], resumed["session_resumed"]) == (session, True)
        for case_id, title in acknowledged.items():
            assert again.get(f"/api/v1/cases/{case_id}").json()["title"] == title
        messages = again.get(f"/api/v1/cases/{talked}/messages").json()["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"]
        files = again.get(f"/api/v1/cases/{talked}/uploaded-files").json()["files"]
        assert [(item["file_id"], item["size_bytes"]) for item in files] == [(uploaded, len(log))]
        server.wait_for_log("knowledge_is_current")
    _assert_healthy(data)


def test_chroma_ends_with_a_killed_server(data: Path) -> None:
    with serving(data, EMBEDDING_TYPE="hashing") as server:
        children = psutil.Process(server.process.pid).children(recursive=True)
        # The one that was started ahead, and no other.
        assert len(children) == 1
        server.kill()
        _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def test_logs_are_json_without_secrets_or_bodies(data: Path) -> None:
    with serving(data, **LIGHT) as server:
        client = server.signed_in()
        case_id = client.post("/api/v1/cases", json={"title": "Quiet"}).json()["case_id"]
        turn(client, case_id, "the secret phrase is swordfish")
        token = client.headers["Authorization"].removeprefix("Bearer ")
    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "http_request"]
    assert {"request_id", "method", "route", "status", "duration_ms"} <= set(requests[-1])
    for secret in (PASSWORD, token, "swordfish"):
        assert secret not in text


def test_new_connections_do_not_wait_for_one_round_of_all_others_each(data: Path) -> None:
    """Of libuv, a socket that listens gives one connection, and then everybody else's requests are answered."""
    busy, new = 32, 32
    answers = 0
    waits: list[int] = []
    crowded = asyncio.Event()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"}")
        answers += 1
        if answers > 20 * busy:
            crowded.set()

    async def go_on_asking(port: int) -> None:
        connection = await asyncio.open_connection("127.0.0.1", port)
        while len(waits) < new:
            await ask(*connection)
        connection[1].close()

    async def join(port: int) -> None:
        before = answers
        connection = await asyncio.open_connection("127.0.0.1", port)
        await ask(*connection)
        waits.append(answers - before)
        connection[1].close()

    async def crowd(port: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(busy):
                group.create_task(go_on_asking(port))
            await crowded.wait()
            for _ in range(new):
                group.create_task(join(port))

    with serving(data, **LIGHT) as server:
        asyncio.run(crowd(int(server.url.rpartition(":")[2])))
    assert max(waits) < 10 * busy, sorted(waits)


def test_ctrl_c_stops_in_order(data: Path) -> None:
    with serving(data, **LIGHT) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=15) == 0
    assert '"stopped"' in server.log.read_text()


def _assert_healthy(data: Path) -> None:
    examined = run(data, "doctor", "--deep", "--json", EMBEDDING_TYPE="hashing")
    findings = json.loads(examined.stdout)
    assert [item for item in findings if item["verdict"] != "ok"] == []
    assert examined.returncode == 0


__all__ = ["Server", "command", "environment"]
