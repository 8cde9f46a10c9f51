"""The command line over a real backend on files, without the parts that take long to load."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from adapters.cli.app import create_cli
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from bootstrap.configuration import VARIABLES
from bootstrap.data_folder import held
from bootstrap.errors import DataFolderInUse
from bootstrap.runtime import ProcessRuntime
from ports.errors import NotFound
from tests.builders import a_full_case, a_message, an_investigating_case

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    monkeypatch.setenv("FAULTMAVEN_DATA_DIR", str(folder))
    monkeypatch.setenv("VECTOR_STORAGE_TYPE", "inmemory")
    monkeypatch.setenv("EMBEDDING_TYPE", "hashing")
    return folder


@pytest.fixture
def run(data: Path) -> Run:
    def invoke(*words: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(create_cli(ProcessRuntime()), list(words), input=answer, catch_exceptions=False)

    return invoke


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_config_show_tells_value_and_origin(run: Run, data: Path) -> None:
    rows = {row["variable"]: row for row in _json(run("config", "show", "--json"))}
    assert rows["FAULTMAVEN_DATA_DIR"] == {
        "variable": "FAULTMAVEN_DATA_DIR",
        "value": str(data),
        "origin": "environment",
    }
    assert rows["CASE_STORAGE_TYPE"]["origin"] == "profile singlenode"
    assert "TURN_TIMEOUT" in run("config", "show").stdout
    assert "valid" in run("config", "check").stdout


def test_user_is_created_listed_and_gets_another_password(run: Run) -> None:
    assert (
        "Created the user grace."
        in run("user", "create", "grace", "--admin", answer="secret-word\nsecret-word\n").stdout
    )
    listed = _json(run("user", "list", "--json"))
    assert [(item["username"], item["roles"]) for item in listed] == [("grace", ["user", "admin"])]
    assert "password_hash" not in listed[0]
    assert "grace" in run("user", "list").stdout
    assert "Changed the password" in run("user", "password", "grace", answer="other-word\nother-word\n").stdout


def test_password_of_unknown_user_is_not_found(run: Run) -> None:
    with pytest.raises(NotFound, match="user 'nobody' does not exist"):
        run("user", "password", "nobody", answer="other-word\nother-word\n")


@pytest.fixture
def stored(data: Path) -> str:
    """The id of a full case with two messages, beside one under investigation."""

    async def store() -> str:
        database = await SqliteDatabase.open(data / "faultmaven.db")
        cases = SqliteCaseRepository(database)
        case = await cases.save(a_full_case())
        await cases.save(an_investigating_case(case_id="case_00000000abcd"))
        for number in (1, 2):
            await cases.add_message(a_message(case.case_id, number))
        await database.aclose()
        return case.case_id

    data.mkdir()
    return asyncio.run(store())


def test_case_list_filters_by_status(run: Run, stored: str) -> None:
    listed = _json(run("case", "list", "--json"))
    assert listed["total"] == 2
    open_cases = _json(run("case", "list", "--status", "investigating", "--json"))
    assert [item["case_id"] for item in open_cases["cases"]] == ["case_00000000abcd"]
    assert "1 of 1 cases" in run("case", "list", "--status", "investigating").stdout


def test_case_list_of_unknown_user_is_not_found(run: Run, stored: str) -> None:
    with pytest.raises(NotFound):
        run("case", "list", "--user", "nobody")


def test_case_show_prints_hypotheses_evidence_and_timeline(run: Run, stored: str) -> None:
    shown = _json(run("case", "show", stored, "--json"))
    assert shown["case"]["case_id"] == stored
    assert len(shown["messages"]) == 2
    text = run("case", "show", stored).stdout
    for part in ("Hypotheses", "Evidence", "Solutions", "Timeline"):
        assert part in text
    assert "█" in text


def test_case_show_of_unknown_case_is_not_found(run: Run) -> None:
    with pytest.raises(NotFound, match="case 'case_000000000000' does not exist"):
        run("case", "show", "case_000000000000")


def test_records_are_readable_while_another_process_holds_the_folder(run: Run, stored: str, data: Path) -> None:
    with held(data, "a server"):
        assert _json(run("case", "list", "--json"))["total"] == 2
        with pytest.raises(DataFolderInUse, match="a server"):
            run("knowledge", "search", "disk")


def test_knowledge_import_search_and_reindex(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "runbooks"
    folder.mkdir()
    (folder / "disk.md").write_text("# Disk full\n\nNo space left on device: remove old logs.\n")
    (folder / "broken.md").write_text("---\ntitle: [\n---\ntext\n")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    first = run("knowledge", "import", str(folder), "--json")
    assert first.exit_code == 1
    report = json.loads(first.stdout)
    assert (report["added"], report["unchanged"]) == (1, 0)
    assert [name for name, _ in report["failed"]] == ["broken.md"]
    (folder / "broken.md").unlink()
    assert "0 added, 0 updated, 1 unchanged" in run("knowledge", "import", str(folder)).stdout
    # Vectors in memory are gone with each command, so there is something to index again.
    assert "Indexed 1 documents again." in run("knowledge", "reindex").stdout
    hits = _json(run("knowledge", "search", "No space left on device", "--json"))
    assert hits[0]["title"] == "Disk full"
    assert "Disk full" in run("knowledge", "search", "No space left on device").stdout
    assert "Nothing in the knowledge fits." in run("knowledge", "search", "zebra crossing").stdout


def test_import_of_a_missing_folder_is_explained(run: Run) -> None:
    refused = run("knowledge", "import", "nowhere")
    assert refused.exit_code == 2
    assert "does not exist" in refused.output


def test_doctor_finds_a_healthy_installation_healthy(run: Run) -> None:
    run("user", "create", "grace", answer="secret-word\nsecret-word\n")
    findings = _json(run("doctor", "--json"))
    assert {item["verdict"] for item in findings} == {"ok"}
    assert "healthy" in run("doctor", "--deep").stdout


def test_doctor_finds_damaged_documents_and_goes_on(run: Run, stored: str, data: Path) -> None:
    async def damage() -> None:
        database = await SqliteDatabase.open(data / "faultmaven.db")
        cases = SqliteCaseRepository(database)
        await database.write(
            lambda connection: connection.execute(
                "update cases set document = replace(document, 'a', 'b') where case_id = 'case_00000000abcd'"
            )
        )
        case = await cases.get(stored)
        assert case
        await database.aclose()

    asyncio.run(damage())
    examined = run("doctor", "--json")
    assert examined.exit_code == 1
    verdicts = {item["check"]: item["verdict"] for item in json.loads(examined.stdout)}
    assert verdicts["cases: integrity"] == "problem"
    assert verdicts["files: every file of a case is stored"] == "problem"
    assert verdicts["users: answers"] == "ok"


def test_doctor_finds_missing_files(run: Run, stored: str) -> None:
    examined = run("doctor", "--json")
    details = {item["check"]: item["detail"] for item in json.loads(examined.stdout) if item["verdict"] == "problem"}
    assert list(details) == ["files: every file of a case is stored"]
    assert "are missing or damaged" in details["files: every file of a case is stored"]


def test_doctor_reports_a_store_that_cannot_be_opened(run: Run, data: Path) -> None:
    data.mkdir()
    (data / "faultmaven.db").write_bytes(b"this is no database" * 100)
    examined = run("doctor")
    assert examined.exit_code == 1
    assert "CASE_STORAGE_TYPE=sqlite: open" in examined.stdout


def test_help_of_every_command_has_a_text(run: Run) -> None:
    for words in (("--help",), ("config", "--help"), ("user", "--help"), ("knowledge", "--help"), ("case", "--help")):
        assert run(*words).exit_code == 0
