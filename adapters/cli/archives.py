"""``faultmaven backup``, ``restore``, ``case export`` and ``case import``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from adapters.cli.migrate import print_migrations, print_verification, verification_report
from adapters.cli.output import Json, console, errors, print_json, print_table
from adapters.cli.progress import with_progress
from adapters.cli.runtime import Runtime
from application.transfer.backup import BackupReport

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]


def register(app: typer.Typer, runtime: Runtime) -> None:
    """The commands for whole installations."""

    @app.command(
        "backup",
        help="Write everything to one archive: users, knowledge, cases with their messages, files. Also beside a "
        "running server: the archive holds what was stored at one moment, and all that was acknowledged before the "
        "command began. It holds password hashes and is readable by its owner only.",
    )
    def backup(
        file: Annotated[Path, typer.Argument(help="The archive to write, e.g. backup.zip.", dir_okay=False)],
        vectors: Annotated[
            bool,
            typer.Option(
                "--with-vectors",
                help="Also the vectors, so that a restore need not make them again. With local stores, not beside a "
                "running server.",
            ),
        ] = False,
        sessions: Annotated[
            bool,
            typer.Option(
                "--with-sessions",
                help="Also sessions and sign-ins, which expire by themselves. With local stores, not beside a running "
                "server.",
            ),
        ] = False,
        overwrite: Overwrite = False,
        as_json: Json = False,
    ) -> None:
        report = with_progress(
            lambda on_progress: runtime.backup(
                file, vectors=vectors, sessions=sessions, overwrite=overwrite, on_progress=on_progress
            )
        )
        _print_report(file, report, as_json=as_json)

    @app.command(
        "restore",
        help="Bring everything back from an archive into empty stores, and prove that it is all there. An archive that "
        "is damaged is refused before anything is written; an interrupted restore goes on when it is repeated. The "
        "server must not run. Exit code 0: all is as in the archive.",
    )
    def restore(
        file: Annotated[Path, typer.Argument(help="An archive that `faultmaven backup` wrote.", dir_okay=False)],
        as_json: Json = False,
    ) -> None:
        migrations, verification = with_progress(lambda on_progress: runtime.restore(file, on_progress=on_progress))
        if as_json:
            print_json({"restored": migrations, "verified": verification_report(verification)})
        else:
            print_migrations(migrations)
            print_verification(verification)
        if not verification.is_clean:
            raise typer.Exit(1)


def register_case(app: typer.Typer, runtime: Runtime) -> None:
    """The commands for one case."""

    @app.command(
        "export",
        help="Write one case with its messages, files and knowledge to an archive. No account is in it. Also beside a "
        "running server.",
    )
    def export(
        case_id: Annotated[str, typer.Argument(help="Id of the case.")],
        file: Annotated[
            Path | None, typer.Argument(help="The archive to write; by default ID.zip.", dir_okay=False)
        ] = None,
        overwrite: Overwrite = False,
        as_json: Json = False,
    ) -> None:
        target = file or Path(f"{case_id}.zip")
        report = asyncio.run(runtime.export_case(case_id, target, overwrite=overwrite))
        _print_report(target, report, as_json=as_json)

    @app.command(
        "import",
        help="Bring a case back from an archive that `faultmaven case export` wrote, as it was. Refused if there is a "
        "case with its id. Also beside a running server.",
    )
    def import_case(
        file: Annotated[Path, typer.Argument(help="The archive of the case.", dir_okay=False)],
        owner: Annotated[
            str | None, typer.Option(help="Give the case to this user instead of the one whom it belonged to.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        done = asyncio.run(runtime.import_case(file, owner=owner))
        if as_json:
            print_json(
                {
                    "case_id": done.case.case_id,
                    "owner": done.owner.username,
                    "previous_owner": done.previous_owner,
                    "messages": done.case.message_count,
                    "files": done.files,
                    "documents": done.documents,
                    "indexed": done.indexed,
                    "verified": verification_report(done.verification),
                }
            )
        else:
            console.print(
                f"Imported {done.case.case_id}, {escape(done.case.title)}: {done.case.message_count} messages, "
                f"{done.files} files, {done.documents} documents."
            )
            if done.previous_owner is not None:
                console.print(f"It belonged to {done.previous_owner} and belongs to {escape(done.owner.username)} now.")
            if not done.indexed:
                console.print("Its documents are found by their words; the next start of the server adds the vectors.")
            if not done.verification.is_clean:
                print_verification(done.verification)
        if not done.verification.is_clean:
            raise typer.Exit(1)


def _print_report(file: Path, report: BackupReport, *, as_json: bool) -> None:
    size = file.stat().st_size
    if as_json:
        print_json(_as_json(file, size, report))
        return
    rows = [
        (kind.value, f"{summary.entities:,}", f"{summary.lines:,}", f"{summary.size / 1e6:,.1f} MB")
        for kind, summary in report.members.items()
    ]
    print_table(("", "entries", "lines", "size"), rows)
    for case_id in report.left_out:
        errors.print(f"[yellow]{case_id}[/] was deleted meanwhile and is left out")
    for text in report.dangling[:20]:
        errors.print(f"[yellow]reference[/]: {escape(text)}")
    if report.dangling:
        errors.print(f"{len(report.dangling)} references lead nowhere in the stores already; the archive has them so")
    console.print(
        f"Wrote {escape(str(file))}: {size / 1e6:,.1f} MB, with {report.file_bytes / 1e6:,.1f} MB of files in it."
    )


def _as_json(file: Path, size: int, report: BackupReport) -> dict[str, Any]:
    return {
        "file": str(file),
        "size": size,
        "file_bytes": report.file_bytes,
        "members": {kind.value: summary for kind, summary in report.members.items()},
        "left_out": report.left_out,
        "dangling": report.dangling,
    }
