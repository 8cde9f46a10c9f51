"""``faultmaven config``."""

from __future__ import annotations

import typer
from rich.markup import escape

from adapters.cli.output import Json, console, print_json, print_table
from adapters.cli.runtime import Runtime


def register(app: typer.Typer, runtime: Runtime) -> None:
    @app.command("show", help="Show every setting with its value and where it came from.")
    def show(as_json: Json = False) -> None:
        rows = runtime.configuration()
        if as_json:
            print_json([{"variable": name, "value": value, "origin": origin} for name, value, origin in rows])
        else:
            print_table(("variable", "value", "from"), [(name, escape(value), origin) for name, value, origin in rows])

    @app.command("check", help="Check the settings; exit code 78 if they cannot be used.")
    def check() -> None:
        runtime.configuration()
        console.print("The configuration is valid.")
