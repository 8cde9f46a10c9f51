"""The commands of ``faultmaven``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from adapters.cli import archives, cases, config, knowledge, migrate, users
from adapters.cli.output import Json, coloured, console, print_json, print_table
from adapters.cli.runtime import Runtime
from application.doctor import Verdict


def create_cli(runtime: Runtime) -> typer.Typer:
    """The command line over ``runtime``."""
    app = typer.Typer(
        name="faultmaven",
        help="The FaultMaven backend: troubleshooting cases, from symptom to verified fix.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.command("serve", help="Run the server until it is told to stop (SIGTERM or Ctrl-C).")
    def serve(
        workers: Annotated[
            int | None,
            typer.Option(help="Processes that serve; more than one needs services for all data [FAULTMAVEN_WORKERS]."),
        ] = None,
        archive: Annotated[
            Path | None,
            typer.Option(
                help="When it stops, write everything to this new archive. What is in memory is gone otherwise.",
                dir_okay=False,
            ),
        ] = None,
    ) -> None:
        runtime.serve(workers, archive)

    for name, about, register in (
        ("config", "The settings of this installation.", config.register),
        ("user", "The accounts.", users.register),
        ("knowledge", "Runbooks and other documents.", knowledge.register),
        ("case", "The cases of everybody, for the operator of the machine.", cases.register),
        ("migrate", "Move everything to other stores, and prove that nothing is missing.", migrate.register),
    ):
        group = typer.Typer(help=about, no_args_is_help=True)
        register(group, runtime)
        app.add_typer(group, name=name)
    archives.register(app, runtime)

    @app.command("doctor", help="Examine this installation. Exit code 0: healthy, 1: something is wrong.")
    def doctor(
        deep: Annotated[bool, typer.Option(help="Also read every stored file.")] = False, as_json: Json = False
    ) -> None:
        findings = asyncio.run(runtime.doctor(deep=deep))
        problems = sum(finding.verdict is Verdict.PROBLEM for finding in findings)
        if as_json:
            print_json([{"check": item.check, "verdict": item.verdict, "detail": item.detail} for item in findings])
        else:
            rows = [(coloured(item.verdict), escape(item.check), escape(item.detail)) for item in findings]
            print_table(("", "check", "finding"), rows)
            if problems:
                console.print(f"{problems} of {len(findings)} checks found a problem", style="red")
            else:
                console.print("healthy", style="green")
        raise typer.Exit(1 if problems else 0)

    return app
