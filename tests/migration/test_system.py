"""Whole installations: from a data folder to services and back."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from application.transfer.items import Kind
from application.transfer.migrator import MergeRule, TransferRefused
from application.transfer.system import Verification
from bootstrap.build import opened_ports
from bootstrap.configuration import configuration_named, load_configuration
from bootstrap.errors import Misconfigured
from bootstrap.moving import opened_migration
from bootstrap.services import assembled
from bootstrap.settings import Settings
from domain.case import Case
from domain.status import CaseStatus
from tests.combinations.test_combinations import work_a_case
from tests.e2e.server import run
from tests.stateful.server_adapters import new_postgres_database

LOCAL = {"EMBEDDING_TYPE": "hashing", "SESSION_STORAGE_TYPE": "sqlite"}
MOVED = [Kind.USERS, Kind.DOCUMENTS, Kind.VECTORS, Kind.FILES, Kind.CASES, Kind.SESSIONS]


def installation(folder: Path, **values: str) -> Settings:
    """The settings of an installation in the folder."""
    return load_configuration({"FAULTMAVEN_DATA_DIR": str(folder), **LOCAL, **values}, folder).settings


WITHOUT_VECTORS = {"VECTOR_STORAGE_TYPE": "inmemory"}
"""Spares the start of an engine where vectors do not matter."""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Case]:
    """The folder of an installation that has a case worked to its end, a user, runbooks, a file and a session."""
    folder = tmp_path_factory.mktemp("used") / "laptop"
    settings = installation(folder)

    async def use() -> Case:
        async with opened_ports(settings, "test") as ports:
            await ports.sessions.set("session:1", "signed in")
            return await work_a_case(settings, ports)

    return folder, asyncio.run(use())


@pytest.fixture
def laptop(used: tuple[Path, Case], tmp_path: Path) -> Settings:
    """A copy of that installation."""
    shutil.copytree(used[0], tmp_path / "laptop")
    return installation(tmp_path / "laptop")


@pytest.fixture
def case(used: tuple[Path, Case]) -> Case:
    """The case of that installation."""
    return used[1]


async def moved(
    source: Settings, target: Settings, merge: MergeRule | None = None
) -> tuple[dict[Kind, tuple[int, int]], Verification]:
    """How much was read and written, kind by kind, and what verification says."""
    async with opened_migration(source, target, merge=merge, on_progress=lambda *_: None) as migrator:
        migrations = await migrator.migrate()
        return {each.kind: (each.read, each.written) for each in migrations}, await migrator.verify()


@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.slow
async def test_to_services_and_back(
    laptop: Settings, case: Case, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What comes home from PostgreSQL, Redis and pgvector is what went there, and the backend works with it."""
    async with new_postgres_database(request.getfixturevalue) as dsn:
        services = installation(
            tmp_path / "server",
            CASE_STORAGE_TYPE="postgres",
            CASES_DB_URL=dsn,
            USER_STORAGE_TYPE="postgres",
            USERS_DB_URL=dsn,
            SESSION_STORAGE_TYPE="redis",
            REDIS_URL=request.getfixturevalue("redis_url"),
            REDIS_KEY_PREFIX=f"test:{uuid4().hex}:",
            VECTOR_STORAGE_TYPE="pgvector",
            VECTORS_DB_URL=dsn,
        )
        counts, verification = await moved(laptop, services)
        assert verification.is_clean, verification
        assert list(counts) == MOVED
        assert all(read == written > 0 for read, written in counts.values()), counts
        home = installation(tmp_path / "home")
        again, verification = await moved(services, home)
        assert verification.is_clean, verification
        assert again == counts
    _, verification = await moved(laptop, home, MergeRule.FAIL)
    assert verification.is_clean
    async with opened_ports(home, "test") as ports, assembled(home, ports) as backend:
        assert await ports.records.cases.get(case.case_id) == case
        assert case.status is CaseStatus.RESOLVED
        assert await ports.sessions.get("session:1") == "signed in"
        signed_in = await backend.user_service().sign_in("grace", "secret-word")
        actor = await backend.user_service().authenticate(signed_in.tokens.access_token)
        found = await backend.knowledge_service().search(actor, "too many clients already")
        assert found.hits


async def test_another_model(laptop: Settings, tmp_path: Path) -> None:
    """Vectors of another model are made again from the documents."""
    target = installation(tmp_path / "other", EMBEDDING_TYPE="onnx")
    async with opened_migration(laptop, target, merge=None, on_progress=lambda *_: None) as migrator:
        plans = {plan.kind: plan for plan in await migrator.plan()}
        assert plans[Kind.VECTORS].action.startswith("make again")
        assert plans[Kind.CASES].entities == 1
        await migrator.migrate()
        assert (await migrator.verify()).is_clean
    async with opened_ports(target, "test") as ports, assembled(target, ports) as backend:
        assert await ports.vectors.count() > 0
        assert (await backend.knowledge_service().search(None, "too many clients already")).hits


async def test_the_same_places_stay(laptop: Settings, case: Case, tmp_path: Path) -> None:
    """What both sides have in the same place is opened once, and not moved."""
    target = installation(tmp_path / "laptop", SESSION_STORAGE_TYPE="file", VECTOR_STORAGE_TYPE="inmemory")
    async with opened_migration(laptop, target, merge=None, on_progress=lambda *_: None) as migrator:
        actions = {plan.kind: plan.action for plan in await migrator.plan()}
        assert {kind for kind, action in actions.items() if action.startswith("stay")} == {*MOVED[:2], *MOVED[3:5]}
        assert [each.kind for each in await migrator.migrate()] == [Kind.SESSIONS]
        assert (await migrator.verify()).is_clean
    async with opened_ports(target, "test") as ports:
        assert await ports.records.cases.get(case.case_id) == case
        assert await ports.sessions.get("session:1") == "signed in"


async def test_a_target_that_holds_something(laptop: Settings, case: Case, tmp_path: Path) -> None:
    """It is refused before anything is written, unless a rule says what happens."""
    laptop = installation(laptop.faultmaven_data_dir, **WITHOUT_VECTORS)
    target = installation(tmp_path / "target", **WITHOUT_VECTORS)
    async with opened_ports(target, "test") as ports:
        await ports.sessions.set("session:1", "somebody else")
        await ports.sessions.set("session:2", "somebody")
    with pytest.raises(TransferRefused, match="already holds sessions"):
        await moved(laptop, target)
    async with opened_ports(target, "test") as ports:
        assert await ports.records.users.scan() == ()
    counts, verification = await moved(laptop, target, MergeRule.SKIP)
    read, written = counts[Kind.SESSIONS]
    assert (read - written, counts[Kind.CASES]) == (1, (1, 1))
    # The comparison says so: the value of the target stayed.
    assert verification.is_clean
    assert [(item.kind, item.kept) for item in verification.comparisons if item.kept] == [(Kind.SESSIONS, 1)]
    async with opened_ports(target, "test") as ports:
        assert await ports.sessions.get("session:1") == "somebody else"
        await ports.records.cases.save(case.rename("Renamed later", case.last_activity_at))
    await moved(laptop, target, MergeRule.NEWER)
    async with opened_ports(target, "test") as ports:
        stored = await ports.records.cases.get(case.case_id)
        assert stored is not None
        assert stored.title == "Renamed later"
    with pytest.raises(TransferRefused, match="differs in"):
        await moved(laptop, target, MergeRule.FAIL)


async def test_a_newer_version_replaces_the_older_one(laptop: Settings, case: Case, tmp_path: Path) -> None:
    """Whole, with its messages."""
    laptop = installation(laptop.faultmaven_data_dir, **WITHOUT_VECTORS)
    target = installation(tmp_path / "target", **WITHOUT_VECTORS)
    await moved(laptop, target)
    async with opened_ports(laptop, "test") as ports:
        newer = await ports.records.cases.save(case.rename("Renamed here", case.last_activity_at))
    counts, verification = await moved(laptop, target, MergeRule.NEWER)
    assert counts[Kind.CASES] == (1, 1)
    assert counts[Kind.USERS] == (1, 0)
    assert verification.is_clean, verification
    async with opened_ports(target, "test") as ports:
        assert await ports.records.cases.get(case.case_id) == newer


async def test_references_that_lead_nowhere_are_found(laptop: Settings, case: Case, tmp_path: Path) -> None:
    """A file, an owner or a vector that is missing in the target alone."""
    target = installation(tmp_path / "target")
    await moved(laptop, target)

    async def found() -> tuple[str, ...]:
        async with opened_migration(laptop, target, merge=None, on_progress=lambda *_: None) as migrator:
            return (await migrator.verify()).dangling

    assert await found() == ()
    async with opened_ports(target, "test") as ports:
        await ports.blobs.delete(case.uploaded_files[0].content_ref)
        await ports.records.users.delete(case.user_id)
        record = (await ports.vectors.scan(limit=1))[0]
        await ports.vectors.delete([record.id])
    texts = await found()
    assert any("its file" in text for text in texts)
    assert any("its owner" in text for text in texts)
    assert any(f"its piece {record.id} has no vector" in text for text in texts)


async def test_memory_cannot_be_moved_by_a_command(laptop: Settings, tmp_path: Path) -> None:
    """The memory of another process is out of reach, which is said."""
    target = installation(tmp_path / "target", CASE_STORAGE_TYPE="inmemory")
    with pytest.raises(Misconfigured, match="CASE_STORAGE_TYPE=inmemory"):
        await moved(laptop, target)


def test_settings_of_another_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a profile says it all; the environment of the command has no part in it."""
    monkeypatch.setenv("CASE_STORAGE_TYPE", "postgres")
    file = tmp_path / "other.env"
    file.write_text(f"FAULTMAVEN_PROFILE=singlenode\nFAULTMAVEN_DATA_DIR={tmp_path}\n")
    settings = configuration_named(str(file)).settings
    assert (settings.case_storage_type, settings.faultmaven_data_dir) == ("sqlite", tmp_path)
    assert configuration_named("development").settings.case_storage_type == "inmemory"
    with pytest.raises(Misconfigured, match="neither a file with settings nor a profile"):
        configuration_named(str(tmp_path / "missing.env"))
    file.write_text("FAULTMAVEN_PORT=x\n")
    with pytest.raises(Misconfigured, match=r"FAULTMAVEN_PORT: 'x' \(from other.env\)"):
        configuration_named(str(file))


@pytest.fixture
def files(laptop: Settings, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The data folder of the source, and the file with the settings of the target."""
    target = tmp_path / "target.env"
    lines = {"FAULTMAVEN_DATA_DIR": str(tmp_path / "target"), **LOCAL, **WITHOUT_VECTORS}
    target.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    return laptop.faultmaven_data_dir, str(target)


async def test_the_commands(files: tuple[Path, str]) -> None:
    """Plan, run and verify, with their exit codes."""
    data, to = files
    planned = await asyncio.to_thread(run, data, "migrate", "plan", "--to", to, **LOCAL, **WITHOUT_VECTORS)
    assert "copy" in planned.stdout
    done = await asyncio.to_thread(run, data, "migrate", "run", "--to", to, **LOCAL, **WITHOUT_VECTORS)
    assert "the same on both sides" in done.stdout
    verified = await asyncio.to_thread(run, data, "migrate", "verify", "--to", to, "--json", **LOCAL, **WITHOUT_VECTORS)
    assert json.loads(verified.stdout)["clean"] is True
    async with opened_ports(configuration_named(to).settings, "test") as ports:
        case = (await ports.records.cases.scan(limit=1))[0]
        await ports.records.cases.delete(case.case_id)
    wrong = await asyncio.to_thread(run, data, "migrate", "verify", "--to", to, **LOCAL, **WITHOUT_VECTORS)
    assert wrong.returncode == 1
    assert f"{case.case_id}: missing" in wrong.stderr
    again = await asyncio.to_thread(run, data, "migrate", "run", "--to", to, "--from", to, **LOCAL, **WITHOUT_VECTORS)
    assert again.returncode == 0, again.stderr
