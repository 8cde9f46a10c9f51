"""Each combination boots, works one case from opening to resolution through the use cases, and leaves nothing open."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio as redis

from adapters.markdown.documents import parse_document
from application.troubleshooting import TurnRequest
from bootstrap.build import Ports, opened_ports
from bootstrap.configuration import load_configuration
from bootstrap.containers.services import ServicesContainer
from bootstrap.services import assembled
from bootstrap.settings import Settings
from domain.access import Actor
from domain.case import Case
from domain.knowledge import GLOBAL
from domain.proposals import DecisionKind
from domain.status import CaseStatus
from domain.user import Role
from ports.errors import StorageUnavailable
from tests.combinations.choices import ALL, STORES, Choice, chosen, pairs, pairwise, variables
from tests.unit.application.world import GROUPS, KNOWLEDGE, LOG, PROBLEM, decide, upload

RUNBOOKS = ("postgresql-too-many-connections", "postgresql-idle-in-transaction", "linux-oom-killer")


@dataclass(frozen=True)
class Servers:
    """Databases of a test's own, and the servers on which they are."""

    database: str
    redis: str
    chroma: str

    async def open_connections(self) -> tuple[int, int]:
        """How many other clients PostgreSQL and Redis have."""
        connection = await asyncpg.connect(self.database)
        clients = await connection.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        await connection.close()
        async with redis.Redis.from_url(self.redis) as client:
            others = len(await client.client_list()) - 1
        return clients, others


@pytest.fixture
async def servers(postgres_dsn: str, redis_url: str, chroma_url: str, tmp_path: Path) -> AsyncIterator[Servers]:
    admin = await asyncpg.connect(postgres_dsn)
    name = f"combined_{os.getpid()}"
    await admin.execute(f"create database {name}")
    async with redis.Redis.from_url(redis_url) as client:
        await client.flushdb()
    yield Servers(f"{postgres_dsn.rpartition('/')[0]}/{name}", redis_url, chroma_url)
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


def settings_of(choice: Choice, servers: Servers, folder: Path) -> Settings:
    """What an operator would write, and nothing else."""
    environment = {
        "FAULTMAVEN_DATA_DIR": str(folder / "data"),
        "EMBEDDING_TYPE": "hashing",
        "CASES_DB_URL": servers.database,
        "USERS_DB_URL": servers.database,
        "REDIS_URL": servers.redis,
        "CHROMADB_URL": servers.chroma,
        "CHROMADB_COLLECTION": f"kb_{folder.name[-40:]}_x",
    }
    return load_configuration(environment | variables(choice), folder).settings


async def work_a_case(settings: Settings, ports: Ports) -> Case:
    """Sign in, learn, and go from the symptom to the verified fix."""
    async with assembled(settings, ports) as services:
        return await _work_a_case(services)


async def _work_a_case(services: ServicesContainer) -> Case:
    users, knowledge, turns = services.user_service(), services.knowledge_service(), services.troubleshooting_service()
    await users.create_user(
        username="grace", email="grace@example.org", display_name=None, password="secret-word", roles=(Role.USER,)
    )
    signed_in = await users.sign_in("grace", "secret-word")
    actor: Actor = await users.authenticate(signed_in.tokens.access_token)
    sources = [parse_document((KNOWLEDGE / f"{name}.md").read_text(), name) for name in RUNBOOKS]
    report = await knowledge.import_documents(None, GLOBAL, sources)
    assert (report.added, report.words_only) == (len(RUNBOOKS), 0)
    found = await knowledge.search(actor, "too many clients already")
    assert found.hits

    case = await services.case_service().open_case(actor)

    async def turn(query: str, *decisions: object, files: tuple[tuple[str, str], ...] = ()) -> Case:
        uploads = tuple(upload(*file) for file in files)
        reply = await turns.take_turn(actor, case.case_id, TurnRequest(query, uploads, decisions))  # type: ignore[arg-type]
        return reply.case

    await turn(PROBLEM, files=(("postgresql.log", LOG),))
    await turn("Yes.", decide(DecisionKind.CONFIRM_STATEMENT))
    await turn("Start.", decide(DecisionKind.START_INVESTIGATION))
    grouped = await turn("Here is the grouping.", files=(("activity.txt", GROUPS),))
    fix = next(item for item in grouped.solutions if not item.is_mitigation)
    await turn("Done.", decide(DecisionKind.APPLY_SOLUTION, solution_id=fix.solution_id))
    solved = await turn("It helped.", decide(DecisionKind.VERIFY_SOLUTION, solution_id=fix.solution_id))
    assert solved.status is CaseStatus.RESOLVED
    health = await services.health_service().check()
    assert (health.ready, dict(health.problems)) == (True, {})
    return solved


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    files: frozenset[str]
    children: frozenset[int]
    threads: tuple[str, ...]
    connections: tuple[int, int]

    @classmethod
    async def now(cls, servers: Servers) -> Footprint:
        """The footprint of this process and its clients."""
        process = psutil.Process()
        return cls(
            frozenset(item.path for item in process.open_files()),
            frozenset(child.pid for child in process.children(recursive=True)),
            # The default executor of the event loop keeps its threads; all others belong to adapters.
            tuple(sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_"))),
            await servers.open_connections(),
        )


async def settled(servers: Servers, before: Footprint) -> Footprint:
    """The footprint once the servers have noticed what was closed."""
    for _ in range(100):
        after = await Footprint.now(servers)
        if after == before:
            break
        await asyncio.sleep(0.02)
    return after


@pytest.mark.parametrize("choice", chosen(), ids="-".join)
async def test_every_combination_works_a_case_and_leaves_nothing_open(
    choice: Choice, servers: Servers, tmp_path: Path
) -> None:
    settings = settings_of(choice, servers, tmp_path)
    before = await Footprint.now(servers)
    async with opened_ports(settings, "a test") as ports:
        case = await work_a_case(settings, ports)
        assert await ports.records.cases.get(case.case_id) == case
    assert await settled(servers, before) == before
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    with pytest.raises(StorageUnavailable):
        await ports.records.cases.get(case.case_id)


async def test_stores_are_exchanged_in_a_running_process(servers: Servers, tmp_path: Path) -> None:
    """From memory to files to services and back; what durable stores kept is there again."""
    order = [
        ("inmemory", "inmemory", "inmemory", "inmemory"),
        ("sqlite", "sqlite", "file", "chroma"),
        ("postgres", "postgres", "redis", "chroma_server"),
        ("sqlite", "sqlite", "sqlite", "pgvector"),
        ("postgres", "postgres", "redis", "chroma_server"),
        ("inmemory", "inmemory", "inmemory", "inmemory"),
    ]
    kept: dict[str, Case] = {}
    before = await Footprint.now(servers)
    for choice in order:
        settings = settings_of(choice, servers, tmp_path)
        async with opened_ports(settings, "a test") as ports:
            expected = kept.get(choice[0])
            stored = await ports.records.cases.list()
            if expected is None:
                assert stored.total == 0
                case = await work_a_case(settings, ports)
                if choice[0] != "inmemory":
                    kept[choice[0]] = case
            else:
                assert stored.items == (expected,)
        assert await settled(servers, before) == before


def test_pairs_all_meet() -> None:
    """The small choice leaves no pair of stores out."""
    assert len(ALL) == 144
    assert set().union(*map(pairs, pairwise())) == set().union(*map(pairs, ALL))
    assert len(pairwise()) <= 20
    assert [len(kinds) for kinds in STORES.values()] == [3, 3, 4, 4]
