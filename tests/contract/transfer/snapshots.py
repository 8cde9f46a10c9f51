"""The optional ability to be read as it was at one moment, while others write."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from domain.errors import InvalidInput
from ports.errors import StorageUnavailable
from ports.transfer import SupportsCheckpoints, SupportsSnapshot, SupportsTransactions
from tests.contract.transfer.checkpoints import Abort

PATIENCE = 20
"""Seconds after which a test whose tasks wait for each other is taken to hang."""

Change = Callable[[int], Awaitable[object]]
Read = Callable[[], Awaitable[object]]
Writes = Mapping[str, Callable[[], Awaitable[object]]]


def snapshots(store: object) -> Any:
    """The store, if it can be read as it was at one moment."""
    if not isinstance(store, SupportsSnapshot):
        pytest.skip("the adapter takes no snapshots")
    return store


async def by_another_task(call: Callable[..., Awaitable[object]], *arguments: object) -> object:
    """What the call gives when another task makes it."""

    async def work() -> object:
        return await call(*arguments)

    return await asyncio.create_task(work())


class SnapshotTests:
    """In a snapshot the store stands still for the task that took it, and for nobody else.

    A contract provides ``content``, the store under test, and ``close``; then ``change``, which given 0, 1, 2, ... one
    after the other saves, changes and deletes something each time; ``everything``, which reads all of it in every way;
    and ``writes``, every call that writes, each by its name.
    """

    async def test_snapshot_stands_still(self, content: object, change: Change, everything: Read) -> None:
        """What others commit is not seen before the end, and they do not wait for it."""
        store = snapshots(content)
        await change(0)
        async with asyncio.timeout(PATIENCE), store.snapshot():
            before = await everything()
            for number in range(1, 6):
                await by_another_task(change, number)
                assert await everything() == before
            after = await by_another_task(everything)
            assert after != before
        assert await everything() == after

    async def test_snapshot_is_of_the_entry(self, content: object, change: Change, everything: Read) -> None:
        """It shows the moment at which it was taken, not that of the first reading."""
        store = snapshots(content)
        await change(0)
        before = await everything()
        async with asyncio.timeout(PATIENCE), store.snapshot():
            await by_another_task(change, 1)
            assert await everything() == before

    async def test_snapshot_holds_nothing_uncommitted(self, content: object, change: Change, everything: Read) -> None:
        """A transaction that others commit later is not in it."""
        store = snapshots(content)
        if not isinstance(content, SupportsTransactions):
            pytest.skip("the adapter has no transactions")
        await change(0)
        before = await everything()
        written, commit = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            async with store.begin_transaction():
                await change(1)
                written.set()
                await commit.wait()

        async with asyncio.timeout(PATIENCE):
            writer = asyncio.create_task(write())
            await written.wait()
            async with store.snapshot():
                assert await everything() == before
                commit.set()
                await writer
                assert await everything() == before
        assert await everything() != before

    async def test_snapshot_inside_a_snapshot_joins(self, content: object, change: Change, everything: Read) -> None:
        """An inner block shows what the outer one shows, and its end, even by an exception, ends nothing."""
        store = snapshots(content)
        await change(0)

        async def fail() -> None:
            async with store.snapshot():
                raise Abort

        async with asyncio.timeout(PATIENCE), store.snapshot():
            before = await everything()
            await by_another_task(change, 1)
            async with store.snapshot():
                assert await everything() == before
            with pytest.raises(Abort):
                await fail()
            assert await everything() == before

    async def test_snapshots_of_several_tasks(self, content: object, change: Change, everything: Read) -> None:
        """Each task sees the moment of its own."""
        store = snapshots(content)
        shown: list[object] = []
        leave = asyncio.Event()

        async def watch(entered: asyncio.Event) -> None:
            async with store.snapshot():
                first = await everything()
                entered.set()
                await leave.wait()
                assert await everything() == first
                shown.append(first)

        async with asyncio.timeout(PATIENCE):
            watchers = []
            for number in range(5):
                await change(number)
                entered = asyncio.Event()
                watchers.append(asyncio.create_task(watch(entered)))
                await entered.wait()
            leave.set()
            await asyncio.gather(*watchers)
        assert all(shown[one] != shown[other] for one in range(5) for other in range(one))

    async def test_snapshot_refuses_writes(
        self, content: object, change: Change, everything: Read, writes: Writes
    ) -> None:
        """Every write of the task is refused without a trace; other tasks write, and the task can afterwards."""
        store = snapshots(content)
        await change(0)
        before = await everything()

        async def begin() -> None:
            async with store.begin_transaction():
                raise AssertionError("a transaction has begun inside of a snapshot")

        refused = {**writes, "begin_transaction": begin}
        if isinstance(content, SupportsCheckpoints):
            refused["write_checkpoint"] = lambda: store.write_checkpoint("copy", "text")
        async with asyncio.timeout(PATIENCE):
            async with store.snapshot():
                for name, write in refused.items():
                    with pytest.raises(InvalidInput, match="snapshot"):
                        await write()
                    assert await everything() == before, name
                await by_another_task(change, 1)
            assert await everything() != before
            await change(2)

    async def test_snapshot_inside_a_transaction_is_refused(
        self, content: object, change: Change, everything: Read
    ) -> None:
        """It would not show what the transaction has written; the transaction goes on."""
        store = snapshots(content)
        if not isinstance(content, SupportsTransactions):
            pytest.skip("the adapter has no transactions")

        async def take() -> None:
            async with store.snapshot():
                raise AssertionError("a snapshot was taken inside of a transaction")

        async with asyncio.timeout(PATIENCE), store.begin_transaction():
            await change(0)
            with pytest.raises(InvalidInput, match="transaction"):
                await take()
            before = await everything()
            await change(1)
            assert await everything() != before

    async def test_snapshot_shows_checkpoints(self, content: object) -> None:
        """The notes are those of the same moment."""
        store = snapshots(content)
        await store.write_checkpoint("copy", "before")
        async with asyncio.timeout(PATIENCE), store.snapshot():
            await by_another_task(store.write_checkpoint, "copy", "after")
            assert await store.read_checkpoint("copy") == "before"
        assert await store.read_checkpoint("copy") == "after"

    async def test_snapshot_that_fails(self, content: object, change: Change, everything: Read) -> None:
        """An exception passes through unchanged; however often that happens, nothing is used up."""
        store = snapshots(content)

        async def fail() -> None:
            async with store.snapshot():
                await everything()
                raise Abort

        async with asyncio.timeout(PATIENCE):
            for _ in range(40):
                with pytest.raises(Abort):
                    await fail()
            await change(0)
            await everything()

    async def test_snapshot_cancelled_anywhere(self, content: object, change: Change, everything: Read) -> None:
        """Whenever the cancellation comes, the store goes on, and nobody reads the reply of another."""
        store = snapshots(content)
        await change(0)
        before = await everything()

        async def work() -> None:
            async with store.snapshot():
                await everything()

        async with asyncio.timeout(PATIENCE):
            for turns in range(40):
                task = asyncio.create_task(work())
                for _ in range(turns):
                    await asyncio.sleep(0 if turns % 2 else 0.0002)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert await everything() == before
            await change(1)
            async with store.snapshot():
                assert await everything() != before

    async def test_snapshot_of_a_closed_store(self, content: object, close: Callable[[], Awaitable[None]]) -> None:
        """A closed store says so."""
        store = snapshots(content)
        await close()
        with pytest.raises(StorageUnavailable):
            async with store.snapshot():
                raise AssertionError("a closed store gave a snapshot")
