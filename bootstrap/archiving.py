"""Backup and restore of the installation, and its cases as archives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from adapters.archive.zip_file import reading, writing
from adapters.system.clock import SystemClock
from application.transfer.archive import Archive
from application.transfer.archive_format import ArchiveRefused
from application.transfer.backup import Backup, BackupReport
from application.transfer.live.layer import Layer
from application.transfer.migrator import Migration, Progress
from application.transfer.restore import CaseImport, ImportedCase, Restore
from application.transfer.stores import Stores
from application.transfer.system import Verification
from application.user_deletion import DeletedUser, UserDeletion
from bootstrap.build import Ports, opened_ports, opened_records_and_files
from bootstrap.data_folder import held
from bootstrap.errors import DataFolderInUse
from bootstrap.moving import check_lasting, stores_of
from bootstrap.services import assembled
from bootstrap.settings import Settings

S = TypeVar("S")


async def back_up(
    settings: Settings, path: Path, *, vectors: bool, sessions: bool, overwrite: bool, on_progress: Progress
) -> BackupReport:
    """See `adapters.cli.runtime.Runtime.backup`.

    Raises:
        Misconfigured: there is nothing that lasts.
        ArchiveRefused: the file exists, or vectors or sessions are asked for that are in the memory of a server.
    """
    check_lasting(settings, "installation")
    for asked, variable in ((vectors, "vector_storage_type"), (sessions, "session_storage_type")):
        if asked and getattr(settings, variable) == "inmemory":
            raise ArchiveRefused(f"{variable.upper()}=inmemory: they are in the memory of the server, and not saved")
    with writing(path, overwrite=overwrite) as writer:
        async with _stores(settings, vectors=vectors, sessions=sessions) as stores:
            backup = Backup(stores, writer, now=SystemClock().now(), release=_release(), on_progress=on_progress)
            return await backup.everything()


async def save_all(ports: Ports, path: Path) -> BackupReport:
    """Write what the open stores hold to a new archive, without vectors and sessions; for a server that is about to
    end.

    Raises:
        ArchiveRefused: the file exists.
        PortError: it cannot be written.
    """
    records = ports.records
    stores = Stores(
        users=_adapter(records.users),
        documents=_adapter(records.documents),
        cases=_adapter(records.cases),
        files=_adapter(ports.blobs),
    )
    with writing(path) as writer:
        return await Backup(stores, writer, now=ports.clock.now(), release=_release()).everything()


def _adapter(store: S) -> S:
    """The store that answers now; a layer over it has the methods of its port alone."""
    return store.store if isinstance(store, Layer) else store


async def restore(settings: Settings, path: Path, *, on_progress: Progress) -> tuple[list[Migration], Verification]:
    """See `adapters.cli.runtime.Runtime.restore`.

    Raises:
        StartError: the stores cannot be opened; see `bootstrap.build.opened_ports`.
    """
    check_lasting(settings, "installation")
    with reading(path) as reader:
        archive = Archive(reader)
        async with opened_ports(settings, "faultmaven restore") as ports:
            stores = stores_of(settings, ports, sessions=settings.session_storage_type != "inmemory")
            task = Restore(archive, stores, on_progress=on_progress)
            return await task.restore(), await task.verify()


async def export_case(settings: Settings, case_id: str, path: Path, *, overwrite: bool) -> BackupReport:
    """See `adapters.cli.runtime.Runtime.export_case`."""
    check_lasting(settings, "installation")
    with writing(path, overwrite=overwrite) as writer:
        async with _shared_stores(settings) as stores:
            return await Backup(stores, writer, now=SystemClock().now(), release=_release()).case(case_id)


async def import_case(settings: Settings, path: Path, *, owner: str | None) -> ImportedCase:
    """See `adapters.cli.runtime.Runtime.import_case`."""
    check_lasting(settings, "installation")
    with reading(path) as reader:
        archive = Archive(reader)
        async with AsyncExitStack() as stack:
            try:
                ports = await stack.enter_async_context(opened_ports(settings, "faultmaven case import"))
                stores = stores_of(settings, ports, sessions=False)
            except DataFolderInUse:
                stores = await stack.enter_async_context(_shared_stores(settings))
            return await CaseImport(archive, stores).import_case(owner)


async def delete_user(settings: Settings, username: str) -> DeletedUser:
    """See `adapters.cli.runtime.Runtime.delete_user`."""
    check_lasting(settings, "installation")
    async with (
        opened_ports(settings, "faultmaven user delete") as ports,
        assembled(settings, ports) as services,
    ):
        deletion = UserDeletion(
            users=ports.records.users,
            accounts=services.user_service(),
            sessions=services.session_service(),
            cases=ports.records.cases,
            documents=ports.records.documents,
            vectors=ports.vectors,
            blobs=ports.blobs,
            clock=ports.clock,
        )
        return await deletion.delete_user(username)


@asynccontextmanager
async def _stores(settings: Settings, *, vectors: bool, sessions: bool) -> AsyncIterator[Stores]:
    """All stores that are asked for; those that a server may have to itself only if they are."""
    if not vectors and not sessions:
        async with _shared_stores(settings) as stores:
            yield stores
        return
    async with opened_ports(settings, "faultmaven backup") as ports:
        stores = stores_of(settings, ports, sessions=sessions)
        yield stores if vectors else replace(stores, vectors=None)


@asynccontextmanager
async def _shared_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Records and files, with the data folder held unless a server serves from it."""
    async with AsyncExitStack() as stack:
        if settings.holds_data_folder:
            with suppress(DataFolderInUse):
                stack.enter_context(held(settings.faultmaven_data_dir, "a command"))
        records, files = await stack.enter_async_context(opened_records_and_files(settings))
        yield Stores(users=records.users, documents=records.documents, cases=records.cases, files=files)


def _release() -> str:
    return version("faultmaven")
