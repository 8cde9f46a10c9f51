"""Measures the backend as a process, with what a laptop has: ``python -m benchmarks.process [SECONDS]``.

The start with its data there, the memory with Chroma and the ONNX model loaded, requests under load, and where the time
of a read goes. Writes docs/benchmarks/process.md.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median

import httpx
import uvloop

from benchmarks.harness.environment import Environment
from benchmarks.harness.memory import resident_with_children
from benchmarks.pages import OUTPUT
from benchmarks.process import bare
from benchmarks.process.client import Load, http, load
from benchmarks.process.inside import READ as WHOLE
from tests.e2e.server import PASSWORD, Server, serving, turn
from tests.servers.process import ServerProcess

STARTS = 5
CLIENTS = (1, 8, 64)
SPEAKERS = 8
"""So many people take a turn a second each, for `PACED` times as long: each turn is to be one of a hundred at least."""
PACED = 3
READ = "read a case"
TURN = "take a turn"
PROBE = "ask whether it lives, 100 times a second"
BARE = "bare endpoint, the same bytes"
REPEATS = 5
"""So often a read and the bare endpoint are measured in turns: what else the machine does meets both."""
USERS = 32
"""So many may register from one address in a minute."""
SETTINGS = {"RATE_LIMIT_PER_MINUTE": "1000000"}

Request = Callable[[int, int], bytes]


def starts(data: Path) -> list[float]:
    """Seconds from the start to the first answer, shortest first."""
    took = []
    for _ in range(STARTS):
        began = time.perf_counter()
        with serving(data, **SETTINGS):
            took.append(time.perf_counter() - began)
    return sorted(took)


@dataclass(frozen=True)
class User:
    """A user with one case, and what signs the user's requests."""

    headers: dict[str, str]
    case_id: str


def new_user(server: Server, number: int) -> User:
    """The ``number``-th user, who has said what the trouble is."""
    client = server.client()
    name = {"username": f"engineer{number}", "email": f"engineer{number}@example.org", "password": PASSWORD}
    signed = client.post("/api/v1/auth/register", json={**name, "display_name": f"Engineer {number}"})
    headers = {"Authorization": f"Bearer {signed.raise_for_status().json()['access_token']}"}
    client.headers.update(headers)
    opened = client.post("/api/v1/cases", json={"title": "Checkout answers 502"}).raise_for_status()
    case_id = opened.json()["case_id"]
    turn(client, case_id, "Checkout answers 502 since the deployment at noon, the pool is exhausted")
    return User(headers, case_id)


def requests(users: Sequence[User]) -> dict[str, Request]:
    """What is asked, by what it is called."""

    def one(path: str) -> Request:
        built = [http("GET", path.format(user.case_id), user.headers) for user in users]
        return lambda asker, _: built[asker % len(built)]

    # Nobody asks what somebody has asked before: answers and the vectors of questions are kept.
    new = count(1)

    def search(asker: int, _: int) -> bytes:
        path = f"/api/v1/knowledge/search?query=connection+pool+of+worker+{next(new)}+exhausted"
        return http("GET", path, users[asker % len(users)].headers)

    def say(asker: int, number: int) -> bytes:
        # A user may take 120 turns a minute, so they take turns.
        user = users[(asker + number) % len(users)]
        text = f"Worker {next(new)} still answers 502, and the log says: too many connections for role app"
        body = f'--limit\r\nContent-Disposition: form-data; name="query"\r\n\r\n{text}\r\n--limit--\r\n'
        headers = {**user.headers, "Content-Type": "multipart/form-data; boundary=limit"}
        return http("POST", f"/api/v1/cases/{user.case_id}/turns", headers, body.encode())

    return {
        READ: one("/api/v1/cases/{}"),
        "list the cases": one("/api/v1/cases?limit=50"),
        "search the knowledge": search,
        TURN: say,
    }


class BareServer(ServerProcess):
    """Answers every request with these bytes, and does nothing else."""

    name = "bare"

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.file = self.folder / "content.json"
        self.file.write_bytes(content)

    def command(self) -> Sequence[str]:
        """The module of the endpoint."""
        return [sys.executable, bare.__file__, str(self.port), str(self.file)]

    def is_ready(self) -> bool:
        """True once it answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/", timeout=2).is_success
        except httpx.TransportError:
            return False


def measure(port: int, request: Request, seconds: float) -> list[Load]:
    """The load of each number of clients."""
    return [uvloop.run(load(port, clients, seconds, request)) for clients in CLIENTS]


def measure_in_turns(
    one: tuple[int, Request], other: tuple[int, Request], seconds: float
) -> tuple[list[Load], list[Load], list[float]]:
    """The loads of two requests, each the middle one of its turns, and the middle ratio of their rates, by clients."""
    ones, others, shares = [], [], []
    for clients in CLIENTS:
        turns = [
            [uvloop.run(load(port, clients, seconds / REPEATS, request)) for port, request in (one, other)]
            for _ in range(REPEATS)
        ]
        mine, theirs = [sorted(side, key=lambda each: each.rate) for side in zip(*turns, strict=True)]
        ones.append(mine[REPEATS // 2])
        others.append(theirs[REPEATS // 2])
        shares.append(median(first.rate / second.rate for first, second in turns))
    return ones, others, shares


async def spoken(port: int, take_turn: Request, seconds: float) -> dict[str, list[Load]]:
    """Turns at the pace of people, and beside them a request that needs nothing but the event loop."""
    probe = http("GET", "/livez", {})
    turns, probes = await asyncio.gather(
        load(port, SPEAKERS, seconds, take_turn, every=1.0), load(port, 1, seconds, lambda *_: probe, every=0.01)
    )
    return {f"{TURN}, one a second each": [turns], f"{PROBE}, beside these turns": [probes]}


@dataclass(frozen=True)
class Results:
    """What one run has measured: seconds to the first answer, MB, loads by what was asked, and microseconds inside."""

    starts: list[float]
    idle: float
    busy: float
    loads: dict[str, list[Load]]
    shares: list[float]
    """The rates of a read by those of the bare endpoint."""
    inside: dict[str, float]


def look_inside() -> dict[str, float]:
    """Microseconds of processor time by what they are spent for, see `benchmarks.process.inside`."""
    command = [sys.executable, "-m", "benchmarks.process.inside"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)  # noqa: S603
    spent: dict[str, float] = json.loads(done.stdout)
    return spent


def run(seconds: float) -> Results:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix="faultmaven-bench-") as folder:
        data = Path(folder) / "data"
        with serving(data, **SETTINGS) as server:
            server.wait_for_log("knowledge_is_current")
        took = starts(data)
        with serving(data, **SETTINGS) as server:
            port = int(server.url.rpartition(":")[2])
            users = [new_user(server, number) for number in range(USERS)]
            asked = requests(users)
            idle = resident_with_children(server.process.pid)
            content = httpx.get(f"{server.url}/api/v1/cases/{users[0].case_id}", headers=users[0].headers).content
            other = BareServer(content)
            try:
                other.start()
                bare_request = (other.port, lambda *_: http("GET", "/", {}))
                reads, bares, shares = measure_in_turns((port, asked.pop(READ)), bare_request, seconds)
            finally:
                other.remove()
            loads = {READ: reads, BARE: bares}
            for name, request in asked.items():
                loads[name] = measure(port, request, seconds)
            loads |= uvloop.run(spoken(port, asked[TURN], PACED * seconds))
            busy = resident_with_children(server.process.pid)
    return Results(took, idle, busy, loads, shares, look_inside())


def page(results: Results, environment: Environment, seconds: float) -> str:
    """The results to read."""
    quickest, middle = results.starts[0], results.starts[len(results.starts) // 2]
    lines = [
        "# The process",
        "",
        "Written by `make bench`. The backend as it starts on a laptop: SQLite, files, the embedded Chroma, MiniLM on",
        "ONNX Runtime and the `playbook` model, with the starter runbooks. The clients share the machine and ask for",
        f"{seconds:g} s each, for a read and the bare endpoint in {REPEATS} turns. Each search and each turn says what",
        "nobody has said before.",
        "",
        environment.in_words(),
        "",
        f"- A start with its data there answers after {middle:.2f} s, the quickest of {len(results.starts)} after",
        f"  {quickest:.2f} s.",
        f"- All its processes together have {results.idle:.0f} MB before the load and {results.busy:.0f} MB after it;",
        "  what they share counts for each.",
        "",
        "| request | clients | answers/s | middle | 99 % within | longest |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, loads in results.loads.items():
        for each in loads:
            times = " | ".join(f"{time * 1e3:.1f} ms" for time in (each.middle, each.last_percent, each.longest))
            lines.append(f"| {name} | {each.clients} | {each.rate:,.0f} | {times} |")
    told = ", ".join(f"{share:.0%} at {clients}" for share, clients in zip(results.shares, CLIENTS, strict=True))
    lines += [
        "",
        f"Reading a case reaches, of the rate of the bare endpoint: {told} clients.",
        "",
        "## Where the time of a read goes",
        "",
        "In one process without sockets (`python -m benchmarks.process.inside`), all threads, in the quickest round.",
        "What is left of a read is routing, parameters, the layers around a route, and the answer.",
        "",
        f"| | processor time | of {WHOLE} |",
        "| --- | --- | --- |",
    ]
    for name, spent in results.inside.items():
        share = f"{spent / results.inside[WHOLE]:.0%}" if "vector" not in name else ""
        lines.append(f"| {name} | {spent:,.0f} µs | {share} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and publish."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    environment = Environment.here()
    results = run(seconds)
    text = page(results, environment, seconds)
    sys.stdout.write(text)
    data = OUTPUT / "data"
    data.mkdir(parents=True, exist_ok=True)
    content = {"environment": environment.as_dict(), "seconds": seconds, "results": asdict(results)}
    (data / "process.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (OUTPUT / "process.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
