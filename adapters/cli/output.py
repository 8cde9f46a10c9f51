"""How results look on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from application.operations import CaseFile
from domain.case import Case
from domain.hypothesis import Hypothesis
from domain.message import MessageRole

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

_STATUS_COLOURS = {
    "consulting": "cyan",
    "investigating": "yellow",
    "resolved": "green",
    "closed": "dim",
    "ok": "green",
    "warning": "yellow",
    "problem": "red",
    "skipped": "dim",
}


def coloured(word: str) -> str:
    """A status word in its colour."""
    return f"[{_STATUS_COLOURS.get(word, 'default')}]{escape(word)}[/]"


def at(instant: datetime) -> str:
    """An instant to the second, in UTC."""
    return f"{instant:%Y-%m-%d %H:%M:%S}Z"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """A table whose cells are Rich markup."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_cases(cases: Iterable[Case], total: int) -> None:
    """A list of cases."""
    rows = [
        (
            case.case_id,
            coloured(case.status),
            escape(case.title),
            str(case.current_turn),
            str(len(case.evidence)),
            at(case.last_activity_at),
        )
        for case in cases
    ]
    print_table(("case", "status", "title", "turns", "evidence", "last activity"), rows)
    console.print(f"{len(rows)} of {total} cases")


def print_case(file: CaseFile) -> None:
    """One case: what is known, the hypotheses with their evidence, the solutions and the conversation."""
    case = file.case
    console.print(
        f"[bold]{escape(case.title)}[/]  {coloured(case.status)}  {case.case_id}, owned by {escape(file.owner)}"
    )
    if case.description:
        console.print(escape(case.description))
    done = ", ".join(case.progress.completed_milestones) or "none yet"
    console.print(f"Milestones ({case.progress.completion:.0%}): {done}")
    if case.working_conclusion:
        conclusion = case.working_conclusion
        console.print(f"Working conclusion ({conclusion.confidence:.2f}): {escape(conclusion.statement)}")
    if case.root_cause_conclusion:
        cause = case.root_cause_conclusion
        console.print(f"Root cause ({cause.confidence_score:.2f}): {escape(cause.root_cause)}")
    if case.hypotheses:
        ranked = sorted(case.hypotheses, key=lambda item: (-item.likelihood, item.hypothesis_id))
        rows = [
            (f"{item.likelihood:.2f} {_bar(item.likelihood)}", item.status, escape(item.statement), _links(item))
            for item in ranked
        ]
        print_table(("likelihood", "status", "hypothesis", "evidence"), rows, title="Hypotheses")
    if case.evidence:
        evidence = [
            (item.evidence_id, str(item.collected_at_turn), item.category, escape(item.summary))
            for item in case.evidence
        ]
        print_table(("evidence", "turn", "category", "summary"), evidence, title="Evidence")
    if case.solutions:
        solutions = [
            (
                item.solution_id,
                "mitigation" if item.is_mitigation else "fix",
                escape(item.title),
                _solution_state(item.applied_at, item.verified_at),
            )
            for item in case.solutions
        ]
        print_table(("solution", "kind", "title", "state"), solutions, title="Solutions")
    print_table(("time", "what happened"), _timeline(file), title="Timeline")


def _bar(likelihood: float) -> str:
    filled = round(likelihood * 10)
    return "█" * filled + "·" * (10 - filled)


def _links(hypothesis: Hypothesis) -> str:
    return "\n".join(f"{link.evidence_id} {link.stance.replace('_', ' ')}" for link in hypothesis.links) or "-"


def _solution_state(applied_at: datetime | None, verified_at: datetime | None) -> str:
    if verified_at:
        return f"verified {at(verified_at)}"
    return f"applied {at(applied_at)}" if applied_at else "proposed"


def _timeline(file: CaseFile) -> list[tuple[str, str]]:
    """Messages, milestones and status changes in the order in which they happened."""
    case = file.case
    entries = [(case.created_at, "case opened")]
    entries += [
        (item.triggered_at, f"{item.from_status} → {coloured(item.to_status)}: {escape(item.reason)}")
        for item in case.status_history
    ]
    entries += [
        (item.completed_at, f"[bold]{item.milestone}[/] {' '.join(item.evidence_ids)}")
        for item in case.progress.completed
    ]
    for message in file.messages:
        speaker = {MessageRole.USER: file.owner, MessageRole.ASSISTANT: "FaultMaven"}.get(message.role, "system")
        text = " ".join(message.content.split())
        entries.append((message.created_at, f"{escape(speaker)}: {escape(text[:160])}{'…' if len(text) > 160 else ''}"))
    return [(at(when), what) for when, what in sorted(entries, key=lambda entry: entry[0])]


def print_json(value: Any) -> None:
    """``value`` as JSON on standard output."""
    typer.echo(json.dumps(TypeAdapter(Any).dump_python(value, mode="json"), ensure_ascii=False, indent=2))
