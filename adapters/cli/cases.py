"""``faultmaven case``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from adapters.cli.archives import register_case
from adapters.cli.output import Json, at, print_case, print_cases, print_json
from adapters.cli.runtime import Runtime
from application.operations import CaseFile
from domain.case import Case
from domain.status import CaseStatus
from ports.paging import Page


def register(app: typer.Typer, runtime: Runtime) -> None:
    @app.command("list", help="List cases, most recently active first.")
    def list_cases(
        user: Annotated[str | None, typer.Option(help="Only cases of this user.")] = None,
        status: Annotated[CaseStatus | None, typer.Option(help="Only cases with this status.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=200, help="Most cases to show.")] = 50,
        offset: Annotated[int, typer.Option(min=0, help="Cases to pass over first.")] = 0,
        as_json: Json = False,
    ) -> None:
        async def run() -> Page[Case]:
            async with runtime.records() as (_, operations):
                return await operations.list_cases(username=user, status=status, limit=limit, offset=offset)

        page = asyncio.run(run())
        if as_json:
            print_json({"total": page.total, "cases": [_case_row(case) for case in page]})
        else:
            print_cases(page, page.total)

    @app.command("show", help="Show one case: hypotheses with their evidence, solutions and the timeline.")
    def show(case_id: Annotated[str, typer.Argument(help="Id of the case.")], as_json: Json = False) -> None:
        async def run() -> CaseFile:
            async with runtime.records() as (_, operations):
                return await operations.case_file(case_id)

        file = asyncio.run(run())
        if as_json:
            messages = [message.model_dump(mode="json") for message in file.messages]
            print_json({"case": file.case.model_dump(mode="json"), "owner": file.owner, "messages": messages})
        else:
            print_case(file)

    register_case(app, runtime)


def _case_row(case: Case) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "title": case.title,
        "status": case.status,
        "user_id": case.user_id,
        "turns": case.current_turn,
        "last_activity_at": at(case.last_activity_at),
    }
