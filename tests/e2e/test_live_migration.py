"""A server moves from SQLite and Chroma to PostgreSQL with pgvector while 20 clients write and read."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.e2e.load import Load
from tests.e2e.server import Server, run, serving
from tests.stateful.profiles import NIGHTLY

SECONDS = float(os.environ.get("LIVE_SECONDS", "1.5"))
"""How long clients work in each phase; acceptance takes 15."""

COMMON = {"EMBEDDING_TYPE": "hashing", "RATE_LIMIT_PER_MINUTE": "1000000", "AUTH_DEV_LOGIN": "true"}

PHASES = ["copying", "shadowing", "switched"]
CLIENTS = 20
at_night = pytest.mark.skipif(not NIGHTLY, reason="takes minutes, so it runs in `make test-nightly`")
"""The state machine takes care of the others in every build."""

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class House:
    """An installation and the one that it moves to."""

    data: Path
    target: Path
    settings: Mapping[str, str] = field(default_factory=lambda: COMMON)

    @contextmanager
    def served(self) -> Iterator[Server]:
        with serving(self.data, **self.settings) as server:
            yield server

    @property
    def target_settings(self) -> dict[str, str]:
        lines = self.target.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def as_source(self) -> dict[str, str]:
        """All settings of the source."""
        return {**self.settings, "FAULTMAVEN_DATA_DIR": str(self.data)}

    def write_target(self, settings: Mapping[str, str]) -> None:
        """Where it moves to."""
        self.target.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def live(self, *words: str, code: int = 0) -> str:
        """A command of the operator."""
        done = run(self.data, "migrate", "live", *words, **self.settings)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self) -> None:
        self.live("start", "--to", str(self.target))

    def status(self) -> dict[str, Any]:
        done = run(self.data, "migrate", "live", "status", "--json", **self.settings)
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def wait_for(self, phase: str) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while True:
            status = self.status()
            if status["report"] and status["report"]["status"]["phase"] == phase and status["server_is_running"]:
                report: dict[str, Any] = status["report"]["status"]
                return report
            assert time.monotonic() < deadline, status
            time.sleep(0.3)

    def wait_until_still(self) -> dict[str, Any]:
        """Until nothing waits to be copied any more."""
        deadline = time.monotonic() + 60
        while True:
            report: dict[str, Any] = self.status()["report"]["status"]
            if not sum(kind["waiting"] + kind["doubtful"] for kind in report["kinds"]) and report["is_clean"]:
                return report
            assert time.monotonic() < deadline, report
            time.sleep(1.1)

    def wait_until_silent(self) -> None:
        """Until it is noticed that the server does not answer any more."""
        deadline = time.monotonic() + 60
        while True:
            said = run(self.data, "migrate", "live", "status", **self.settings)
            if "does not answer" in said.stdout + said.stderr:
                return
            assert time.monotonic() < deadline
            time.sleep(1)

    def verify(self) -> None:
        """Both sides are the same, to the last field."""
        source = self.data.parent / "source.env"
        source.write_text("".join(f"{name}={value}\n" for name, value in self.as_source().items()))
        done = run(self.data, "migrate", "verify", "--from", str(source), "--to", str(self.target), **self.settings)
        assert done.returncode == 0, done.stdout + done.stderr


async def database(postgres_dsn: str) -> str:
    """The address of a new one."""
    name = f"live_{os.getpid()}_{time.monotonic_ns()}"
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return f"{postgres_dsn.rpartition('/')[0]}/{name}"


def a_house(folder: Path, dsn: str, **vectors: str) -> House:
    """One in SQLite, which is to move to PostgreSQL."""
    house = House(folder / "data", folder / "target.env", {**COMMON, **vectors})
    target = {
        "CASE_STORAGE_TYPE": "postgres",
        "USER_STORAGE_TYPE": "postgres",
        "CASES_DB_URL": dsn,
        "USERS_DB_URL": dsn,
    }
    house.write_target({**house.as_source(), **target})
    return house


@pytest.fixture
async def big_house(tmp_path: Path, postgres_dsn: str) -> House:
    """Its vectors move from Chroma to pgvector."""
    house = a_house(tmp_path, await database(postgres_dsn), VECTOR_STORAGE_TYPE="chromadb")
    house.write_target({**house.target_settings, "VECTOR_STORAGE_TYPE": "pgvector"})
    return house


@pytest.fixture
async def house(tmp_path: Path, postgres_dsn: str) -> House:
    """Its vectors are in memory, so it starts at once."""
    return a_house(tmp_path, await database(postgres_dsn), VECTOR_STORAGE_TYPE="inmemory")


@contextmanager
def loaded(server: Server, clients: int) -> Iterator[Load]:
    """Clients who work during the block; nothing failed and nothing was stale when it ends."""
    server.wait_for_log("knowledge_is_current")
    load = Load(server)
    try:
        load.start(clients)
        try:
            yield load
        finally:
            load.end()
        checked(load, server)
    finally:
        load.close()


def checked(load: Load, server: Server) -> None:
    """Nothing went wrong for the clients, and what was acknowledged is there."""
    assert load.broken == []
    load.check(server)
    assert load.failed == []
    assert load.stale == []


@pytest.mark.timed
def test_a_house_is_moved_while_clients_work(big_house: House, record_property: Callable[[str, object], None]) -> None:
    house = big_house
    with house.served() as server:
        with loaded(server, CLIENTS) as load:
            time.sleep(SECONDS)
            house.start()
            time.sleep(SECONDS)
            shadowed = house.wait_for("shadowing")
            time.sleep(SECONDS)
            said = house.live("switch")
            time.sleep(SECONDS)
        report = house.wait_until_still()
        house.live("finish")
        assert server.stop() == 0
    assert report["pause_ms"] <= 1000
    different = sum(kind["reads"]["different"] for kind in [*shadowed["kinds"], *report["kinds"]])
    assert different == 0, shadowed["examples"]
    house.verify()
    reads = sum(kind["reads"]["compared"] for kind in shadowed["kinds"])
    figures = f"{load.requests} requests, 0 failed, longest {load.longest:.2f} s, {reads} shadow reads, {said.strip()}"
    record_property("figures", figures)
    log.info(figures)


@at_night
@pytest.mark.parametrize("phase", PHASES)
def test_aborted_in_any_phase_everything_is_where_it_was(phase: str, house: House) -> None:
    with house.served() as server, loaded(server, 6) as load:
        house.start()
        if phase != "copying":
            house.wait_for("shadowing")
        if phase == "switched":
            house.live("switch")
            time.sleep(SECONDS)
        house.live("abort")
        time.sleep(SECONDS)
        assert house.status()["note"]["phase"] == "aborted"
    # The source alone has everything, and nobody takes the target for something complete.
    with house.served() as server:
        checked(load, server)
    refused = run(house.data, "serve", **house.target_settings)
    assert refused.returncode == 78
    assert "unfinished copy" in refused.stderr
    # It goes on from there.
    with house.served() as server:
        house.start()
        house.wait_for("shadowing")
        house.live("switch")
        house.live("finish")
        checked(load, server)
    house.verify()


@at_night
@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_any_phase_it_goes_on_where_it_stood(phase: str, house: House) -> None:
    with house.served() as server:
        with loaded(server, 6) as load:
            house.start()
            if phase != "copying":
                house.wait_for("shadowing")
            if phase == "switched":
                house.live("switch")
                time.sleep(SECONDS)
        server.kill()
    house.wait_until_silent()
    with house.served() as server:
        checked(load, server)
        if phase != "switched":
            house.wait_for("shadowing")
            house.live("switch")
        house.wait_until_still()
        house.live("finish")
        checked(load, server)
    house.verify()
    # Who starts on the old side is told; the new side knows nothing of a migration any more.
    with house.served() as server:
        assert "THESE STORES ARE OUTDATED" in server.log.read_text()
    with serving(house.data, **house.target_settings) as server:
        assert "live migration" not in server.log.read_text()
        checked(load, server)


def test_what_cannot_be_done_is_refused_with_the_reason(house: House) -> None:
    assert "no server has taken the command" in house.live("start", "--to", str(house.target), code=1)
    assert "no live migration has taken place here" in house.live("status")
    with house.served():
        assert "no live migration is under way" in house.live("switch", code=1)
        assert "neither a file with settings nor a profile" in house.live("start", "--to", "nowhere.env", code=1)
        house.write_target({"CASE_STORAGE_TYPE": "inmemory"})
        assert "in the memory of a server" in house.live("start", "--to", str(house.target), code=1)
        house.write_target(house.as_source())
        assert "the places where everything is already" in house.live("start", "--to", str(house.target), code=1)
    several = run(house.data, "migrate", "live", "switch", **house.settings, FAULTMAVEN_WORKERS="2")
    assert "FAULTMAVEN_WORKERS" in several.stderr
