"""``faultmaven knowledge``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.cli.output import Json, console, errors, print_json, print_table
from adapters.cli.runtime import Runtime
from application.knowledge import ImportReport
from application.retrieval import SearchResult
from domain.knowledge import GLOBAL


def register(app: typer.Typer, runtime: Runtime) -> None:
    @app.command("import", help="Import a folder of Markdown and text files into the global knowledge.")
    def import_folder(
        folder: Annotated[
            Path, typer.Argument(help="Folder to read, with its subfolders.", exists=True, file_okay=False)
        ],
        as_json: Json = False,
    ) -> None:
        sources, unreadable = runtime.read_documents(str(folder))

        async def run(on_progress: Callable[[str], None]) -> ImportReport:
            async with runtime.knowledge() as knowledge:
                return await knowledge.import_documents(None, GLOBAL, sources, on_progress=on_progress)

        report = _with_progress("Importing", len(sources), run)
        failed = [*unreadable, *report.failed]
        _print_report(report, failed, as_json=as_json)
        if failed:
            raise typer.Exit(1)

    @app.command("search", help="Search the global knowledge.")
    def search(
        text: Annotated[str, typer.Argument(help="A question, an alert or a log line.")],
        limit: Annotated[int, typer.Option(help="Most results to show.", min=1, max=50)] = 5,
        as_json: Json = False,
    ) -> None:
        async def run() -> SearchResult:
            async with runtime.knowledge() as knowledge:
                return await knowledge.search(None, text, limit=limit)

        _print_hits(asyncio.run(run()), as_json=as_json)

    @app.command("reindex", help="Index again by meaning whatever is missing from the index.")
    def reindex() -> None:
        async def run() -> int:
            async with runtime.knowledge() as knowledge:
                return await knowledge.reindex()

        console.print(f"Indexed {asyncio.run(run())} documents again.")


def _print_report(report: ImportReport, failed: Sequence[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        counts = {name: getattr(report, name) for name in ("added", "updated", "unchanged", "kept", "words_only")}
        print_json({**counts, "failed": failed})
        return
    console.print(
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, "
        f"{report.kept} kept because they were edited here, {len(failed)} failed"
    )
    if report.words_only:
        errors.print(f"{report.words_only} are found by their words only; run `faultmaven knowledge reindex` later")
    for name, reason in failed:
        errors.print(f"[red]{escape(name)}[/]: {escape(reason)}")


def _print_hits(result: SearchResult, *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "document_id": hit.document.document_id,
                    "title": hit.document.title,
                    "heading": hit.chunk.heading,
                    "relevance": round(hit.relevance, 4),
                    "why": hit.why,
                }
                for hit in result.hits
            ]
        )
        return
    if not result.hits:
        console.print("Nothing in the knowledge fits.")
        return
    rows = [
        (f"{hit.relevance:.2f}", escape(hit.document.title), escape(hit.chunk.heading), escape(hit.why))
        for hit in result.hits
    ]
    print_table(("relevance", "document", "section", "why"), rows)


def _with_progress(
    label: str, total: int, run: Callable[[Callable[[str], None]], Coroutine[None, None, ImportReport]]
) -> ImportReport:
    """Run with a progress bar on a terminal, and without a word elsewhere."""
    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[name]}"),
    )
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as progress:
        task = progress.add_task(label, total=total, name="")
        return asyncio.run(run(lambda name: progress.update(task, advance=1, name=escape(name))))
