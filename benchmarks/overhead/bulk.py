"""Many cases at once beside the same one by one, both through the adapter."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from adapters.postgres.cases import PostgresCaseRepository
from adapters.sqlite.cases import SqliteCaseRepository
from benchmarks import stores
from benchmarks.content import Numbers
from benchmarks.harness.timing import Operation
from benchmarks.overhead.comparison import Comparison, OverheadSuite
from benchmarks.surroundings import Surroundings
from domain.case import Case
from tests.builders import a_case

AT_ONCE = 1_000
LIMIT = 0.2
"""At once has to be five times as fast."""


def bulk(cases: SqliteCaseRepository | PostgresCaseRepository) -> Sequence[Comparison]:
    """New cases, each with one kilobyte."""
    numbers = Numbers(1)

    async def one_by_one(batch: Sequence[Case]) -> None:
        for case in batch:
            await cases.save(case)

    def batches(count: int, _: random.Random) -> Sequence[Sequence[Case]]:
        return [[a_case(number) for number in numbers.take(AT_ONCE)] for _ in range(count)]

    async def together(batch: Sequence[Case]) -> None:
        await cases.put_many([case.model_copy(update={"version": 1}) for case in batch])

    at_once, singly = Operation(together, batches), Operation(one_by_one, batches)
    return [Comparison(f"put_many({AT_ONCE}) against save", at_once, singly, LIMIT, answer=None)]


@asynccontextmanager
async def on_postgres(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """In PostgreSQL."""
    async with stores.postgres_database(surroundings) as database:
        yield bulk(PostgresCaseRepository(database))


@asynccontextmanager
async def on_sqlite(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """In a SQLite file."""
    async with stores.sqlite_database(surroundings) as database:
        yield bulk(SqliteCaseRepository(database))


SUITES = (
    OverheadSuite("cases", "sqlite, bulk", __name__, on_sqlite),
    OverheadSuite("cases", "postgres, bulk", __name__, on_postgres),
)
