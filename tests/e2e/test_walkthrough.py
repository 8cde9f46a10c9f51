"""The walkthrough, with what a real PostgreSQL said when it was recorded instead of a new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.postgres_trouble import Trouble
from tests.e2e.server import PASSWORD, run, serving
from tests.e2e.stores import CHOICES, appendix_b
from tests.e2e.walkthrough import Transcript, walk

RECORDED = Path(__file__).parent / "data"
PARTS = ("postgresql.log", "activity_during.txt", "activity_relieved.txt", "activity_fixed.txt")


@pytest.fixture
def trouble() -> Trouble:
    return Trouble(*((RECORDED / name).read_text() for name in PARTS))


def test_a_case_is_worked_from_symptom_to_verified_fix(tmp_path: Path, trouble: Trouble) -> None:
    page = Transcript()
    with serving(tmp_path / "data") as server:
        server.wait_for_log("knowledge_is_current")
        steps = walk(server.client(), PASSWORD, trouble, page)
    text = "\n".join(page.lines)
    assert "Missing commit on an error path" in text
    assert "| validated |" in text or "**validated**" in text
    assert "# Incident report" in text
    shown = run(tmp_path / "data", "case", "show", steps.case_id)
    assert "resolved" in shown.stdout


@pytest.mark.parametrize("name", CHOICES)
def test_the_same_case_on_the_stores_of_appendix_b(name: str, tmp_path: Path, trouble: Trouble) -> None:
    page = Transcript()
    # The model is no part of the appendix; without one, the starter runbooks are read in a moment.
    with appendix_b(name) as stores, serving(tmp_path / "data", **stores, EMBEDDING_TYPE="hashing") as server:
        server.wait_for_log("knowledge_is_current")
        client = server.client()
        steps = walk(client, PASSWORD, trouble, page)
        assert client.get(f"/api/v1/cases/{steps.case_id}").json()["state"] == "resolved"
        assert client.get("/health").json()["status"] == "ok"
    assert "Missing commit on an error path" in "\n".join(page.lines)
