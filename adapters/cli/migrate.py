"""``faultmaven migrate``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape

from adapters.cli import live
from adapters.cli.output import Json, console, errors, print_json, print_table
from adapters.cli.progress import with_progress
from adapters.cli.runtime import Runtime
from application.transfer.migrator import MergeRule, Migration
from application.transfer.migrator import Progress as OnProgress
from application.transfer.system import Plan, SystemMigrator, Verification

T = TypeVar("T")

_SETTINGS = "a profile (development, singlenode, production) or a file with settings, one NAME=value a line"

To = Annotated[str, typer.Option("--to", help=f"Where to: {_SETTINGS}.", metavar="SETTINGS")]
From = Annotated[
    str | None,
    typer.Option("--from", help=f"Where from: {_SETTINGS}. By default this installation.", metavar="SETTINGS"),
]
Merge = Annotated[
    MergeRule | None,
    typer.Option(
        "--merge",
        help="Move into stores that already hold something. What stands on both sides and differs: skip keeps that of "
        "the target, newer takes the higher version, fail stops. Without this, the target has to be empty.",
    ),
]


def register(app: typer.Typer, runtime: Runtime) -> None:
    live.register(app, runtime)

    @app.command("plan", help="Say what would be moved, how much it is and what stands in the way. Writes nothing.")
    def plan(to: To, source: From = None, merge: Merge = None, as_json: Json = False) -> None:
        plans = _run(runtime, source, to, merge, SystemMigrator.plan)
        if as_json:
            print_json(plans)
        else:
            _print_plan(plans)

    @app.command(
        "run",
        help="Move everything: users, knowledge with its vectors, files, cases with their messages, sessions. What was "
        "interrupted goes on where it stood. The source is only read. Stop its server first, or see `migrate live`.",
    )
    def run(to: To, source: From = None, merge: Merge = None, as_json: Json = False) -> None:
        async def move(migrator: SystemMigrator) -> tuple[list[Migration], Verification]:
            return await migrator.migrate(), await migrator.verify()

        migrations, verification = _run(runtime, source, to, merge, move)
        if as_json:
            print_json({"moved": migrations, "verified": verification_report(verification)})
        else:
            print_migrations(migrations)
            print_verification(verification)
        if not verification.is_clean:
            raise typer.Exit(1)
        if not as_json:
            console.print("The source is as it was. Start the server with the new settings from now on.")

    @app.command(
        "verify",
        help="Compare source and target entry by entry, and look for references that lead nowhere. Exit code 0: the "
        "same, 1: something is missing, too much or different.",
    )
    def verify(to: To, source: From = None, merge: Merge = None, as_json: Json = False) -> None:
        verification = _run(runtime, source, to, merge, SystemMigrator.verify)
        if as_json:
            print_json(verification_report(verification))
        else:
            print_verification(verification)
        raise typer.Exit(0 if verification.is_clean else 1)


def _run(
    runtime: Runtime,
    source: str | None,
    target: str,
    merge: MergeRule | None,
    action: Callable[[SystemMigrator], Coroutine[None, None, T]],
) -> T:
    async def work(on_progress: OnProgress) -> T:
        async with runtime.migration(source, target, merge=merge, on_progress=on_progress) as migrator:
            return await action(migrator)

    return with_progress(work)


def _print_plan(plans: Sequence[Plan]) -> None:
    rows = [
        (
            plan.kind.value,
            f"{plan.entities:,}",
            f"{plan.in_target:,}",
            f"{plan.size / 1e6:,.1f} MB",
            f"{plan.seconds:,.0f} s",
            escape(plan.action),
        )
        for plan in plans
    ]
    print_table(("", "entries", "in target", "about", "time", "what happens"), rows)
    for plan in plans:
        console.print(f"{plan.kind}: {escape(plan.source)} -> {escape(plan.target)}", soft_wrap=True)
    for plan in plans:
        for warning in plan.warnings:
            errors.print(f"[yellow]{plan.kind}[/]: {escape(warning)}")


def print_migrations(migrations: Sequence[Migration]) -> None:
    """What was moved, kind by kind."""
    rows = [
        (
            migration.kind.value,
            f"{migration.read:,}",
            f"{migration.written:,}",
            f"{migration.kept:,}",
            f"{migration.resumed:,}",
            f"{migration.seconds:,.1f} s",
        )
        for migration in migrations
    ]
    print_table(("moved", "read", "written", "left as they were", "done earlier", "time"), rows)


def print_verification(verification: Verification) -> None:
    """What a comparison found, with the first differences on standard error."""
    rows = [
        (
            item.kind.value,
            f"{item.in_source:,}",
            f"{item.in_target:,}",
            f"{item.missing:,}",
            f"{item.unexpected:,}",
            f"{item.different:,}",
            f"{item.kept:,}",
        )
        for item in verification.comparisons
    ]
    print_table(("verified", "in source", "in target", "missing", "too much", "different", "left by the merge"), rows)
    for item in verification.comparisons:
        for text in (*item.examples, *([item.unreadable] if item.unreadable else ())):
            errors.print(f"[red]{item.kind}[/]: {escape(text)}")
    for text in verification.dangling[:20]:
        errors.print(f"[red]reference[/]: {escape(text)}")
    if verification.is_clean:
        console.print("verified: the same on both sides", style="green")
    else:
        errors.print(f"not the same on both sides ({len(verification.dangling)} references lead nowhere)", style="red")


def verification_report(verification: Verification) -> dict[str, Any]:
    """A verification for `print_json`."""
    return {
        "clean": verification.is_clean,
        "comparisons": verification.comparisons,
        "dangling": verification.dangling,
    }
