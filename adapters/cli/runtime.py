"""What the command line needs from the process that composes it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from application.doctor import Finding
from application.knowledge import KnowledgeService, SourceDocument
from application.operations import Operations
from application.transfer.migrator import MergeRule, Progress
from application.transfer.system import SystemMigrator
from application.users import UserService


class Runtime(Protocol):
    """Opens parts of the backend for one command. The errors of opening are for the caller of the command line."""

    def configuration(self) -> list[tuple[str, str, str]]:
        """Variable, value (secrets masked) and origin of each setting."""
        ...

    def serve(self, workers: int | None) -> None:
        """Run the server until it is told to stop, with so many processes; None: as the settings say."""
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

    def migration(
        self, source: str | None, target: str, *, merge: MergeRule | None, on_progress: Progress
    ) -> AbstractAsyncContextManager[SystemMigrator]:
        """The migration between two installations, each named by a profile or a file with settings; None is this one.
        Not beside a server that runs on local stores.
        """
        ...
