"""Composes the backend for the commands of the command line."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from adapters.cli.runtime import Runtime
from adapters.markdown.documents import read_folder
from application.doctor import Doctor, Finding, Verdict
from application.knowledge import KnowledgeService, SourceDocument
from application.operations import Operations
from application.transfer.backup import BackupReport
from application.transfer.live.desk import Operator
from application.transfer.migrator import MergeRule, Migration, Progress
from application.transfer.restore import ImportedCase
from application.transfer.system import SystemMigrator, Verification
from application.user_deletion import DeletedUser
from application.users import UserService
from bootstrap.configuration import Configuration, configuration_named, load_configuration
from bootstrap.data_folder import held, holder_of
from bootstrap.errors import BackendsUnusable, DataFolderInUse, Misconfigured
from bootstrap.logging import configure_logging
from bootstrap.settings import Settings

if TYPE_CHECKING:
    from bootstrap.build import Records


class ProcessRuntime(Runtime):
    """The backend as this process' environment describes it."""

    @cached_property
    def _configuration(self) -> Configuration:
        return load_configuration()

    @property
    def _settings(self) -> Settings:
        return self._configuration.settings

    def configuration(self) -> list[tuple[str, str, str]]:
        """See `Runtime`."""
        return self._configuration.rows()

    def serve(self, workers: int | None, archive: Path | None) -> None:
        """See `Runtime`."""
        if workers is not None:
            # As a setting it is checked together with all the others, and the workers find it.
            os.environ["FAULTMAVEN_WORKERS"] = str(workers)
        settings = self._settings
        configure_logging(settings)
        if settings.faultmaven_workers > 1:
            if archive is not None:
                raise Misconfigured("--archive is for one process; beside several ones use `faultmaven backup`.")
            from bootstrap.workers import supervise

            raise typer.Exit(asyncio.run(supervise(settings)))
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(settings, archive))

    @asynccontextmanager
    async def records(self) -> AsyncIterator[tuple[UserService, Operations]]:
        """See `Runtime`."""
        from adapters.memory.sessions import InMemorySessionStore
        from adapters.system.clock import SystemClock
        from adapters.system.ids import RandomIds
        from application.passwords import Passwords

        async with self._shared_records("a command") as records:
            clock = SystemClock()
            # No token is made or read here: signing out works through the user's own record.
            cache = InMemorySessionStore(clock)
            with closing(Passwords()) as passwords:
                users = UserService(users=records.users, cache=cache, passwords=passwords, clock=clock, ids=RandomIds())
                yield users, Operations(cases=records.cases, users=records.users)

    @asynccontextmanager
    async def knowledge(self) -> AsyncIterator[KnowledgeService]:
        """See `Runtime`."""
        from bootstrap.build import opened_ports
        from bootstrap.services import assembled

        async with (
            opened_ports(self._settings, "faultmaven knowledge") as ports,
            assembled(self._settings, ports) as services,
        ):
            yield services.knowledge_service()

    def read_documents(self, path: str) -> tuple[list[SourceDocument], list[tuple[str, str]]]:
        """See `Runtime`."""
        return read_folder(Path(path))

    async def doctor(self, *, deep: bool) -> list[Finding]:
        """See `Runtime`."""
        from bootstrap.build import opened_ports, opened_records

        settings = self._settings
        findings = [Finding("configuration", Verdict.OK, f"profile {settings.faultmaven_profile}")]
        try:
            async with opened_ports(settings, "faultmaven doctor") as ports:
                doctor = Doctor(
                    stores=ports.stores,
                    cases=ports.records.cases,
                    blobs=ports.blobs,
                    documents=ports.records.documents,
                    vectors=ports.vectors,
                    embeddings=ports.embeddings,
                )
                findings += [finding async for finding in doctor.examine(deep=deep)]
        except DataFolderInUse:
            findings.append(Finding("data folder", Verdict.OK, f"in use by {holder_of(settings.faultmaven_data_dir)}"))
            async with opened_records(settings) as records:
                doctor = Doctor(
                    stores={"cases": records.cases, "users": records.users},
                    cases=records.cases,
                    blobs=None,
                    documents=records.documents,
                    vectors=None,
                    embeddings=None,
                )
                findings += [finding async for finding in doctor.examine(deep=deep)]
        except BackendsUnusable as error:
            findings += [Finding(f"{choice}: open", Verdict.PROBLEM, reason) for choice, reason in error.problems]
        return findings

    @asynccontextmanager
    async def migration(
        self, source: str | None, target: str, *, merge: MergeRule | None, on_progress: Progress
    ) -> AsyncIterator[SystemMigrator]:
        """See `Runtime`."""
        from bootstrap.moving import opened_migration

        mine = self._settings if source is None else configuration_named(source).settings
        theirs = configuration_named(target).settings
        async with opened_migration(mine, theirs, merge=merge, on_progress=on_progress) as migrator:
            yield migrator

    async def backup(
        self, path: Path, *, vectors: bool, sessions: bool, overwrite: bool, on_progress: Progress
    ) -> BackupReport:
        """See `Runtime`."""
        from bootstrap.archiving import back_up

        return await back_up(
            self._settings, path, vectors=vectors, sessions=sessions, overwrite=overwrite, on_progress=on_progress
        )

    async def restore(self, path: Path, *, on_progress: Progress) -> tuple[list[Migration], Verification]:
        """See `Runtime`."""
        from bootstrap.archiving import restore

        return await restore(self._settings, path, on_progress=on_progress)

    async def export_case(self, case_id: str, path: Path, *, overwrite: bool) -> BackupReport:
        """See `Runtime`."""
        from bootstrap.archiving import export_case

        return await export_case(self._settings, case_id, path, overwrite=overwrite)

    async def import_case(self, path: Path, *, owner: str | None) -> ImportedCase:
        """See `Runtime`."""
        from bootstrap.archiving import import_case

        return await import_case(self._settings, path, owner=owner)

    async def delete_user(self, username: str) -> DeletedUser:
        """See `Runtime`."""
        from bootstrap.archiving import delete_user

        return await delete_user(self._settings, username)

    @asynccontextmanager
    async def live_operator(self) -> AsyncIterator[Operator]:
        """See `Runtime`."""
        from adapters.system.clock import SystemClock
        from adapters.system.ids import RandomIds
        from bootstrap.moving import check_lasting

        check_lasting(self._settings, "source")
        if self._settings.faultmaven_workers > 1:
            raise Misconfigured(
                f"FAULTMAVEN_WORKERS={self._settings.faultmaven_workers}: a live migration needs one process that does "
                "all writing. Run the server with one process meanwhile."
            )
        async with self._shared_records("faultmaven migrate live") as records:
            yield Operator(records.cases, SystemClock(), RandomIds())

    @asynccontextmanager
    async def _shared_records(self, purpose: str) -> AsyncIterator[Records]:
        """The records, with the data folder held unless a server serves from it; that one keeps the schema current."""
        from bootstrap.build import opened_records

        async with AsyncExitStack() as stack:
            if self._settings.holds_data_folder:
                with suppress(DataFolderInUse):
                    stack.enter_context(held(self._settings.faultmaven_data_dir, purpose))
            yield await stack.enter_async_context(opened_records(self._settings))


async def _serve(settings: Settings, archive: Path | None) -> None:
    async with AsyncExitStack() as stack:
        if settings.has_embedded_chroma:
            from adapters.chroma.process import started_ahead

            await stack.enter_async_context(started_ahead())
        # These modules are loaded beside those of that process.
        from bootstrap.serve import serve

        await serve(settings, typer.echo, archive)


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """The event loop of a server; None for that of asyncio itself."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop
