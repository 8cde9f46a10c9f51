"""PostgreSQL, Redis and Chroma are killed and come back while 20 clients work.

What a client sees is a success or "try again later", and soon; what was acknowledged is still there; the backend itself
is never restarted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Server, serving
from tests.plain_http import NO_TLS
from tests.servers.chroma import ChromaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerProcess
from tests.servers.redis import RedisServer

CLIENTS = 20
BEFORE, AWAY, AFTER = 1.5, 2.0, 2.5
LONGEST_ANSWER = 5.0
FIRST_SUCCESS = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and its answer; instants of `time.monotonic`."""

    began: float
    ended: float
    status: int
    retry_after: str | None


@dataclass(slots=True)
class Load:
    """Clients that open cases, read them and search the knowledge, each request as soon as the last is answered."""

    server: Server
    token: str
    asked: list[Asked] = field(default_factory=list)
    opened: dict[str, str] = field(default_factory=dict)
    failed: list[Exception] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for number in range(CLIENTS):
            self.threads.append(threading.Thread(target=self.work, args=(number,)))
            self.threads[-1].start()

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(30)
        assert not [thread for thread in self.threads if thread.is_alive()]

    def work(self, number: int) -> None:
        headers = {"Authorization": self.token}
        count = 0
        try:
            with httpx.Client(base_url=self.server.url, headers=headers, timeout=30, verify=NO_TLS) as client:
                while not self.stop.is_set():
                    count += 1
                    self.one(client, f"Case {number}/{count}", count)
                    time.sleep(0.02)
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self.failed.append(error)

    def one(self, client: httpx.Client, title: str, count: int) -> None:
        began = time.monotonic()
        if count % 3 == 0:
            answer = client.get("/api/v1/knowledge/search", params={"query": "disk full"})
        elif count % 3 == 1:
            answer = client.post("/api/v1/cases", json={"title": title})
        else:
            answer = client.get("/api/v1/cases", params={"limit": 5})
        self.asked.append(Asked(began, time.monotonic(), answer.status_code, answer.headers.get("Retry-After")))
        if answer.status_code == 201:
            self.opened[answer.json()["case_id"]] = title


@dataclass(slots=True)
class Installation:
    """A backend and its servers."""

    backend: Server
    servers: dict[str, ServerProcess]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("restart")
    with ExitStack() as stack:
        postgres, redis, chroma = PostgresServer(), RedisServer(durable=True), ChromaServer()
        for server in (postgres, redis, chroma):
            stack.callback(server.remove)
            server.start()
        backend = stack.enter_context(
            serving(
                folder / "data",
                CASE_STORAGE_TYPE="postgres",
                USER_STORAGE_TYPE="postgres",
                SESSION_STORAGE_TYPE="redis",
                CASES_DB_URL=postgres.dsn(),
                USERS_DB_URL=postgres.dsn(),
                REDIS_URL=redis.url,
                CHROMADB_URL=chroma.url,
                EMBEDDING_TYPE="hashing",
                RATE_LIMIT_PER_MINUTE="1000000",
            )
        )
        backend.wait_for_log("knowledge_is_current")
        yield Installation(backend, {"postgres": postgres, "redis": redis, "chroma": chroma})


@pytest.mark.timed
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["postgres", "redis", "chroma"])
def test_a_server_is_killed_and_comes_back_under_load(name: str, installation: Installation) -> None:
    backend, victim = installation.backend, installation.servers[name]
    client = backend.signed_in()
    load = Load(backend, client.headers["Authorization"])
    load.start()
    try:
        time.sleep(BEFORE)
        killed = time.monotonic()
        victim.kill()
        time.sleep(AWAY)
        victim.start()
        back = time.monotonic()
        time.sleep(AFTER)
    finally:
        load.end()
    assert load.failed == []
    assert backend.process.poll() is None

    refused = [item for item in load.asked if item.status == 503]
    assert {item.status for item in load.asked} <= {200, 201, 503}
    assert all(item.retry_after for item in refused)
    assert max(item.ended - item.began for item in load.asked) <= LONGEST_ANSWER
    # Without the vectors, the knowledge is searched by words.
    assert bool(refused) == (name != "chroma")
    assert all(killed - 0.1 <= item.ended for item in refused)
    after = [item for item in load.asked if item.began >= back and item.status < 300]
    assert min(item.ended for item in after) - back <= FIRST_SUCCESS
    assert not [item for item in refused if item.began > back + FIRST_SUCCESS]

    stored: dict[str, str] = {}
    while page := client.get("/api/v1/cases", params={"limit": 100, "offset": len(stored)}).json()["cases"]:
        stored |= {case["case_id"]: case["title"] for case in page}
    assert len(load.opened) > CLIENTS
    assert load.opened.items() <= stored.items()
    assert client.get("/readyz").json() == {"status": "ok", "problems": []}
