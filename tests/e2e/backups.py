"""Backups of a server under write load, each restored elsewhere: ``python -m tests.e2e.backups 20``."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.server import Server, run, serving

SETTINGS = {"EMBEDDING_TYPE": "hashing", "RATE_LIMIT_PER_MINUTE": "1000000"}
WRITERS = 3


class Load:
    """Writers that open cases, talk in them with files, and delete some; what was acknowledged is noted."""

    def __init__(self, server: Server) -> None:
        self.messages: Counter[str] = Counter()
        self.deleted: set[str] = set()
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._clients = [server.signed_in() for _ in range(WRITERS)]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The writers are at work in the block."""
        self._stop.clear()
        threads = [threading.Thread(target=self._write, args=(client,)) for client in self._clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def acknowledged(self) -> dict[str, int]:
        """Cases with their number of messages, of which no deletion was begun."""
        with self._lock:
            return {key: count for key, count in self.messages.items() if key not in self.deleted}

    def _write(self, client: httpx.Client) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                self._one_case(client, number)
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
                return

    def _one_case(self, client: httpx.Client, number: int) -> None:
        answer = client.post("/api/v1/cases", json={"title": f"Case {number} é 😀"})
        answer.raise_for_status()
        case_id = answer.json()["case_id"]
        with self._lock:
            self.messages[case_id] = 0
        for _ in range(2):
            log = f"12:00:0{number % 10} ERROR pool timeout {number}\n" * 50
            parts = [("query", (None, "Checkout answers 502.")), ("files", ("app.log", log.encode()))]
            answer = client.post(f"/api/v1/cases/{case_id}/turns", files=parts)
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                time.sleep(0.05)
                continue
            answer.raise_for_status()
            with self._lock:
                self.messages[case_id] += 2
        if number % 4 == 0:
            with self._lock:
                self.deleted.add(case_id)
            client.delete(f"/api/v1/cases/{case_id}").raise_for_status()


def check(number: int, folder: Path) -> list[dict[str, object]]:
    """Make so many backups of one server under load and restore each elsewhere; what each one held.

    Raises:
        AssertionError: a backup lacks something that was acknowledged before it began, or cannot be restored.
    """
    results: list[dict[str, object]] = []
    data = folder / "data"
    with serving(data, **SETTINGS) as server:
        load = Load(server)
        for index in range(number):
            before = load.acknowledged()
            path = folder / f"backup-{index}.zip"
            with load.writing():
                started = time.monotonic()
                made = run(data, "backup", str(path), "--json", **SETTINGS)
                seconds = time.monotonic() - started
            assert made.returncode == 0, made.stderr
            lately_deleted = load.deleted
            report = json.loads(made.stdout)
            assert not report["dangling"], report["dangling"]
            elsewhere = folder / f"elsewhere-{index}"
            restored = run(elsewhere, "restore", str(path), "--json", **SETTINGS)
            assert restored.returncode == 0, restored.stderr + restored.stdout[-2000:]
            assert json.loads(restored.stdout)["verified"]["clean"]
            stored = _messages(elsewhere)
            missing = {
                key: (count, stored.get(key))
                for key, count in before.items()
                if stored.get(key, -1) < count and key not in lately_deleted
            }
            assert not missing, missing
            assert not load.failures, load.failures
            results.append(
                {
                    "acknowledged": len(before),
                    "cases": report["members"]["cases"]["entities"],
                    "files": report["members"]["files"]["entities"],
                    "left_out": len(report["left_out"]),
                    "seconds": round(seconds, 2),
                }
            )
    return results


def _messages(data: Path) -> dict[str, int]:
    """The number of messages of each case, from the database itself."""
    with sqlite3.connect(data / "faultmaven.db") as database:
        rows = database.execute(
            "SELECT case_id, (SELECT count(*) FROM case_messages m WHERE m.case_id = c.case_id) FROM cases c"
        ).fetchall()
    database.close()
    return dict(rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for result in check(int(sys.argv[1]), Path(temporary)):
            print(result)  # noqa: T201
