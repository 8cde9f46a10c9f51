"""While a batch is written, the next one is read; whatever happens, no writing goes on behind the caller's back."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.memory.users import InMemoryUserRepository
from application.transfer.batches import BATCH_ITEMS
from application.transfer.migrator import StoreMigrator
from domain.user import User
from ports.errors import StorageUnavailable
from tests.builders import a_user

USERS = 4 * BATCH_ITEMS


class Source(InMemoryUserRepository):
    """Can fail behind some users, and tells which one was read last."""

    def __init__(self, fails_after: int = 10 * USERS) -> None:
        super().__init__()
        self.fails_after = fails_after
        self.read = 0

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[User, ...]:
        if self.read >= self.fails_after:
            raise StorageUnavailable("the source is away")
        await asyncio.sleep(0)
        page = await super().scan(after=after, limit=limit)
        self.read += len(page)
        return page


class Target(InMemoryUserRepository):
    """Writes when it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.writing = asyncio.Event()
        self.go_on = asyncio.Event()

    async def put_many(self, users: Sequence[User]) -> None:
        self.writing.set()
        await self.go_on.wait()
        await super().put_many(users)


async def a_source(fails_after: int = 10 * USERS) -> Source:
    source = Source(fails_after)
    await source.put_many([a_user(number, version=1) for number in range(1, USERS + 1)])
    return source


async def test_reads_while_it_writes() -> None:
    """The second batch is there when the first one has been written, and not more than that."""
    source, target = await a_source(), Target()
    migrating = asyncio.create_task(StoreMigrator(source, target).migrate_all())
    async with asyncio.timeout(20):
        await target.writing.wait()
        for _ in range(1000):
            await asyncio.sleep(0)
        assert 2 * BATCH_ITEMS <= source.read < 3 * BATCH_ITEMS
        target.go_on.set()
        assert (await migrating).written == USERS


@pytest.mark.parametrize("how", ["cancelled", "the source fails"])
async def test_nothing_goes_on_behind_the_back(how: str) -> None:
    """A migration that has ended early writes no more; the next one goes on."""
    source, target = await a_source(10 * USERS if how == "cancelled" else BATCH_ITEMS + 100), Target()
    migrating = asyncio.create_task(StoreMigrator(source, target).migrate_all())
    async with asyncio.timeout(20):
        await target.writing.wait()
        if how == "cancelled":
            migrating.cancel()
        with pytest.raises((asyncio.CancelledError, StorageUnavailable)):
            await migrating
        assert asyncio.all_tasks() == {asyncio.current_task()}
        target.go_on.set()
        source.fails_after = 10 * USERS
        source.read = 0
        assert (await target.list()).total == 0
        assert (await StoreMigrator(source, target).migrate_all()).written == USERS
        assert (await target.list()).total == USERS
