"""Several processes on one address: nothing that a client relies on lives in one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.server import PASSWORD, Server, run, serving
from tests.e2e.stores import appendix_b
from tests.plain_http import NO_TLS, answers

WORKERS = 3


@pytest.fixture(scope="module")
def stores() -> Iterator[dict[str, str]]:
    """Services for all data."""
    with appendix_b("production") as settings:
        yield settings | {"USER_STORAGE_TYPE": "postgres", "USERS_DB_URL": settings["CASES_DB_URL"]}


@pytest.fixture
def server(stores: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    """A server of several processes."""
    settings = stores | {"EMBEDDING_TYPE": "hashing", "CHROMADB_COLLECTION": f"kb_{tmp_path.name[:40]}_x"}
    with serving(tmp_path / "data", FAULTMAVEN_WORKERS=str(WORKERS), RATE_LIMIT_PER_MINUTE="100000", **settings) as it:
        wait_until(lambda: len(workers_of(it)) == WORKERS)
        yield it


def workers_of(server: Server) -> list[psutil.Process]:
    """The processes that serve."""
    return [child for child in psutil.Process(server.process.pid).children() if _serves(child)]


def _serves(process: psutil.Process) -> bool:
    try:
        return "bootstrap.worker" in process.cmdline()
    except psutil.NoSuchProcess:
        # It has just ended; a zombie counts as such.
        return False


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def separately(server: Server, count: int, request: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
    """Answers to requests that go out at once, each on a connection of its own, so that different processes answer."""
    headers = dict(server.signed_in().headers)

    def one(_: int) -> httpx.Response:
        with httpx.Client(base_url=server.url, headers=headers, timeout=60, verify=NO_TLS) as client:
            return request(client)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_what_clients_rely_on_is_shared(server: Server) -> None:
    """Tokens, idempotency keys, sessions, background jobs and figures."""
    key = {"Idempotency-Key": "the_same_key_1"}
    opened = separately(server, 20, lambda client: client.post("/api/v1/cases", json={"title": "Once"}, headers=key))
    assert {answer.status_code for answer in opened} == {201}
    assert len({answer.json()["case_id"] for answer in opened}) == 1
    case_id = opened[0].json()["case_id"]

    session = server.signed_in().post("/api/v1/sessions", json={"client_id": "browser-1"}).json()["session_id"]
    seen = separately(server, 12, lambda client: client.get(f"/api/v1/sessions/{session}"))
    assert {answer.status_code for answer in seen} == {200}

    started = server.signed_in().post(
        f"/api/v1/cases/{case_id}/turns", files=[("query", (None, "disk full"))], headers={"Prefer": "respond-async"}
    )
    assert started.status_code == 202
    asked = separately(server, 12, lambda client: client.get(started.headers["Location"]))
    assert {answer.status_code for answer in asked} <= {200, 202, 303}

    def counted() -> int:
        lines = httpx.get(f"{server.url}/metrics").text.splitlines()
        mine = [line for line in lines if line.startswith("fm_http_requests_total") and "sessions/{session_id}" in line]
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in mine))

    assert {counted() for _ in range(8)} == {12}
    assert "fm_build_info" in httpx.get(f"{server.url}/metrics").text


def test_requests_are_limited_together(stores: dict[str, str], tmp_path: Path) -> None:
    """The limit is one for all processes, not one for each."""
    # With keys of its own: what other tests have asked in this minute does not count.
    settings = stores | {"EMBEDDING_TYPE": "hashing", "CHROMADB_COLLECTION": "limited", "REDIS_KEY_PREFIX": "limited:"}
    with serving(tmp_path / "data", FAULTMAVEN_WORKERS=str(WORKERS), RATE_LIMIT_PER_MINUTE="40", **settings) as server:
        wait_until(lambda: len(workers_of(server)) == WORKERS)
        second = 60 - time.time() % 60
        time.sleep(second + 0.1 if second < 20 else 0)
        replies = separately(server, 60, lambda client: client.get("/api/v1/auth/me"))
    codes = [reply.status_code for reply in replies]
    assert set(codes) == {200, 429}
    assert codes.count(200) <= 40
    assert all("Retry-After" in reply.headers for reply in replies if reply.status_code == 429)


def test_a_process_that_dies_is_replaced(server: Server) -> None:
    """The others go on, and its place is filled."""
    before = {child.pid for child in workers_of(server)}
    victim = workers_of(server)[0]
    victim.kill()
    wait_until(lambda: len(workers_of(server)) == WORKERS and victim.pid not in {p.pid for p in workers_of(server)})
    assert len(before & {child.pid for child in workers_of(server)}) == WORKERS - 1
    wait_until(lambda: answers(f"{server.url}/readyz"))
    assert '"worker_died"' in server.log.read_text()
    replies = separately(server, 12, lambda client: client.get("/api/v1/auth/me"))
    assert {reply.status_code for reply in replies} == {200}


def test_all_end_together(server: Server) -> None:
    """On a signal in order; if the first process is killed, the others notice."""
    children = workers_of(server)
    assert server.stop() == 0
    assert not [child for child in children if child.is_running()]


def test_nobody_outlives_the_first_process(server: Server) -> None:
    """Else they would keep the address."""
    children = workers_of(server)
    server.kill()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert alive == []


def test_one_start_explains_what_is_wrong(stores: dict[str, str], tmp_path: Path) -> None:
    """A backend that is away is named once, not by each process."""
    away = stores | {"REDIS_URL": "redis://127.0.0.1:1", "EMBEDDING_TYPE": "hashing"}
    refused = run(tmp_path / "data", "serve", "--workers", "3", **away)
    assert refused.returncode == 69
    assert refused.stderr.count("SESSION_STORAGE_TYPE=redis") == 1
    assert "127.0.0.1:1" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_files_of_one_process_are_not_shared(tmp_path: Path) -> None:
    """More than one process is refused where the data belongs to one."""
    refused = run(tmp_path / "data", "serve", "--workers", "2")
    assert refused.returncode == 78
    assert "CASE_STORAGE_TYPE=sqlite" in refused.stderr
    assert PASSWORD not in refused.stderr
