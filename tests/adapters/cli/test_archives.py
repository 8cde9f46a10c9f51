"""Archives and deleted users by the command line, over a real backend on files."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from adapters.cli.app import create_cli
from application.transfer.archive_format import ArchiveRefused
from application.transfer.migrator import TransferRefused
from bootstrap.configuration import VARIABLES
from bootstrap.data_folder import held
from bootstrap.errors import DataFolderInUse, Misconfigured
from bootstrap.runtime import ProcessRuntime
from ports.errors import AlreadyExists, NotFound

Run = Callable[..., Result]
PASSWORD = "correct-horse-battery"
DOCUMENT = "# Pool\n\nRaise the pool size.\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VECTOR_STORAGE_TYPE", "inmemory")
    monkeypatch.setenv("EMBEDDING_TYPE", "hashing")

    def invoke(data: str, *words: str, answer: str | None = None) -> Result:
        monkeypatch.setenv("FAULTMAVEN_DATA_DIR", str(tmp_path / data))
        return CliRunner().invoke(create_cli(ProcessRuntime()), list(words), input=answer, catch_exceptions=False)

    return invoke


@pytest.fixture
def used(run: Run, tmp_path: Path) -> Run:
    """An installation in the folder ``data`` with a user and a runbook."""
    run("data", "user", "create", "ada", "--password", PASSWORD)
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "pool.md").write_text(DOCUMENT)
    assert run("data", "knowledge", "import", "runbooks").exit_code == 0
    return run


def test_backup_and_restore(used: Run, tmp_path: Path) -> None:
    report = json.loads(used("data", "backup", "b.zip", "--json").stdout)
    counts = {kind: member["entities"] for kind, member in report["members"].items()}
    assert counts == {"files": 0, "users": 1, "documents": 1, "cases": 0}
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600
    with pytest.raises(ArchiveRefused, match="exists already"):
        used("data", "backup", "b.zip")
    assert "Wrote b.zip" in used("data", "backup", "b.zip", "--overwrite").stdout
    restored = used("elsewhere", "restore", "b.zip")
    assert restored.exit_code == 0
    assert "the same on both sides" in restored.stdout
    assert json.loads(used("elsewhere", "user", "list", "--json").stdout)[0]["username"] == "ada"
    assert json.loads(used("elsewhere", "restore", "b.zip", "--json").stdout)["verified"]["clean"]
    used("third", "user", "create", "bob", "--password", PASSWORD)
    with pytest.raises(TransferRefused, match="already holds users"):
        used("third", "restore", "b.zip")


def test_a_backup_beside_a_server(used: Run, tmp_path: Path) -> None:
    with held(tmp_path / "data", "serving"):
        assert used("data", "backup", "b.zip").exit_code == 0
        with pytest.raises(DataFolderInUse):
            used("data", "backup", "c.zip", "--with-sessions")
        with pytest.raises(DataFolderInUse):
            used("data", "restore", "b.zip")
    assert json.loads(used("data", "backup", "c.zip", "--with-sessions", "--json").stdout)["members"]["sessions"]
    with pytest.raises(ArchiveRefused, match="VECTOR_STORAGE_TYPE=inmemory"):
        used("data", "backup", "d.zip", "--with-vectors")


def test_what_is_in_memory_is_no_installation(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASE_STORAGE_TYPE", "inmemory")
    with pytest.raises(Misconfigured, match="CASE_STORAGE_TYPE=inmemory"):
        run("data", "backup", "b.zip")


def test_a_case_that_is_not_there(used: Run, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        used("data", "case", "export", "case_000000000001")
    assert not (tmp_path / "case_000000000001.zip").exists()
    used("data", "backup", "b.zip")
    with pytest.raises(ArchiveRefused, match="faultmaven restore"):
        used("data", "case", "import", "b.zip")


def test_a_user_is_deleted_when_asked(used: Run) -> None:
    assert used("data", "user", "delete", "ada", answer="n\n").exit_code == 1
    assert "Deleted ada" in used("data", "user", "delete", "ada", answer="y\n").stdout
    with pytest.raises(NotFound):
        used("data", "user", "delete", "ada", "--yes")
    assert json.loads(used("data", "user", "list", "--json").stdout) == []


def test_a_case_goes_from_one_installation_to_another(used: Run, tmp_path: Path) -> None:
    import asyncio

    from adapters.sqlite.cases import SqliteCaseRepository
    from adapters.sqlite.database import SqliteDatabase
    from tests.builders import a_case, a_message

    async def store() -> None:
        database = await SqliteDatabase.open(tmp_path / "data" / "faultmaven.db")
        cases = SqliteCaseRepository(database)
        case = await cases.save(a_case(1))
        await cases.add_message(a_message(case.case_id))
        await database.aclose()

    asyncio.run(store())
    assert used("data", "case", "export", "case_000000000001").exit_code == 0
    used("elsewhere", "user", "create", "bob", "--password", PASSWORD)
    with pytest.raises(TransferRefused, match="--owner"):
        used("elsewhere", "case", "import", "case_000000000001.zip")
    with held(tmp_path / "elsewhere", "serving"):
        done = used("elsewhere", "case", "import", "case_000000000001.zip", "--owner", "bob")
    assert done.exit_code == 0
    assert "1 messages" in done.stdout
    assert "belongs to bob now" in done.stdout
    with pytest.raises(AlreadyExists):
        used("elsewhere", "case", "import", "case_000000000001.zip", "--owner", "bob", "--json")
