"""How fast, and with how much memory, a migration moves cases: ``python -m benchmarks.migration [CASES]``.

Cases of about 20 KB with 50 messages each go from a SQLite file to PostgreSQL, which it starts itself. Prints cases per
second, and the resident memory after each tenth with the slope over the number of messages.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from application.transfer.items import Kind
from application.transfer.migrator import StoreMigrator
from tests.builders import a_full_case, a_message, an_id, later
from tests.servers.postgres import PostgresServer

MESSAGES = 50
_STEP = 100


def resident() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def fill(repository: SqliteCaseRepository, number: int) -> None:
    """So many cases with their messages."""
    text = "the gateway answers 502 since the deployment at noon; " * 8
    for start in range(0, number, _STEP):
        ids = [an_id("case", index) for index in range(start, min(start + _STEP, number))]
        await repository.put_many([a_full_case(1).replace(case_id=case_id, version=3) for case_id in ids])
        for case_id in ids:
            first = a_message(case_id, 1)
            await repository.add_messages(
                [
                    first.model_copy(
                        update={
                            "message_id": f"msg_{case_id[5:]}{index:04x}",
                            "content": f"{index} {text}",
                            "created_at": later(index),
                        }
                    )
                    for index in range(MESSAGES)
                ]
            )


async def measure(number: int, dsn: str, folder: str) -> None:
    """Fill, move, verify, print."""
    source = await SqliteDatabase.open(Path(folder, "source.db"), synchronous="NORMAL")
    target = await PostgresDatabase.open(PostgresOptions(dsn))
    try:
        mine, theirs = SqliteCaseRepository(source), PostgresCaseRepository(target)
        started = time.perf_counter()
        await fill(mine, number)
        sys.stdout.write(f"filled: {number / (time.perf_counter() - started):,.0f} cases/s\n")
        samples: list[tuple[int, float]] = []

        def sample(_: Kind, done: int, __: int) -> None:
            samples.append((done * MESSAGES, resident()))

        migrator = StoreMigrator(source=mine, target=theirs, on_progress=sample)
        migration = await migrator.migrate_all()
        rate = migration.written / migration.seconds
        sys.stdout.write(f"moved: {migration.written:,} cases in {migration.seconds:.1f} s, {rate:,.0f} cases/s\n")
        for messages, size in samples[:: max(1, len(samples) // 10)]:
            sys.stdout.write(f"  {messages:>9,} messages  {size:7.1f} MB\n")
        # The first fifth fills pools and caches.
        steady = np.array(samples[len(samples) // 5 :])
        slope = np.polyfit(steady[:, 0], steady[:, 1], 1)[0] * 100_000
        sys.stdout.write(f"resident memory: {slope:+.2f} MB per 100,000 messages\n")
        started = time.perf_counter()
        comparison = await migrator.verify()
        seconds = time.perf_counter() - started
        sys.stdout.write(
            f"verified: {'clean' if comparison.is_clean else 'NOT CLEAN'}, {number / seconds:,.0f} cases/s\n"
        )
    finally:
        await source.aclose()
        await target.aclose()


def main() -> None:
    """Run with the number of cases from the command line."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    server = PostgresServer()
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(number, server.dsn(), folder))
    finally:
        server.remove()


if __name__ == "__main__":
    main()
