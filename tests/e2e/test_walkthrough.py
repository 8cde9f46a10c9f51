"""The walkthrough, with what a real PostgreSQL said when it was recorded instead of a new one."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.postgres_trouble import Trouble
from tests.e2e.server import PASSWORD, run, serving
from tests.e2e.walkthrough import Transcript, walk

RECORDED = Path(__file__).parent / "data"


def test_a_case_is_worked_from_symptom_to_verified_fix(tmp_path: Path) -> None:
    parts = ("postgresql.log", "activity_during.txt", "activity_relieved.txt", "activity_fixed.txt")
    trouble = Trouble(*((RECORDED / name).read_text() for name in parts))
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
