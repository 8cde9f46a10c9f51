"""``faultmaven migrate live``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.markup import escape

from adapters.cli.output import Json, at, console, errors, print_json, print_table
from adapters.cli.runtime import Runtime
from application.transfer.live.desk import Operator, Report, Verb
from application.transfer.live.note import LiveNote
from application.transfer.live.status import KindStatus

T = TypeVar("T")

_MOVING = """Move everything to other stores while the server runs.

start copies everything and lets the target follow what is written; status shows how far that is. Once the phase is
`shadowing`, switch lets the target answer: writes wait for less than a second, nothing fails. The former stores go on
to follow, so abort leads back at any time, without a loss. finish ends that."""


def register(app: typer.Typer, runtime: Runtime) -> None:  # noqa: C901 - five commands, one after the other
    live = typer.Typer(help=_MOVING, no_args_is_help=True)
    app.add_typer(live, name="live")

    def asked(action: Callable[[Operator], Awaitable[T]]) -> T:
        async def run() -> T:
            async with runtime.live_operator() as operator:
                return await action(operator)

        return asyncio.run(run())

    @live.command(
        "start",
        help="Begin to copy to other stores, which have to be empty or to hold an unfinished copy of these. The server "
        "has to be running, as one process. It reads the file itself, which has to stay where it is.",
    )
    def start(
        to: Annotated[
            str,
            typer.Option(
                "--to",
                metavar="SETTINGS",
                help="Where to: a profile (development, singlenode, production) or a file with settings, one "
                "NAME=value a line.",
            ),
        ],
    ) -> None:
        # The server has another folder to look for it.
        named = str(Path(to).resolve()) if Path(to).is_file() else to
        console.print(escape(asked(lambda operator: operator.ask(Verb.START, named))))

    @live.command("status", help="Show how the live migration stands. Exit code 0: all is well, 1: something is wrong.")
    def status(as_json: Json = False) -> None:
        async def look(operator: Operator) -> tuple[LiveNote | None, Report | None, bool]:
            return await operator.note(), *await operator.report()

        note, report, alive = asked(look)
        if report is not None and (note is None or report.status.started_at != note.started_at):
            report = None
        if as_json:
            print_json({"note": note, "report": report, "server_is_running": alive})
        else:
            _print_status(note, report, alive=alive)
        troubled = note is not None and not note.phase.is_over and not alive
        raise typer.Exit(1 if troubled or (alive and report is not None and _problems(report)) else 0)

    @live.command(
        "switch",
        help="Let the target answer from now on, and the former stores follow. Writes wait meanwhile, at most "
        "1 second; if it takes longer, nothing is changed.",
    )
    def switch() -> None:
        console.print(escape(asked(lambda operator: operator.ask(Verb.SWITCH))))

    @live.command(
        "finish",
        help="End a live migration that was switched: the former stores no longer follow, and are marked as outdated. "
        "Start the server with the new settings from then on.",
    )
    def finish() -> None:
        console.print(escape(asked(lambda operator: operator.ask(Verb.FINISH))))

    @live.command(
        "abort",
        help="Go back: the stores with which it began answer by themselves, with everything that was written. The "
        "target is left as an unfinished copy.",
    )
    def abort() -> None:
        console.print(escape(asked(lambda operator: operator.abort())))


def _print_status(note: LiveNote | None, report: Report | None, *, alive: bool) -> None:
    if note is None:
        console.print("no live migration has taken place here")
        return
    console.print(f"[bold]{note.phase}[/], to {escape(note.to)}, started {escape(note.started_at)}")
    if report is not None:
        print_table(
            ("", "entries", "compared", "written", "waiting", "passes", "last found", "shadow reads", "different"),
            [_row(kind) for kind in report.status.kinds],
        )
        if report.status.pause_ms is not None:
            console.print(f"the last switch held up writes for {report.status.pause_ms:.0f} ms")
        for text in (*_problems(report), *report.status.examples):
            errors.print(f"[red]{escape(text)}[/]")
    if not note.phase.is_over and not alive:
        since = f" since {at(report.at)}" if report else ""
        errors.print(f"[red]the server does not answer{since}[/]; once it is started, it goes on")


def _row(kind: KindStatus) -> tuple[str, ...]:
    return (
        kind.kind.value,
        f"{kind.total:,}",
        f"{kind.compared:,}",
        f"{kind.written:,}",
        f"{kind.waiting + kind.doubtful:,}",
        str(kind.passes),
        "" if kind.found is None else f"{kind.found:,}",
        f"{kind.reads.compared:,}",
        f"{kind.reads.different:,}",
    )


def _problems(report: Report) -> list[str]:
    found = [f"{kind.kind}: {kind.problem}" for kind in report.status.kinds if kind.problem]
    different = sum(kind.reads.different for kind in report.status.kinds)
    if different:
        found.append(f"{different} shadow reads were answered differently")
    return [*([report.status.problem] if report.status.problem else []), *found]
