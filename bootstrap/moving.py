"""Two installations open at once, to move the content of one into the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from application.transfer.migrator import MergeRule, Progress
from application.transfer.stores import Stores
from application.transfer.system import SystemMigrator
from bootstrap.build import Opened, Ports, opened_ports
from bootstrap.errors import Misconfigured
from bootstrap.settings import Settings

_PURPOSE = "faultmaven migrate"
_KEPT = ("case_storage_type", "user_storage_type", "blob_storage_type")


@asynccontextmanager
async def opened_migration(
    source: Settings, target: Settings, *, merge: MergeRule | None, on_progress: Progress
) -> AsyncIterator[SystemMigrator]:
    """The migration from one installation to another one, each with its data folder held.

    Sessions, and vectors of the source, that are in memory are not moved: they are gone with their process, and the
    server makes the vectors again.

    Raises:
        Misconfigured: cases, users or files are in memory on one side.
        StartError: see `bootstrap.build.opened_ports`.
    """
    check_lasting(source, "source")
    check_lasting(target, "target")
    async with (
        opened_ports(source, _PURPOSE) as mine,
        opened_ports(target, _PURPOSE, beside=Opened(source, mine)) as theirs,
    ):
        sessions = "inmemory" not in (source.session_storage_type, target.session_storage_type)
        yield SystemMigrator(
            stores_of(source, mine, sessions=sessions),
            stores_of(target, theirs, sessions=sessions),
            merge=merge,
            on_progress=on_progress,
        )


def stores_of(settings: Settings, ports: Ports, *, sessions: bool) -> Stores:
    """The stores whose content lasts."""
    return Stores(
        users=ports.records.users,
        documents=ports.records.documents,
        cases=ports.records.cases,
        files=ports.blobs,
        vectors=None if settings.vector_storage_type == "inmemory" else ports.vectors,
        sessions=ports.sessions if sessions else None,
        embeddings=ports.embeddings,
    )


def check_lasting(settings: Settings, side: str) -> None:
    """Refuse what no other process can read or write.

    Raises:
        Misconfigured: cases, users or files are in the memory of a server.
    """
    in_memory = [name.upper() for name in _KEPT if getattr(settings, name) == "inmemory"]
    if in_memory:
        raise Misconfigured(
            f"The {side} keeps its data in the memory of a server ({', '.join(in_memory)}=inmemory), where no other "
            "process can read or write it. Choose a store that lasts."
        )
