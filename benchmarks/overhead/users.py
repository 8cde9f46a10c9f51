"""The overhead of the port of the users."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapters.memory.users import InMemoryUserRepository
from adapters.postgres.users import PostgresUserRepository
from adapters.sqlite.users import SqliteUserRepository
from benchmarks import stores
from benchmarks.content import some
from benchmarks.harness.timing import AnyOperation, Operation
from benchmarks.keeping import decoding_anew
from benchmarks.overhead.baselines import memory, postgres, sqlite
from benchmarks.overhead.comparison import PROMISED, Comparison, OverheadSuite
from benchmarks.overhead.operations import PAGE, of_keys, saving
from benchmarks.surroundings import Surroundings
from domain.user import User
from ports.paging import Page
from ports.users import UserRepository
from tests.builders import a_user

USERS = 500


@dataclass(frozen=True)
class Side:
    """The functions of one side."""

    get: Callable[[str], Awaitable[User | None]]
    get_by_username: Callable[[str], Awaitable[User | None]]
    save: Callable[[User], Awaitable[User]]
    list: Callable[[], Awaitable[Page[User]]]

    @classmethod
    def of(cls, users: UserRepository) -> Side:
        """An adapter."""
        return cls(users.get, users.get_by_username, users.save, partial(users.list, limit=PAGE))

    @classmethod
    def by_hand(cls, module: Any, source: Any) -> Side:
        """The functions of a baseline, with what they work on."""
        return cls(
            partial(module.get_user, source),
            partial(module.get_by_username, source),
            partial(module.save_user, source),
            partial(module.list_users, source, PAGE, 0),
        )


def _names(count: int, chance: random.Random) -> Sequence[str]:
    return [f"User{number}" for number in some(count, USERS, chance)]


def _operations(side: Side, saved: User) -> dict[str, AnyOperation]:
    return {
        "get": of_keys(side.get, "user", USERS),
        "get_by_username": Operation(side.get_by_username, _names),
        "list": Operation(lambda _: side.list()),
        "save": saving(side.save, saved),
    }


async def comparisons(
    users: UserRepository, baseline: Side, limit: float | None = PROMISED, **context: Side
) -> Sequence[Comparison]:
    """Each operation of both sides."""
    sides = {"ours": Side.of(users), "baseline": baseline, **context}
    # Each side saves a user of its own, so that none finds another's version.
    operations = {
        name: _operations(side, await users.save(a_user(USERS + number)))
        for number, (name, side) in enumerate(sides.items(), 1)
    }
    ours, theirs = operations.pop("ours"), operations.pop("baseline")
    return [
        Comparison(
            name,
            operation,
            theirs[name],
            limit,
            answer=None if name == "save" else lambda found: found,
            context={other.replace("_", " "): side[name] for other, side in operations.items()},
        )
        for name, operation in ours.items()
    ]


async def fill(users: UserRepository) -> None:
    """Put the users there."""
    for number in range(1, USERS + 1):
        await users.save(a_user(number))


@asynccontextmanager
async def on_postgres(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The users in PostgreSQL."""
    async with stores.postgres_database(surroundings) as database:
        users = PostgresUserRepository(database)
        await fill(users)
        await stores.analyse(database.options.dsn)
        pool = await postgres.open_pool(database.options.dsn)
        async with pool, pool.acquire() as connection:
            held = Side.by_hand(postgres, postgres.Held(connection))
            found = await comparisons(users, Side.by_hand(postgres, pool), held_connection=held)
            yield [decoding_anew(comparison) for comparison in found]


@asynccontextmanager
async def on_sqlite(surroundings: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The users in a SQLite file."""
    async with stores.sqlite_database(surroundings) as database:
        users = SqliteUserRepository(database)
        async with database.transaction():
            await fill(users)
        async with sqlite.Connections(database.path) as connections:
            found = await comparisons(users, Side.by_hand(sqlite, connections))
            yield [decoding_anew(comparison) for comparison in found]


@asynccontextmanager
async def in_memory(_: Surroundings) -> AsyncIterator[Sequence[Comparison]]:
    """The users in memory, beside a dictionary."""
    users, plain = InMemoryUserRepository(), memory.Users()
    await fill(users)
    found = await comparisons(users, Side.by_hand(memory, plain), limit=None)
    async for user in _everybody(users):
        plain.put(user)
    yield found


async def _everybody(users: UserRepository) -> AsyncIterator[User]:
    after = None
    while page := await users.scan(after=after, limit=100):
        for user in page:
            yield user
        after = page[-1].user_id


SUITES = (
    OverheadSuite("users", "memory", "benchmarks.overhead.baselines.memory", in_memory),
    OverheadSuite("users", "sqlite", "benchmarks.overhead.baselines.sqlite", on_sqlite),
    OverheadSuite("users", "postgres", "benchmarks.overhead.baselines.postgres", on_postgres),
)
