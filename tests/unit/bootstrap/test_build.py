"""Building the backend of a profile, and what is said when it cannot be built; `tests.combinations` has all stores."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import psutil
import pytest

from bootstrap.build import Ports, opened_ports
from bootstrap.configuration import load_configuration
from bootstrap.containers.services import ServicesContainer
from bootstrap.errors import BackendsUnusable, DataFolderInUse
from bootstrap.services import assembled
from bootstrap.settings import Settings
from domain.access import Actor
from domain.user import Role
from ports.vectors import EmbeddingSpace


def _settings(folder: Path, **chosen: str) -> Settings:
    return load_configuration({"FAULTMAVEN_DATA_DIR": str(folder / "data"), **chosen}, folder).settings


async def _work(settings: Settings, ports: Ports) -> None:
    """A user signs up and opens a case."""
    async with assembled(settings, ports) as services:
        await _sign_up_and_open_a_case(services)


async def _sign_up_and_open_a_case(services: ServicesContainer) -> None:
    user = await services.user_service().create_user(
        username="grace", email=None, display_name=None, password="secret-word", roles=(Role.USER, Role.ADMIN)
    )
    signed_in = await services.user_service().sign_in("grace", "secret-word")
    actor = await services.user_service().authenticate(signed_in.tokens.access_token)
    assert actor == Actor.of(user)
    case = await services.case_service().open_case(actor, title="Disk full")
    assert await services.case_service().get_case(actor, case.case_id) == case
    health = await services.health_service().check()
    assert (health.ready, dict(health.problems)) == (True, {})


async def test_the_profile_of_one_node_opens_and_closes_its_child(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    async with opened_ports(settings, "a test") as ports:
        assert ports.vectors.space == ports.embeddings.space
        assert len(psutil.Process().children()) >= 1
        with pytest.raises(DataFolderInUse):
            async with opened_ports(settings, "another"):
                pass
        await _work(settings, ports)
    assert [child for child in psutil.Process().children() if "adapters.chroma" in " ".join(child.cmdline())] == []
    assert [thread for thread in threading.enumerate() if thread.name.startswith(("onnx", "session", "blob"))] == []


async def test_the_profile_for_development_keeps_no_data_folder(tmp_path: Path) -> None:
    settings = _settings(tmp_path, FAULTMAVEN_PROFILE="development")
    async with opened_ports(settings, "a test") as ports:
        await _work(settings, ports)
        assert ports.counters is ports.sessions
        assert isinstance(ports.vectors.space, EmbeddingSpace)
    assert not (tmp_path / "data").exists()


async def test_all_backends_that_are_away_are_named_at_once(tmp_path: Path) -> None:
    away = {
        "CASE_STORAGE_TYPE": "postgres",
        "CASES_DB_URL": "postgresql://me:sesame@127.0.0.1:1/cases",
        "USER_STORAGE_TYPE": "postgres",
        "USERS_DB_URL": "postgresql://me:sesame@127.0.0.1:2/users",
        "SESSION_STORAGE_TYPE": "redis",
        "REDIS_URL": "redis://:sesame@127.0.0.1:3/0",
        "VECTOR_STORAGE_TYPE": "chromadb",
        "CHROMADB_URL": "http://127.0.0.1:4",
        "CHROMADB_API_KEY": "sesame",
        "EMBEDDING_TYPE": "hashing",
    }
    settings = _settings(tmp_path, **away)
    began = time.monotonic()
    with pytest.raises(BackendsUnusable) as refused:
        async with opened_ports(settings, "a test"):
            pass
    assert time.monotonic() - began < 5
    assert [choice for choice, _ in refused.value.problems] == [
        "CASE_STORAGE_TYPE=postgres",
        "USER_STORAGE_TYPE=postgres",
        "SESSION_STORAGE_TYPE=redis",
        "VECTOR_STORAGE_TYPE=chromadb",
    ]
    for (_, reason), port in zip(refused.value.problems, range(1, 5), strict=True):
        assert f"127.0.0.1:{port}" in reason
    assert "sesame" not in str(refused.value)


@pytest.mark.timed
async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """It accepts the connection and says nothing."""
    held: list[asyncio.StreamWriter] = []

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = (
        {"CASE_STORAGE_TYPE": "postgres", "CASES_DB_URL": f"postgresql://me@127.0.0.1:{port}/cases"},
        {"SESSION_STORAGE_TYPE": "redis", "REDIS_URL": f"redis://127.0.0.1:{port}"},
        {"VECTOR_STORAGE_TYPE": "chromadb", "CHROMADB_URL": f"http://127.0.0.1:{port}"},
        {"VECTOR_STORAGE_TYPE": "pgvector", "VECTORS_DB_URL": f"postgresql://me@127.0.0.1:{port}/vectors"},
    )

    async def refused(choices: dict[str, str]) -> float:
        settings = _settings(tmp_path, FAULTMAVEN_PROFILE="development", **choices)
        began = time.monotonic()
        with pytest.raises(BackendsUnusable, match=f"127.0.0.1:{port}"):
            async with opened_ports(settings, "a test"):
                pass
        return time.monotonic() - began

    assert max(await asyncio.gather(*map(refused, silent))) <= 5.5
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()
