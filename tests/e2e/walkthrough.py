"""Works one case to its end over HTTP, as the copilot does, and writes down what was said: `make walkthrough`.

The log and the answers of the database in it are those of a real PostgreSQL that a leaking application drove out of
connections a moment before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.postgres_trouble import Trouble
from tests.e2e.server import run, serving
from tests.e2e.stores import CHOICES, appendix_b

PAGE = Path(__file__).parents[2] / "docs" / "walkthrough.md"
HEAD = """\
# A case from symptom to verified fix

This page is the record of a real run, written by `make walkthrough`: a PostgreSQL was driven out of connections by an
application that leaks transactions, and the case about it was worked over HTTP, as the copilot extension does it. No
language model took part: the `playbook` model works with rules and the runbooks.
"""


@dataclass(slots=True)
class Transcript:
    """The page as it grows."""

    lines: list[str] = field(default_factory=lambda: [HEAD])

    def heading(self, text: str) -> None:
        self.lines.append(f"## {text}\n")

    def block(self, text: str, kind: str = "") -> None:
        fence = "````" if "```" in text else "```"
        self.lines.append(f"{fence}{kind}\n{text.rstrip()}\n{fence}\n")

    def quote(self, text: str) -> None:
        self.lines.append("\n".join(f"> {line}".rstrip() for line in text.splitlines()) + "\n")

    def say(self, text: str) -> None:
        self.lines.append(text + "\n")


class Walk:
    """One engineer, one case."""

    def __init__(self, client: httpx.Client, page: Transcript) -> None:
        self.client = client
        self.page = page
        self.case_id = ""
        self.actions: list[dict[str, Any]] = []

    def call(self, method: str, path: str, show: Callable[[Any], Any] | None = None, **options: Any) -> Any:
        """One request that has to succeed, written down with the interesting part of its answer."""
        answer = self.client.request(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        body = answer.json() if "json" in answer.headers.get("content-type", "") else answer.text
        if show:
            self.page.block(f"{method} {path}\n{answer.status_code} {json.dumps(show(body), indent=2)}")
        return body

    def turn(
        self, query: str, *, files: tuple[tuple[str, str], ...] = (), intent: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """One turn, with the engineer's words and the answer."""
        parts: list[Any] = [("query", (None, query))]
        parts += [("files", (name, content.encode(), "text/plain")) for name, content in files]
        if intent:
            parts += [("intent_type", (None, intent["type"])), ("intent_data", (None, json.dumps(intent)))]
        attached = f" *(attached: {', '.join(name for name, _ in files)})*" if files else ""
        clicked = " *(a click)*" if intent else ""
        self.page.say(f"**Engineer**{clicked}{attached}: {query}")
        answer: dict[str, Any] = self.call("POST", f"/api/v1/cases/{self.case_id}/turns", files=parts)
        self.actions = answer["suggested_actions"] or []
        earned = ", ".join(answer["milestones_completed"]) or "none"
        self.page.say(f"**FaultMaven** (turn {answer['turn_number']}, {answer['case_state']}; milestones: {earned}):")
        self.page.quote(answer["agent_response"])
        return answer

    def click(self, decision: str) -> dict[str, Any]:
        """Press the button that stands for this decision."""
        for action in self.actions:
            intent = action.get("intent") or {}
            if action["type"] == "DECIDE" and intent.get("decision", {}).get("kind") == decision:
                return self.turn(action["payload"], intent=intent)
        offered = [(action["type"], action["label"]) for action in self.actions]
        raise AssertionError(f"no button for {decision}; offered: {offered}")

    def hypotheses(self) -> None:
        """The table of hypotheses as the header of the client shows it."""
        state = self.call("GET", f"/api/v1/cases/{self.case_id}/ui")
        rows = [
            f"| {item['likelihood']:.2f} | {item['state']} | {item['text']} | {item['evidence_count']} |"
            for item in state["active_hypotheses"] or []
        ]
        if rows:
            self.page.say(
                "\n".join(["| likelihood | state | hypothesis | evidence |", "| --- | --- | --- | --- |", *rows])
            )


def walk(client: httpx.Client, password: str, trouble: Trouble, page: Transcript) -> Walk:
    """The whole case. Every step has to work, or an assertion fails."""
    steps = Walk(client, page)
    page.heading("Sign in and open a case")
    signed_in = steps.call(
        "POST",
        "/api/v1/auth/login",
        lambda body: {"user": body["user"]["username"], "roles": body["user"]["roles"]},
        json={"username": "admin", "password": password},
    )
    client.headers["Authorization"] = f"Bearer {signed_in['access_token']}"
    session = steps.call(
        "POST",
        "/api/v1/sessions",
        lambda body: {"status": body["status"], "session_resumed": body["session_resumed"]},
        json={"client_id": "walkthrough", "session_type": "troubleshooting", "timeout_minutes": 180},
    )
    client.headers["X-Session-Id"] = session["session_id"]
    case = steps.call(
        "POST",
        "/api/v1/cases",
        lambda body: {key: body[key] for key in ("case_id", "title", "state")},
        json={"title": None, "priority": "high"},
        headers={"Idempotency-Key": "opt_case_1795300218654_1"},
    )
    steps.case_id = case["case_id"]

    page.heading("Describe the symptom, with the log of the database")
    steps.turn(
        "The shop API answers with status 500 for all customers in production. Its log says: FATAL: sorry, too many "
        "clients already.",
        files=(("postgresql.log", trouble.log),),
    )
    page.heading("Confirm the problem and investigate")
    steps.click("confirm_statement")
    if steps.call("GET", f"/api/v1/cases/{steps.case_id}")["state"] == "inquiry":
        steps.click("start_investigation")
    steps.hypotheses()

    page.heading("Hand in evidence")
    steps.turn(
        "This is what pg_stat_activity says. Nearly all sessions are idle in transaction, and all of them come from "
        "shop-api.",
        files=(("pg_stat_activity.txt", trouble.activity_during),),
    )
    steps.hypotheses()
    steps.turn(
        "shop-api 2.14 was deployed ten minutes before it began. Since then an order that fails raises an exception "
        "and returns without commit or rollback, so its session stays idle in transaction for ever.",
    )
    steps.hypotheses()

    page.heading("Mitigate first")
    steps.click("apply_solution")
    steps.turn(
        "The leaked sessions are ended and idle_in_transaction_session_timeout is set. New connections work again: no "
        "session is idle in transaction any more, and inserts succeed.",
        files=(("after_the_relief.txt", trouble.activity_relieved),),
    )
    steps.hypotheses()
    steps.click("verify_solution")

    page.heading("Fix the cause and verify it")
    steps.click("apply_solution")
    steps.turn(
        "shop-api 2.15 rolls back on each error path and is deployed. Failing orders leave no session behind any more.",
        files=(("after_the_fix.txt", trouble.activity_fixed),),
    )
    answer = steps.click("verify_solution")
    assert answer["case_state"] == "resolved", answer
    page.heading("Look at what is left")
    steps.call(
        "GET",
        f"/api/v1/cases/{steps.case_id}/ui",
        lambda body: {key: body[key] for key in ("state", "root_cause", "solution_applied", "resolution_summary")},
    )
    report = steps.call("POST", f"/api/v1/cases/{steps.case_id}/reports", json={"report_type": "incident_report"})
    text = steps.call("GET", f"/api/v1/cases/{steps.case_id}/reports/{report['report_id']}")
    page.heading("The incident report")
    page.block(text, "markdown")
    return steps


def work_on(profile: str) -> None:
    """Work the case on other stores, and tell on which and how it ended."""
    from tests.e2e.postgres_in_trouble import cause_trouble

    with tempfile.TemporaryDirectory() as folder, appendix_b(profile) as stores:
        trouble = asyncio.run(cause_trouble(Path(folder) / "postgresql"))
        with serving(Path(folder) / "data", **stores) as server:
            server.wait_for_log("knowledge_is_current")
            client = server.client()
            steps = walk(client, server.environment["AUTH_INITIAL_ADMIN_PASSWORD"], trouble, Transcript())
            state = client.get(f"/api/v1/cases/{steps.case_id}").json()["state"]
            health = client.get("/health").json()
    chosen = ", ".join(f"{name}={value}" for name, value in CHOICES[profile].items())
    sys.stdout.write(f"{profile}: {chosen}\nhealth: {json.dumps(health)}\ncase {steps.case_id}: {state}\n")


def main() -> None:
    """Run it on a new data folder and write the page."""
    # Only this command needs a PostgreSQL; the test of the walk does not.
    from tests.e2e.postgres_in_trouble import cause_trouble

    parser = argparse.ArgumentParser(description="Work one case to its end and write docs/walkthrough.md.")
    parser.add_argument("--runbooks", type=Path, help="folder of runbooks to import first")
    parser.add_argument("--profile", choices=[*CHOICES], help="stores of Appendix B to work it on; writes no page")
    given = parser.parse_args()
    if given.profile:
        work_on(given.profile)
        return
    runbooks: Path | None = given.runbooks
    page = Transcript()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        if runbooks:
            page.heading("Import runbooks")
            for _ in range(2):
                imported = run(data, "knowledge", "import", str(runbooks.resolve()))
                assert imported.returncode == 0, imported.stderr
                page.block(f"$ faultmaven knowledge import {runbooks.name}\n{imported.stdout}")
        trouble = asyncio.run(cause_trouble(Path(folder) / "postgresql"))
        with serving(data) as server:
            server.wait_for_log("knowledge_is_current")
            steps = walk(server.client(), server.environment["AUTH_INITIAL_ADMIN_PASSWORD"], trouble, page)
        page.heading("The same case on the command line, after the server was stopped")
        page.block(f"$ faultmaven case show {steps.case_id}\n{run(data, 'case', 'show', steps.case_id).stdout}")
        page.block(f"$ faultmaven doctor --deep\n{run(data, 'doctor', '--deep').stdout}")
    PAGE.write_text("\n".join(page.lines), encoding="utf-8")
    sys.stdout.write(f"Wrote {PAGE}\n")


if __name__ == "__main__":
    main()
