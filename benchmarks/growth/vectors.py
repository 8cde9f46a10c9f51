"""How the costs of the port of the vectors grow with the number of vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from benchmarks import stores
from benchmarks.content import SPACE, Numbers
from benchmarks.growth.growth import GENTLE, GrowthSuite
from benchmarks.harness.timing import AnyOperation
from benchmarks.overhead.vectors import Adapted, fill, operations
from benchmarks.surroundings import Surroundings

LIMITS: Mapping[str, float] = {"query": GENTLE, "query in a tenth": GENTLE}
NUMBERS = Numbers(1_000_000)
LARGEST = {"memory": 10_000}


def _suite(adapter: str) -> GrowthSuite:
    @asynccontextmanager
    async def opened(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
        async with stores.VECTORS[adapter](surroundings, SPACE) as (store, learn):
            side = Adapted(store)
            await fill(side, size)
            await learn()
            yield operations(side, size, NUMBERS)

    return GrowthSuite("vectors", adapter, opened, LIMITS, largest=LARGEST.get(adapter, 100_000))


SUITES = tuple(map(_suite, stores.VECTORS))
