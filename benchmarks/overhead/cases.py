"""The overhead of the port of the cases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from adapters.memory.cases import InMemoryCaseRepository
from adapters.postgres.cases import PostgresCaseRepository
from adapters.sqlite.cases import SqliteCaseRepository
from benchmarks import stores
from benchmarks.content import Numbers, a_large_case, a_long_message, fill_cases, fill_messages
from benchmarks.harness.timing import AnyOperation, Operation, PlainOperation
from benchmarks.keeping import decoding_anew
from benchmarks.overhead.baselines import memory, postgres, sqlite
from benchmarks.overhead.comparison import Comparison, OverheadSuite
from benchmarks.overhead.operations import PAGE, of_keys, of_messages, of_owners, saving
from benchmarks.surroundings import Surroundings
from domain.case import Case
from ports.cases import CaseFilter, CaseRepository
from tests.builders import an_id

MESSAGES = 1_000
LISTED = 100
DECODED = ("get", "list(100)")
TALKED = an_id("case", 1)
"""The case whose messages are read."""
SAVED = range(2, 10)
APPENDED = [an_id("case", number) for number in range(10, 20)]
"""Cases that are changed, each by one contestant alone, so that none waits for another or finds another's version."""


class Contestants:
    """The operations of one adapter."""

    def __init__(self, cases: CaseRepository, surroundings: Surroundings) -> None:
        self._cases = cases
        self.among = surroundings.cases
        self.numbers = Numbers(1_000_000)
        self._saved = iter(SAVED)
        self._appended = iter(APPENDED)

    async def fill(self) -> None:
        """Put everything there."""
        await fill_cases(self._cases, map(a_large_case, range(1, self.among + 1)))
        await fill_messages(self._cases, (a_long_message(TALKED, number) for number in range(1, MESSAGES + 1)))

    async def a_saved_case(self) -> Case:
        """A case that nobody else saves."""
        case = await self._cases.get(an_id("case", next(self._saved)))
        assert case
        return await self._cases.save(case)

    def an_appended_case(self) -> str:
        """A case that nobody else appends to."""
        return next(self._appended)

    def get(self) -> Operation:
        """A case."""
        return of_keys(self._cases.get, "case", self.among)

    async def save(self) -> Operation:
        """One case again and again."""
        return saving(self._cases.save, await self.a_saved_case())

    def add_message(self) -> Operation:
        """New messages."""
        return of_messages(self._cases.add_message, self.an_appended_case(), self.numbers)

    def get_messages(self) -> Operation:
        """The last page."""
        return Operation(lambda _: self._cases.get_messages(TALKED, limit=PAGE, offset=MESSAGES - PAGE))

    def list_cases(self) -> Operation:
        """The first page of a user."""
        return of_owners(lambda user: self._cases.list(CaseFilter(user_id=user), limit=LISTED))


@asynccontextmanager
async def on_postgres(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The cases in PostgreSQL."""
    async with stores.postgres_database(surroundings) as database:
        ours = Contestants(PostgresCaseRepository(database), surroundings)
        await ours.fill()
        pool = await postgres.open_pool(database.options.dsn)
        usual = await postgres.asyncpg.create_pool(database.options.dsn)
        async with pool, usual, pool.acquire() as connection:
            held = postgres.Held(connection)
            await connection.execute("ANALYZE")

            def of(get: object) -> AnyOperation:
                return of_keys(get, "case", ours.among)  # type: ignore[arg-type]

            def appended(source: object) -> Operation:
                return of_messages(partial(postgres.add_message, source), ours.an_appended_case(), ours.numbers)

            def paged(source: object) -> Operation:
                return Operation(lambda _: postgres.get_messages(source, TALKED, PAGE, MESSAGES - PAGE))

            def listed(source: object) -> Operation:
                return of_owners(lambda user: postgres.list_cases(source, user, LISTED, 0))

            async def saved(source: object) -> Operation:
                return saving(partial(postgres.save, source), await ours.a_saved_case())

            found = (
                Comparison(
                    "get",
                    ours.get(),
                    of(partial(postgres.get, pool)),
                    context={
                        "the driver's default pool": of(partial(postgres.get, usual)),
                        "without checksum": of(partial(postgres.get_unchecked, pool)),
                        "held connection": of(partial(postgres.get, held)),
                        "bare row": of(lambda key: connection.fetchrow(postgres.GET, key)),
                    },
                ),
                Comparison(
                    "save",
                    await ours.save(),
                    await saved(pool),
                    answer=None,
                    context={"the driver's default pool": await saved(usual), "held connection": await saved(held)},
                ),
                Comparison(
                    "add_message",
                    ours.add_message(),
                    appended(pool),
                    answer=None,
                    context={"the driver's default pool": appended(usual), "held connection": appended(held)},
                ),
                Comparison(
                    "get_messages",
                    ours.get_messages(),
                    paged(pool),
                    context={
                        "the driver's default pool": paged(usual),
                        "held connection": paged(held),
                        "bare rows": Operation(
                            lambda _: connection.fetch(postgres.MESSAGES, TALKED, PAGE, MESSAGES - PAGE)
                        ),
                    },
                ),
                Comparison(
                    "list(100)",
                    ours.list_cases(),
                    listed(pool),
                    context={
                        "held connection": listed(held),
                        "bare rows": of_owners(lambda user: connection.fetch(postgres.LIST, user, LISTED, 0)),
                    },
                ),
            )
            yield [decoding_anew(each) if each.operation in DECODED else each for each in found]


@asynccontextmanager
async def on_sqlite(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The cases in a SQLite file."""
    async with stores.sqlite_database(surroundings) as database:
        ours = Contestants(SqliteCaseRepository(database), surroundings)
        await ours.fill()
        async with sqlite.Connections(database.path) as connections:
            plain = connections.plain

            def of(get: object) -> AnyOperation:
                return of_keys(get, "case", ours.among)  # type: ignore[arg-type]

            async def saved(save: object) -> Operation:
                return saving(partial(save, connections), await ours.a_saved_case())  # type: ignore[call-arg]

            page = {"key": TALKED, "limit": PAGE, "offset": MESSAGES - PAGE}
            found = (
                Comparison(
                    "get",
                    ours.get(),
                    of(partial(sqlite.get, connections)),
                    context={
                        "execute_fetchall": of(partial(sqlite.get_by_fetchall, connections)),
                        "thread of an executor": of(partial(sqlite.get_in_executor, connections)),
                        "bare row, on the loop": PlainOperation(
                            lambda key: plain.execute(sqlite.GET, (key,)).fetchone(), ours.get().prepare
                        ),
                    },
                ),
                Comparison(
                    "save",
                    await ours.save(),
                    await saved(sqlite.save),
                    answer=None,
                    context={"execute_fetchall": await saved(sqlite.save_by_fetchall)},
                ),
                Comparison(
                    "add_message",
                    ours.add_message(),
                    of_messages(partial(sqlite.add_message, connections), ours.an_appended_case(), ours.numbers),
                    answer=None,
                ),
                Comparison(
                    "get_messages",
                    ours.get_messages(),
                    Operation(lambda _: sqlite.get_messages(connections, TALKED, PAGE, MESSAGES - PAGE)),
                    context={
                        "bare rows, on the loop": PlainOperation(
                            lambda _: plain.execute(sqlite.MESSAGES, page).fetchall()
                        )
                    },
                ),
                Comparison(
                    "list(100)",
                    ours.list_cases(),
                    of_owners(lambda user: sqlite.list_cases(connections, user, LISTED, 0)),
                    context={
                        "bare rows, on the loop": PlainOperation(
                            lambda user: plain.execute(
                                sqlite.LIST, {"user_id": user, "limit": LISTED, "offset": 0}
                            ).fetchall(),
                            ours.list_cases().prepare,
                        )
                    },
                ),
            )
            yield [decoding_anew(each) if each.operation in DECODED else each for each in found]


@asynccontextmanager
async def in_memory(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The cases in memory, beside dictionaries."""
    ours = Contestants(InMemoryCaseRepository(), surroundings)
    await ours.fill()
    save, plain = await ours.save(), memory.Cases()
    for number in range(1, ours.among + 1):
        case = await ours.get().call(an_id("case", number))
        plain.put(case)
    for number in range(1, MESSAGES + 1):
        plain.append(a_long_message(TALKED, number))
    keys = ours.get().prepare
    # What writes comes last, for it makes the two differ.
    yield (
        Comparison(
            "get",
            ours.get(),
            Operation(plain.get, keys),
            limit=None,
            budget=5_000,
            context={"dict, not awaited": PlainOperation(plain.cases.get, keys)},
        ),
        Comparison(
            "get_messages",
            ours.get_messages(),
            Operation(lambda _: plain.get_messages(TALKED, PAGE, MESSAGES - PAGE)),
            limit=None,
        ),
        Comparison(
            "list(100)",
            ours.list_cases(),
            of_owners(lambda user: plain.list_cases(user, LISTED, 0)),
            limit=None,
            budget=100_000,
        ),
        Comparison(
            "save",
            save,
            saving(plain.save, await ours.a_saved_case()),
            limit=None,
            budget=10_000,
            answer=None,
        ),
        Comparison(
            "add_message",
            ours.add_message(),
            of_messages(plain.add_message, ours.an_appended_case(), ours.numbers),
            limit=None,
            answer=None,
        ),
    )


SUITES = (
    OverheadSuite("cases", "memory", "benchmarks.overhead.baselines.memory", in_memory),
    OverheadSuite("cases", "sqlite", "benchmarks.overhead.baselines.sqlite", on_sqlite),
    OverheadSuite("cases", "postgres", "benchmarks.overhead.baselines.postgres", on_postgres),
)
