"""Calls that are cancelled in the middle leave the store whole."""

import asyncio
from random import Random

import pytest

from domain.case import Case
from ports.capabilities import SupportsIntegrityCheck
from ports.cases import CaseFilter, CaseRepository
from ports.errors import Conflict
from tests.builders import a_case, a_message, an_id, later
from tests.faults.case_stores import CaseStore

TASKS = 100
CASES = 20
PATIENCE = 30


async def use(repository: CaseRepository, number: int, message: int) -> None:
    """A call of each kind; each reply has to be the one to its own call."""
    case_id = an_id("case", number)
    case = await repository.get(case_id)
    assert case is not None
    assert case.case_id == case_id
    # Some stores never wait, and a task that does not wait cannot be cancelled.
    await asyncio.sleep(0)
    page = await repository.list(CaseFilter(user_id=f"user {number}"))
    assert [case.case_id for case in page] == [case_id]
    assert (await repository.search(f"subject{number}x")).items[0].case_id == case_id
    await asyncio.sleep(0)
    assert await repository.add_message(a_message(case_id, message, content=f"about {number}"))
    for line in await repository.get_messages(case_id, limit=5):
        assert line.content == f"about {number}"
    async with repository.begin_transaction():
        stored = await repository.get(case_id)
        assert stored is not None
        assert stored.case_id == case_id
        await asyncio.sleep(0)
        await repository.save(stored.rename(f"subject{number}x, said {message}", later(message)))


async def use_until_done(repository: CaseRepository, number: int, message: int) -> None:
    """Repeat what loses a race."""
    while True:
        try:
            return await use(repository, number, message)
        except Conflict:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("seed", range(3))
async def test_cancelled_calls(store: CaseStore, repository: CaseRepository, seed: int) -> None:
    """A hundred tasks are cancelled wherever they happen to be; later calls get their own replies, and all is sound."""
    random = Random(seed)
    for number in range(CASES):
        await repository.save(a_case(number + 1, title=f"subject{number + 1}x", user_id=f"user {number + 1}"))
    async with asyncio.timeout(PATIENCE):
        tasks = [asyncio.create_task(use_until_done(repository, task % CASES + 1, task + 1)) for task in range(TASKS)]
        for task in random.sample(tasks, TASKS):
            await asyncio.sleep(random.choice([0, 0, 0, 0.0005, 0.002]))
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if isinstance(result, Exception)] == []
        assert any(isinstance(result, asyncio.CancelledError) for result in results)
        store.assert_at_rest()
        await asyncio.gather(*(use_until_done(repository, task % CASES + 1, TASKS + task + 1) for task in range(TASKS)))
    for number in range(1, CASES + 1):
        case = await repository.get(an_id("case", number))
        assert isinstance(case, Case)
        assert (await repository.get_messages(case.case_id)).total == case.message_count >= TASKS // CASES
    if isinstance(repository, SupportsIntegrityCheck):
        assert await repository.check_integrity() == []
