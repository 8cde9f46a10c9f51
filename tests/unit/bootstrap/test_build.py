"""Building the backend: every combination of adapters opens, works and leaves nothing behind."""

from __future__ import annotations

import asyncio
import itertools
import threading
from pathlib import Path

import psutil
import pytest

from bootstrap.build import Ports, opened_ports
from bootstrap.configuration import load_configuration
from bootstrap.errors import DataFolderInUse
from bootstrap.services import assemble
from bootstrap.settings import Settings
from domain.access import Actor
from domain.knowledge import GLOBAL
from domain.user import Role
from ports.errors import StorageUnavailable
from ports.vectors import EmbeddingSpace

CHOICES = {
    "CASE_STORAGE_TYPE": ("inmemory", "sqlite"),
    "USER_STORAGE_TYPE": ("inmemory", "sqlite"),
    "SESSION_STORAGE_TYPE": ("inmemory", "file"),
    "BLOB_STORAGE_TYPE": ("inmemory", "file"),
}
COMBINATIONS = [dict(zip(CHOICES, values, strict=True)) for values in itertools.product(*CHOICES.values())]
LIGHT = {"VECTOR_STORAGE_TYPE": "inmemory", "EMBEDDING_TYPE": "hashing"}


def _settings(folder: Path, **chosen: str) -> Settings:
    return load_configuration({"FAULTMAVEN_DATA_DIR": str(folder / "data"), **chosen}, folder).settings


async def _work(settings: Settings, ports: Ports) -> None:
    """A user signs up, opens a case and finds a document."""
    services = assemble(settings, ports)
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


@pytest.mark.parametrize("chosen", COMBINATIONS, ids=lambda chosen: "-".join(chosen.values()))
async def test_every_combination_works_and_leaves_nothing_open(chosen: dict[str, str], tmp_path: Path) -> None:
    settings = _settings(tmp_path, **LIGHT, **chosen)
    files = {item.path for item in psutil.Process().open_files()}
    async with opened_ports(settings, "a test") as ports:
        await _work(settings, ports)
    assert {item.path for item in psutil.Process().open_files()} <= files
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    with pytest.raises(StorageUnavailable):
        await ports.records.cases.get("case_000000000000")


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


async def test_the_settings_can_change_in_one_process(tmp_path: Path) -> None:
    for chosen in ({"CASE_STORAGE_TYPE": "sqlite"}, {"CASE_STORAGE_TYPE": "inmemory"}, {"CASE_STORAGE_TYPE": "sqlite"}):
        settings = _settings(tmp_path, **LIGHT, **chosen)
        async with opened_ports(settings, "a test") as ports:
            stored = await ports.records.documents.list([GLOBAL])
            assert stored.total == 0
            users = await ports.records.users.list()
            if not users.total:
                await _work(settings, ports)
            assert (await ports.records.users.list()).total == 1
