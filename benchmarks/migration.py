"""How fast, and with how much memory, a migration moves cases: ``python -m benchmarks.migration [CASES]``.

Cases of 27 KB with 50 messages each go from a SQLite file to PostgreSQL, which it starts itself. Prints cases per
second, and the resident memory after each tenth with the slope over the number of messages, and writes the same to
docs/benchmarks/migration.md.
"""

from __future__ import annotations

import asyncio
import sys
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
from benchmarks.harness.environment import Environment
from benchmarks.harness.memory import resident
from benchmarks.pages import OUTPUT
from benchmarks.surroundings import Surroundings
from tests.builders import a_full_case, a_message, an_id, later

MESSAGES = 50
_STEP = 100


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


async def measure(number: int, dsn: str, folder: Path) -> list[str]:
    """Fill, move and verify; the lines of the page."""
    source = await SqliteDatabase.open(folder / "source.db", synchronous="NORMAL")
    target = await PostgresDatabase.open(PostgresOptions(dsn))
    try:
        mine, theirs = SqliteCaseRepository(source), PostgresCaseRepository(target)
        await fill(mine, number)
        samples: list[tuple[int, float]] = []

        def sample(_: Kind, done: int, __: int) -> None:
            samples.append((done * MESSAGES, resident()))

        migrator = StoreMigrator(source=mine, target=theirs, on_progress=sample)
        migration = await migrator.migrate_all()
        started = time.perf_counter()
        comparison = await migrator.verify()
        seconds = time.perf_counter() - started
        rate = migration.written / migration.seconds
        outcome = "equal" if comparison.is_clean else "NOT EQUAL"
        # The first fifth fills pools and caches.
        steady = np.array(samples[len(samples) // 5 :])
        slope = np.polyfit(steady[:, 0], steady[:, 1], 1)[0] * 100_000
        return [
            f"- {migration.written:,} cases moved in {migration.seconds:.1f} s, {rate:,.0f} cases/s, with the index",
            f"- {number:,} cases verified in {seconds:.1f} s: {number / seconds:,.0f} cases/s, both sides {outcome}",
            f"- resident memory {slope:+.2f} MB per 100,000 messages",
            "",
            "| messages moved | resident memory |",
            "| --- | --- |",
            *(f"| {messages:,} | {size:.1f} MB |" for messages, size in samples[:: max(1, len(samples) // 10)]),
        ]
    finally:
        await source.aclose()
        await target.aclose()


def main() -> None:
    """Run with the number of cases from the command line, print and publish."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    environment = Environment.here()
    with Surroundings() as surroundings:
        figures = asyncio.run(measure(number, surroundings.postgres_dsn(), surroundings.folder()))
    words = [
        "# Moving cases",
        "",
        "Written by `make bench`. Cases of 27 KB with 50 messages each, from a SQLite file to PostgreSQL on the same",
        "machine.",
        "",
        environment.in_words(),
        "",
        *figures,
    ]
    text = "\n".join(words) + "\n"
    sys.stdout.write(text)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "migration.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
