"""A process that copies the cases of one SQLite file to another store, to be killed: ``copying SOURCE TARGET``.

It prints a line when it begins to copy. ``TARGET`` is a file or the address of a PostgreSQL database.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from application.transfer.migrator import Migration, StoreMigrator
from ports.cases import CaseRepository


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[CaseRepository]:
    """The cases at a path or in a PostgreSQL database."""
    if address.startswith("postgresql:"):
        from adapters.postgres.cases import PostgresCaseRepository
        from adapters.postgres.database import PostgresDatabase
        from adapters.postgres.options import PostgresOptions

        server = await PostgresDatabase.open(PostgresOptions(address))
        yield PostgresCaseRepository(server)
        await server.aclose()
    else:
        from adapters.sqlite.cases import SqliteCaseRepository
        from adapters.sqlite.database import SqliteDatabase

        file = await SqliteDatabase.open(Path(address), synchronous="NORMAL")
        yield SqliteCaseRepository(file)
        await file.aclose()


async def copy(source: str, target: str) -> Migration:
    """Copy, or go on copying."""
    async with opened(source) as mine, opened(target) as theirs:
        sys.stdout.write("copying\n")
        sys.stdout.flush()
        return await StoreMigrator(source=mine, target=theirs).migrate_all()


if __name__ == "__main__":
    asyncio.run(copy(*sys.argv[1:]))
