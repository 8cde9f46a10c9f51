"""Cases in a snapshot."""

import asyncio
from typing import Any

import pytest

from ports.cases import CaseRepository
from ports.transfer import SupportsCaseTransfer
from tests.builders import a_case, a_closed_case, a_message, an_id, later
from tests.contract.cases.transactions import snapshot
from tests.contract.transfer.snapshots import PATIENCE, Change, Read, SnapshotTests, Writes, snapshots


class CaseSnapshotTests(SnapshotTests):
    """See `SnapshotTests`."""

    @pytest.fixture
    def change(self, repository: CaseRepository) -> Change:
        """Saves a case anew, appends to it and to the one before, renames that, and deletes the one before that."""

        async def change(number: int) -> None:
            await repository.save(a_case(number, opened_in_session="s1"))
            await repository.add_message(a_message(an_id("case", number), 2 * number))
            if number:
                case = await repository.get(an_id("case", number - 1))
                assert case is not None
                await repository.save(case.rename(f"Changed {number}", later(number)))
                await repository.add_message(a_message(case.case_id, 2 * number + 1))
            if number > 1:
                await repository.delete(an_id("case", number - 2))

        return change

    @pytest.fixture
    def everything(self, repository: CaseRepository) -> Read:
        """Every way of reading."""

        async def read() -> object:
            return (
                await snapshot(repository),
                await repository.list(),
                await repository.search("checkout"),
                await repository.find_by_session("s1"),
                [await repository.get(an_id("case", number)) for number in range(6)],
                [await repository.get_analytics(an_id("case", number)) for number in range(6)],
            )

        return read

    @pytest.fixture
    def writes(self, repository: CaseRepository) -> Writes:
        """Every write."""
        known, store = an_id("case", 0), _transfer(repository)
        return {
            "save": lambda: repository.save(a_case(9)),
            "save over another": lambda: repository.save(a_case(0, version=1)),
            "delete": lambda: repository.delete(known),
            "add_message": lambda: repository.add_message(a_message(known, 99)),
            "update_activity_timestamp": lambda: repository.update_activity_timestamp(known, later(99)),
            "cleanup_expired": lambda: repository.cleanup_expired(later(99)),
            "put_many": lambda: store.put_many([a_case(9, version=2)]),
            "add_messages": lambda: store.add_messages([a_message(known, 99)]),
        }

    async def test_snapshot_while_another_task_writes(self, repository: CaseRepository) -> None:
        """Page after page describes one moment while cases are saved, deleted and appended to all the time."""
        store = snapshots(repository)
        await _transfer(repository).put_many([a_case(number, version=1) for number in range(1, 41)])
        stop = asyncio.Event()
        turns = asyncio.Semaphore(0)
        written = 0

        async def write() -> None:
            nonlocal written
            while not stop.is_set():
                number = written % 40 + 1
                async with repository.begin_transaction():
                    case = await repository.get(an_id("case", number))
                    assert case is not None
                    await repository.add_message(a_message(case.case_id, 1000 + written))
                    await repository.save(case.rename(f"Written {written}", later(written)))
                    if number % 5 == 0:
                        await repository.delete(case.case_id)
                        await repository.save(a_closed_case(number))
                written += 1
                turns.release()

        async def copy() -> list[Any]:
            cases = []
            after = None
            while page := await repository.scan(after=after, limit=7):
                cases += [(case, tuple(await repository.get_messages(case.case_id, limit=200))) for case in page]
                after = page[-1].case_id
            return cases

        async def check() -> list[Any]:
            nonlocal turns
            async with store.snapshot():
                first = await copy()
                assert len(first) == 40
                assert all(case.message_count == len(messages) for case, messages in first)
                assert (await repository.list(limit=1)).total == 40
                turns = asyncio.Semaphore(0)
                for _ in range(10):
                    await turns.acquire()
                assert await copy() == first
            return first

        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(write())
            seen = [await check() for _ in range(3)]
            stop.set()
        assert seen[0] != seen[1] != seen[2]


def _transfer(repository: CaseRepository) -> SupportsCaseTransfer:
    assert isinstance(repository, SupportsCaseTransfer)
    return repository
