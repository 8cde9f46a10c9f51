"""The hand-written code does the same job as the adapter beside it, on the same rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.postgres.users import PostgresUserRepository
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.users import SqliteUserRepository
from benchmarks.content import a_large_case, a_long_message, user_id
from benchmarks.overhead.baselines import postgres, sqlite
from ports.cases import CaseFilter, CaseRepository
from ports.users import UserRepository
from tests.builders import a_user, an_id

CASE = an_id("case", 1)


@dataclass
class Sides:
    """The adapter, and the baseline with what its functions want first."""

    cases: CaseRepository
    users: UserRepository
    module: Any
    source: Any

    def by_hand(self, name: str) -> Any:
        """A function of the baseline."""
        return partial(getattr(self.module, name), self.source)


@asynccontextmanager
async def on_sqlite(folder: Path) -> AsyncIterator[Sides]:
    """A file."""
    database = await SqliteDatabase.open(folder / "faultmaven.db")
    try:
        async with sqlite.Connections(database.path) as connections:
            yield Sides(SqliteCaseRepository(database), SqliteUserRepository(database), sqlite, connections)
    finally:
        await database.aclose()


@asynccontextmanager
async def on_postgres(server: str) -> AsyncIterator[Sides]:
    """A database of its own."""
    name = f"baselines_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    dsn = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    try:
        database = await PostgresDatabase.open(PostgresOptions(dsn))
        try:
            async with await postgres.open_pool(dsn) as pool:
                yield Sides(PostgresCaseRepository(database), PostgresUserRepository(database), postgres, pool)
        finally:
            await database.aclose()
        await connection.execute(f"DROP DATABASE {name}")
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def sides(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sides]:
    """Both sides on one store with three cases."""
    store = on_sqlite(tmp_path) if request.param == "sqlite" else on_postgres(request.getfixturevalue("postgres_dsn"))
    async with store as opened:
        for number in range(1, 4):
            await opened.cases.save(a_large_case(number))
        yield opened


async def test_case_saved_by_hand_is_the_case(sides: Sides) -> None:
    """With its version, and in every column that is filtered by."""
    stored = await sides.cases.get(CASE)
    assert stored
    assert await sides.by_hand("get")(CASE) == stored
    saved = await sides.by_hand("save")(stored.replace(title="Zebras fail", user_id=user_id(2)))
    assert saved.version == stored.version + 1
    assert await sides.cases.get(CASE) == await sides.by_hand("get")(CASE) == saved
    assert (await sides.cases.search("zebras")).items == (saved,)
    assert saved in (await sides.cases.list(CaseFilter(user_id=user_id(2)))).items


async def test_save_by_hand_notices_a_lost_update(sides: Sides) -> None:
    """The version is checked in the statement."""
    stored = await sides.cases.get(CASE)
    assert stored
    await sides.cases.save(stored)
    with pytest.raises(LookupError):
        await sides.by_hand("save")(stored)


async def test_message_added_by_hand_comes_in_once(sides: Sides) -> None:
    """With the next number of its case, which counts it and remembers when it was."""
    first, second, third = (a_long_message(CASE, number) for number in (1, 2, 3))
    assert await sides.cases.add_message(first)
    for _ in range(2):
        assert await sides.by_hand("add_message")(second)
    assert await sides.cases.add_message(third)
    page = await sides.cases.get_messages(CASE)
    assert (page.items, page.total) == ((first, second, third), 3)
    assert await sides.by_hand("get_messages")(CASE, 50, 0) == page
    assert await sides.by_hand("get")(CASE) == await sides.cases.get(CASE)


async def test_pages_read_by_hand_are_the_pages(sides: Sides) -> None:
    """Also beyond the end, where only the total is left."""
    for limit, offset in ((50, 0), (1, 1), (50, 9)):
        wanted = await sides.cases.list(CaseFilter(user_id=user_id(1)), limit=limit, offset=offset)
        assert await sides.by_hand("list_cases")(user_id(1), limit, offset) == wanted
        messages = await sides.cases.get_messages(CASE, limit=limit, offset=offset)
        assert await sides.by_hand("get_messages")(CASE, limit, offset) == messages


async def test_user_saved_by_hand_is_the_user(sides: Sides) -> None:
    """And found by name, whatever its case."""
    stored = await sides.users.save(a_user(1))
    saved = await sides.by_hand("save_user")(stored.replace(username="Renamed"))
    assert await sides.users.get(saved.user_id) == await sides.by_hand("get_user")(saved.user_id) == saved
    assert await sides.users.get_by_username("RENAMED") == await sides.by_hand("get_by_username")("RENAMED") == saved
    assert await sides.by_hand("list_users")(50, 0) == await sides.users.list()
    with pytest.raises(LookupError):
        await sides.by_hand("save_user")(stored)


async def test_damage_is_noticed_by_hand(sides: Sides) -> None:
    """The baseline compares the checksum, so the adapter is not measured against code that does less."""
    digest, document = b"\0" * 32, a_large_case(1).model_dump_json()
    with pytest.raises(ValueError, match="damaged"):
        sides.module.to_message(digest, document)
    with pytest.raises(ValueError, match="damaged"):
        sides.module.to_user(digest, document)
