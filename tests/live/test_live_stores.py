"""Real stores change places while clients use them, there and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from application.transfer.items import Kind
from application.transfer.live.layers import Layers
from application.transfer.live.migration import LiveMigration
from application.transfer.live.note import Phase
from application.transfer.live.status import LiveStatus
from application.transfer.stores import Stores
from bootstrap.build import Opened, Ports, opened_ports
from bootstrap.configuration import load_configuration
from bootstrap.moving import stores_of
from bootstrap.settings import Settings
from ports.embeddings import EmbeddingGenerator
from tests.builders import a_case, a_message, a_user, an_id
from tests.contract.knowledge.samples import a_document, chunks
from tests.live.world import differences
from tests.stateful.server_adapters import new_postgres_database

CLIENTS = 4

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(120)]


def settings_in(folder: Path, **values: str) -> Settings:
    return load_configuration(
        {"FAULTMAVEN_DATA_DIR": str(folder), "EMBEDDING_TYPE": "hashing", **values}, folder
    ).settings


@asynccontextmanager
async def both_open(source: Settings, target: Settings) -> AsyncIterator[tuple[Ports, Stores, Stores]]:
    async with (
        opened_ports(source, "test") as mine,
        opened_ports(target, "test", beside=Opened(source, mine)) as theirs,
    ):
        yield mine, stores_of(source, mine, sessions=True), stores_of(target, theirs, sessions=True)


class Client:
    """Writes what is its own, and reads back at once what was acknowledged."""

    def __init__(self, number: int, layers: Layers, embeddings: EmbeddingGenerator) -> None:
        self.number = number
        self.layers = layers
        self.embeddings = embeddings
        self.steps = 0

    async def work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.step(self.steps)
            self.steps += 1
            await asyncio.sleep(0.05)

    async def step(self, count: int) -> None:
        cases, users, documents, sessions = (
            self.layers.cases,
            self.layers.users,
            self.layers.documents,
            self.layers.sessions,
        )
        number = 1000 * self.number + count
        case_id = an_id("case", 1000 * self.number + count % 7)
        case = await cases.get(case_id) or a_case(1000 * self.number + count % 7)
        async with cases.begin_transaction():
            saved = await cases.save(case.replace(title=f"Title {count}"))
            await cases.add_message(a_message(case_id, number))
        assert await cases.get(case_id) == saved.replace(
            message_count=saved.message_count + 1,
            last_activity_at=max(saved.last_activity_at, a_message(case_id, number).created_at),
        )
        if count % 11 == 10:
            await cases.delete(case_id)
            assert await cases.get(case_id) is None
        user = await users.get(an_id("user", self.number)) or a_user(self.number)
        await users.save(user.replace(display_name=f"Name {count}"))
        document = await documents.get(an_id("kb", self.number, 16)) or a_document(
            self.number, source_key=f"s{self.number}"
        )
        parts = chunks(document, f"text {count}")
        await documents.save(document, parts)
        vectors = await self.embeddings.embed_documents([parts[0].text])
        await self.layers.vectors.add_documents([parts[0].text], vectors, [{"n": self.number}], [parts[0].chunk_id])
        await self.layers.files.put(f"files/{self.number}", _bytes(f"content {count}"))
        assert await sessions.increment(f"counter:{self.number}") == count + 1
        assert [record.document for record in await self.layers.vectors.get([parts[0].chunk_id])] == [parts[0].text]


async def _bytes(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


async def _until(migration: LiveMigration, phase: Phase) -> LiveStatus:
    async with asyncio.timeout(60):
        while migration.phase is not phase:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    return migration.status()


async def _still(migration: LiveMigration) -> None:
    async with asyncio.timeout(60):
        while not migration.is_clean or _waiting(migration):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


def _waiting(migration: LiveMigration) -> int:
    return sum(kind.waiting + kind.doubtful for kind in migration.status().kinds)


@pytest.fixture
async def services(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Mapping[str, str]]:
    """Settings that name services for everything but files."""
    async with new_postgres_database(request.getfixturevalue) as dsn:
        yield {
            "CASE_STORAGE_TYPE": "postgres",
            "USER_STORAGE_TYPE": "postgres",
            "CASES_DB_URL": dsn,
            "USERS_DB_URL": dsn,
            "SESSION_STORAGE_TYPE": "redis",
            "REDIS_URL": redis_url,
            "REDIS_KEY_PREFIX": f"live-{uuid4().hex}:",
            "VECTOR_STORAGE_TYPE": "pgvector",
        }


@pytest.mark.parametrize("way", ["to services", "from services"])
async def test_stores_change_places_under_load_and_back(way: str, tmp_path: Path, services: Mapping[str, str]) -> None:
    local = settings_in(tmp_path / "one", VECTOR_STORAGE_TYPE="chromadb", SESSION_STORAGE_TYPE="sqlite")
    remote = settings_in(tmp_path / "two", **services)
    sides = (local, remote) if way == "to services" else (remote, local)
    async with both_open(*sides) as (ports, source, target):
        layers = Layers(
            cases=ports.records.cases,
            users=ports.records.users,
            documents=ports.records.documents,
            sessions=ports.sessions,
            vectors=ports.vectors,
            files=ports.blobs,
        )
        clients = [Client(number, layers, ports.embeddings) for number in range(1, CLIENTS + 1)]
        for client in clients:
            await client.step(0)
            client.steps = 1
        migration = await LiveMigration.start(layers, target, to="target.env", at="now", shadow_share=2)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.work(stop))
            status = await _until(migration, Phase.SHADOWING)
            assert {kind.kind for kind in status.kinds} == set(Kind)
            await asyncio.sleep(0.5)
            status = migration.status()
            assert await migration.switch() <= 1
            assert layers.cases.store is target.cases
            await asyncio.sleep(0.5)
            stop.set()
        await _still(migration)
        assert await differences(source, target) == []
        assert sum(kind.reads.different for kind in status.kinds) == 0, status.examples
        assert sum(kind.reads.compared for kind in status.kinds) > 0
        await migration.abort()
        assert layers.cases.store is source.cases
        for client in clients:
            await client.step(client.steps)
        assert migration.phase is Phase.ABORTED
