"""The server as a process of its own, started the way a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bootstrap.configuration import VARIABLES
from tests.plain_http import NO_TLS, answers

PASSWORD = "correct-horse-battery"
START_SECONDS = 180.0


@dataclass(slots=True)
class Server:
    """A running server, what it was started with and where it answers."""

    process: subprocess.Popen[str]
    url: str
    environment: Mapping[str, str]
    log: Path
    clients: ExitStack

    def client(self, **headers: str) -> httpx.Client:
        """A client without a token, closed with the server."""
        return self.clients.enter_context(httpx.Client(base_url=self.url, timeout=60, headers=headers, verify=NO_TLS))

    def signed_in(self, username: str = "admin", password: str = PASSWORD) -> httpx.Client:
        """A client with the token of a user."""
        client = self.client()
        answer = client.post("/api/v1/auth/login", json={"username": username, "password": password})
        answer.raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def wait_for_log(self, text: str) -> None:
        """Wait until the log has this text."""
        deadline = time.monotonic() + START_SECONDS
        while text not in self.log.read_text():
            if time.monotonic() > deadline:
                raise AssertionError(f"the log does not say {text!r}:\n{self.log.read_text()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a power cut would end it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it as an operator does; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)


def environment(data: Path, **settings: str) -> dict[str, str]:
    """The process environment with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return {
        **inherited,
        "FAULTMAVEN_DATA_DIR": str(data),
        "AUTH_INITIAL_ADMIN_PASSWORD": PASSWORD,
        "LOG_FORMAT": "json",
        **settings,
    }


def command(*words: str) -> list[str]:
    """The console script of this environment."""
    return [str(Path(sys.executable).with_name("faultmaven")), *words]


def run(data: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return subprocess.run(
        command(*words), env=environment(data, **settings), cwd=data.parent, capture_output=True, text=True, check=False
    )


@contextmanager
def serving(data: Path, *options: str, **settings: str) -> Iterator[Server]:
    """A server on a free port, until the end of the block; it answers when the block begins."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    known = environment(data, FAULTMAVEN_PORT=str(port), **settings)
    log = data.parent / f"server-{port}.log"
    with log.open("w") as output, ExitStack() as clients:
        process = subprocess.Popen(
            command("serve", *options), env=known, cwd=data.parent, stdout=output, stderr=subprocess.STDOUT, text=True
        )
        server = Server(process, f"http://127.0.0.1:{port}", known, log, clients)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=15)


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise AssertionError(f"the server ended:\n{server.log.read_text()}")
        if answers(f"{server.url}/readyz"):
            return
        time.sleep(0.05)
    raise AssertionError(f"the server is not ready after {START_SECONDS} s:\n{server.log.read_text()}")


def turn(client: httpx.Client, case_id: str, query: str, **fields: Any) -> dict[str, Any]:
    """One turn of a case, sent as a browser sends it."""
    files = fields.pop("files", [])
    parts = [("query", (None, query)), *((name, (None, value)) for name, value in fields.items()), *files]
    answer = client.post(f"/api/v1/cases/{case_id}/turns", files=parts)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result
