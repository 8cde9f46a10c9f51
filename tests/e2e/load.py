"""Clients that write, read back and remember what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

import httpx

from tests.e2e.server import Server
from tests.plain_http import NO_TLS

CLIENTS = 20
PAUSE = 0.05

Parts = list[tuple[str, tuple[str | None, str] | tuple[str, str, str]]]


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that was not answered as it should have been."""

    at: float
    request: str
    answer: str


@dataclass(slots=True)
class Remembered:
    """What a client was told of one of its cases."""

    title: str
    messages: int = 0


@dataclass(slots=True)
class Client:
    """One client with cases and documents of its own, so it knows what has to be there."""

    number: int
    http: httpx.Client
    load: Load
    cases: dict[str, Remembered] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    documents: dict[str, str] = field(default_factory=dict)
    chance: random.Random = field(default_factory=random.Random)

    def step(self, count: int) -> None:
        """One thing that a client does."""
        actions = (self.open, self.say, self.rename, self.read, self.read, self.list, self.search, self.upload)
        self.chance.choice([*actions, self.delete] if len(self.cases) > 3 else [*actions, self.open])(count)

    def ask(self, method: str, path: str, good: int, **content: object) -> httpx.Response | None:
        """The answer, if it is the right one."""
        began = time.monotonic()
        try:
            answer = self.http.request(method, path, **content)  # type: ignore[arg-type]
        except httpx.HTTPError as error:
            self.load.note(Failed(began, f"{method} {path}", repr(error)), time.monotonic() - began)
            return None
        failed = None
        if answer.status_code != good:
            failed = Failed(began, f"{method} {path}", f"{answer.status_code} {answer.text[:200]}")
        self.load.note(failed, time.monotonic() - began)
        return None if failed else answer

    def open(self, count: int) -> None:
        title = f"Case {self.number}/{count}"
        if answer := self.ask("POST", "/api/v1/cases", 201, json={"title": title}):
            self.cases[answer.json()["case_id"]] = Remembered(title)

    def say(self, count: int) -> None:
        if case_id := self._one():
            # What ends without an answer may have been written or not.
            known = self.cases.pop(case_id)
            parts: Parts = [("query", (None, f"The disk of host {count} is full"))]
            if self.ask("POST", f"/api/v1/cases/{case_id}/turns", 200, files=parts):
                known.messages += 2
                self.cases[case_id] = known

    def rename(self, count: int) -> None:
        if case_id := self._one():
            known = self.cases.pop(case_id)
            known.title = f"Renamed {self.number}/{count}"
            if self.ask("PUT", f"/api/v1/cases/{case_id}", 200, json={"title": known.title}):
                self.cases[case_id] = known

    def read(self, _: int) -> None:
        if case_id := self._one():
            self.check(case_id)

    def check(self, case_id: str) -> None:
        """Read the case, and compare it with what was acknowledged."""
        known = self.cases[case_id]
        answer = self.ask("GET", f"/api/v1/cases/{case_id}", 200)
        if answer and answer.json()["title"] != known.title:
            self.load.stale.append(f"{case_id} is called {answer.json()['title']}, not {known.title}")
        answer = self.ask("GET", f"/api/v1/cases/{case_id}/messages?limit=1", 200)
        if answer and answer.json()["total_count"] != known.messages:
            self.load.stale.append(f"{case_id} has {answer.json()['total_count']} messages, not {known.messages}")

    def list(self, _: int) -> None:
        self.ask("GET", "/api/v1/cases?limit=5", 200)

    def search(self, _: int) -> None:
        self.ask("GET", "/api/v1/knowledge/search?query=disk+full", 200)

    def upload(self, count: int) -> None:
        if len(self.documents) > 2:
            document_id = self.documents.popitem()[0]
            self.ask("DELETE", f"/api/v1/documents/{document_id}", 204)
            return
        text = f"# Host {self.number}-{count}\n\nWhen the disk is full, delete the oldest logs of client {self.number}."
        parts: Parts = [("file", (f"host-{self.number}-{count}.md", text, "text/markdown"))]
        if answer := self.ask("POST", "/api/v1/documents/upload", 201, files=parts):
            self.documents[answer.json()["document_id"]] = text

    def delete(self, _: int) -> None:
        if case_id := self._one():
            del self.cases[case_id]
            if self.ask("DELETE", f"/api/v1/cases/{case_id}", 204):
                self.deleted.append(case_id)

    def _one(self) -> str | None:
        return self.chance.choice(list(self.cases)) if self.cases else None


@dataclass(slots=True)
class Load:
    """All clients, each in a thread of its own."""

    server: Server
    requests: int = 0
    longest: float = 0.0
    failed: list[Failed] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, failed: Failed | None, seconds: float) -> None:
        """Count a request."""
        with self.lock:
            self.requests += 1
            self.longest = max(self.longest, seconds)
            if failed:
                self.failed.append(failed)

    def start(self, clients: int = CLIENTS) -> None:
        """Sign in as users who are new, one each, and begin."""
        for number in range(clients):
            http = httpx.Client(base_url=self.server.url, timeout=30, verify=NO_TLS)
            answer = http.post("/api/v1/auth/dev-login", json={"username": f"client{number}"})
            answer.raise_for_status()
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            self.clients.append(Client(number, http, self, chance=random.Random(number)))
            self.threads.append(threading.Thread(target=self._work, args=(self.clients[-1],)))
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """Let the last requests be answered."""
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not [thread for thread in self.threads if thread.is_alive()]

    def check(self, server: Server) -> None:
        """Everything that was acknowledged is there, as it was acknowledged."""
        self.server = server
        for client in self.clients:
            client.http.close()
            headers = client.http.headers
            with httpx.Client(base_url=server.url, timeout=30, headers=headers, verify=NO_TLS) as client.http:
                for case_id in client.cases:
                    client.check(case_id)
                for case_id in client.deleted:
                    client.ask("GET", f"/api/v1/cases/{case_id}", 404)
                answer = client.ask("GET", "/api/v1/documents?limit=100", 200)
            stored = {document["document_id"] for document in answer.json()["documents"]} if answer else set()
            self.stale += [f"document {document_id} is lost" for document_id in client.documents.keys() - stored]

    def close(self) -> None:
        """Let go of the connections."""
        for client in self.clients:
            client.http.close()

    def _work(self, client: Client) -> None:
        count = 0
        try:
            while not self.stop.is_set():
                count += 1
                client.step(count)
                time.sleep(PAUSE)
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self.broken.append(error)
