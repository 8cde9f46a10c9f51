"""How the costs of the port of the cases grow with the number of cases, and of messages of one case."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext

from benchmarks import stores
from benchmarks.content import Numbers, a_long_message, fill_cases, fill_messages, working_set
from benchmarks.growth.growth import FLAT, GENTLE, GrowthSuite
from benchmarks.harness.timing import AnyOperation, Operation
from benchmarks.keeping import keeping_nothing
from benchmarks.overhead.operations import of_messages, saving
from benchmarks.surroundings import Surroundings
from domain.case import Case
from ports.cases import CaseFilter, CaseRepository
from ports.transfer import SupportsFilling
from tests.builders import a_case, an_id, later
from tests.faults.case_stores import CaseStore, InMemory, OnPostgres, OnSqlite

PAGE = 20
OWNED = 100
"""How many cases a user has, however many there are altogether."""
ASKING = 10
"""How many users ask, the same number however many there are."""
SESSION = 5
"""How many cases are opened in a session."""
SEARCHED = 7

LIMITS: Mapping[str, float] = {
    "get": FLAT,
    "save": FLAT,
    "add_message": FLAT,
    "get_messages, last page": FLAT,
    "list, first page of a user": FLAT,
    "find_by_session": FLAT,
    "search": GENTLE,
    "search of a user": GENTLE,
}


def a_short_case(number: int) -> Case:
    """The ``number``-th case. One of a thousand has a word that is searched for, but never more than ten."""
    is_found = number <= 10 * SEARCHED and number % SEARCHED == 0
    return a_case(
        number,
        user_id=an_id("user", number // OWNED + 1),
        opened_in_session=an_id("sess", number // SESSION, 32),
        title=f"{'Zebra' if is_found else 'Checkout'} fails on host {number}",
        description=f"The gateway answers 502 for requests of tenant {number * 7919 % 1000}",
        last_activity_at=later(number),
    )


@asynccontextmanager
async def filled(store: CaseStore, size: int) -> AsyncIterator[CaseRepository]:
    """So many cases, and as many messages of the first one."""
    async with store.open() as cases:
        async with cases.filling() if isinstance(cases, SupportsFilling) else nullcontext():
            await fill_cases(cases, map(a_short_case, range(1, size + 1)))
            await fill_messages(cases, (a_long_message(an_id("case", 1), number) for number in range(1, size + 1)))
        yield cases


async def operations(cases: CaseRepository, size: int) -> Mapping[str, AnyOperation]:
    """What is measured."""
    talked, numbers = an_id("case", 1), Numbers(10_000_000)
    first = await cases.get(an_id("case", 2))
    assert first
    saved = await cases.save(first)

    def keys(count: int, chance: random.Random) -> Sequence[str]:
        return [an_id("case", number) for number in working_set(count, size - PAGE, chance)]

    def sessions(count: int, chance: random.Random) -> Sequence[str]:
        return [an_id("sess", number, 32) for number in working_set(count, size // SESSION - 1, chance)]

    def owners(count: int, chance: random.Random) -> Sequence[CaseFilter]:
        return [
            CaseFilter(user_id=an_id("user", number)) for number in working_set(count, size // OWNED, chance, ASKING)
        ]

    return {
        "get": Operation(cases.get, keys),
        "save": saving(cases.save, saved),
        "get_messages, last page": Operation(lambda _: cases.get_messages(talked, limit=PAGE, offset=size - PAGE)),
        "list, first page": Operation(lambda _: cases.list(limit=PAGE)),
        "list, first page of a user": Operation(lambda wanted: cases.list(wanted, limit=PAGE), owners),
        "list, last page": Operation(lambda _: cases.list(limit=PAGE, offset=size - PAGE)),
        "search": Operation(lambda _: cases.search("zebra", limit=PAGE)),
        "search of a user": Operation(lambda wanted: cases.search("zebra", wanted, limit=PAGE), owners),
        "find_by_session": Operation(lambda session: cases.find_by_session(session, limit=PAGE), sessions),
        "scan, a page": Operation(lambda after: cases.scan(after=after, limit=PAGE), keys),
        # At the end: whatever is appended is searched, too.
        "add_message": of_messages(cases.add_message, talked, numbers),
    }


@asynccontextmanager
async def in_memory(_: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """Dictionaries."""
    async with filled(InMemory(), size) as cases:
        yield await operations(cases, size)


@asynccontextmanager
async def on_sqlite(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A file."""
    async with filled(OnSqlite(surroundings.folder() / "faultmaven.db"), size) as cases:
        with keeping_nothing():
            yield await operations(cases, size)


@asynccontextmanager
async def on_postgres(surroundings: Surroundings, size: int) -> AsyncIterator[Mapping[str, AnyOperation]]:
    """A database of its own."""
    async with stores.postgres_options(surroundings) as options, filled(OnPostgres(options.dsn), size) as cases:
        await stores.analyse(options.dsn)
        with keeping_nothing():
            yield await operations(cases, size)


# Without an index for words, and a client can search only the user's own cases.
_IN_MEMORY = {operation: limit for operation, limit in LIMITS.items() if operation != "search"}

SUITES = (
    GrowthSuite("cases", "memory", in_memory, _IN_MEMORY),
    GrowthSuite("cases", "sqlite", on_sqlite, LIMITS, largest=1_000_000),
    GrowthSuite("cases", "postgres", on_postgres, LIMITS, largest=1_000_000),
)
