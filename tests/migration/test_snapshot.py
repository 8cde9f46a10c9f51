"""A snapshot shows one moment, hinders no writer and is seen by its own task alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from adapters.postgres.users import PostgresUserRepository
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.users import SqliteUserRepository
from domain.errors import InvalidInput
from ports.transfer import SupportsSnapshot
from tests.builders import a_case, a_message, a_user, an_id
from tests.stateful.server_adapters import new_postgres_database

CASE = an_id("case", 1)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Any, Any]]:
    """Cases and users in one database."""
    if request.param == "sqlite":
        local = await SqliteDatabase.open(tmp_path / "cases.db")
        yield SqliteCaseRepository(local), SqliteUserRepository(local)
        await local.aclose()
        return
    async with new_postgres_database(request.getfixturevalue) as dsn:
        served = await PostgresDatabase.open(PostgresOptions(dsn))
        yield PostgresCaseRepository(served), PostgresUserRepository(served)
        assert served.checked_out == 0
        await served.aclose()


async def test_it_shows_one_moment(stores: tuple[Any, Any]) -> None:
    """Of all stores in the database, also of those that enter it later; others write meanwhile and see that."""
    cases, users = stores
    assert isinstance(cases, SupportsSnapshot)
    assert isinstance(users, SupportsSnapshot)
    before = await cases.save(a_case(1))

    async def write() -> None:
        await cases.save(before.replace(title="Changed"))
        await cases.add_message(a_message(CASE))
        await cases.save(a_case(2))
        await users.save(a_user(1))
        changed = await cases.get(CASE)
        assert (changed.title, changed.message_count) == ("Changed", 1)

    async with cases.snapshot():
        await asyncio.create_task(write())
        async with users.snapshot():
            assert await users.scan() == ()
        assert await cases.get(CASE) == before
        assert await cases.scan() == (before,)
        assert (await cases.list()).total == 1
        assert (await cases.get_messages(CASE)).total == 0
    assert len(await cases.scan()) == 2
    assert len(await users.scan()) == 1


async def test_nothing_is_written_in_it(stores: tuple[Any, Any]) -> None:
    cases, _ = stores
    async with cases.snapshot():
        for writing in (cases.save(a_case(1)), cases.put_many([a_case(1, version=1)]), cases.delete(CASE)):
            with pytest.raises(InvalidInput):
                await writing
        with pytest.raises(InvalidInput):
            async with cases.begin_transaction():
                pass
    await cases.save(a_case(1))
    async with cases.begin_transaction():
        with pytest.raises(InvalidInput):
            async with cases.snapshot():
                pass
        assert await cases.get(CASE) is not None


async def test_an_error_or_a_cancellation_ends_it(stores: tuple[Any, Any]) -> None:
    cases, _ = stores
    with pytest.raises(KeyError):
        async with cases.snapshot():
            raise KeyError
    entered = asyncio.Event()

    async def hold() -> None:
        async with cases.snapshot():
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await cases.save(a_case(1))
    assert await cases.get(CASE) is not None
