"""What the command line needs from the process that composes it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from application.doctor import Finding
from application.knowledge import KnowledgeService, SourceDocument
from application.operations import Operations
from application.transfer.backup import BackupReport
from application.transfer.live.desk import Operator
from application.transfer.migrator import MergeRule, Migration, Progress
from application.transfer.restore import ImportedCase
from application.transfer.system import SystemMigrator, Verification
from application.user_deletion import DeletedUser
from application.users import UserService


class Runtime(Protocol):
    """Opens parts of the backend for one command. The errors of opening are for the caller of the command line."""

    def configuration(self) -> list[tuple[str, str, str]]:
        """Variable, value (secrets masked) and origin of each setting."""
        ...

    def serve(self, workers: int | None, archive: Path | None) -> None:
        """Run the server until it is told to stop, with so many processes; None: as the settings say. Then write
        everything to ``archive``, if given.
        """
        ...

    def records(self) -> AbstractAsyncContextManager[tuple[UserService, Operations]]:
        """Users and cases; also beside a running server."""
        ...

    def knowledge(self) -> AbstractAsyncContextManager[KnowledgeService]:
        """Knowledge; not beside a running server."""
        ...

    def read_documents(self, path: str) -> tuple[list[SourceDocument], list[tuple[str, str]]]:
        """The documents below a folder, and the files that cannot be one with the reason."""
        ...

    async def doctor(self, *, deep: bool) -> list[Finding]:
        """The findings about this installation; also beside a running server."""
        ...

    def live_operator(self) -> AbstractAsyncContextManager[Operator]:
        """The one who asks a running server for a live migration."""
        ...

    def migration(
        self, source: str | None, target: str, *, merge: MergeRule | None, on_progress: Progress
    ) -> AbstractAsyncContextManager[SystemMigrator]:
        """The migration between two installations, each named by a profile or a file with settings; None is this one.
        Not beside a server that runs on local stores.
        """
        ...

    async def backup(
        self, path: Path, *, vectors: bool, sessions: bool, overwrite: bool, on_progress: Progress
    ) -> BackupReport:
        """Write everything to an archive; also beside a running server, unless it has vectors or sessions to itself."""
        ...

    async def restore(self, path: Path, *, on_progress: Progress) -> tuple[list[Migration], Verification]:
        """Write an archive into the empty stores and verify it; not beside a running server."""
        ...

    async def export_case(self, case_id: str, path: Path, *, overwrite: bool) -> BackupReport:
        """Write one case to an archive; also beside a running server."""
        ...

    async def import_case(self, path: Path, *, owner: str | None) -> ImportedCase:
        """Write the case of an archive into this installation; also beside a running server."""
        ...

    async def delete_user(self, username: str) -> DeletedUser:
        """Delete an account with all that belongs to it; not beside a server that runs on local stores."""
        ...
