"""A message costs the same however many there are already."""

import time
from statistics import median

import pytest

from domain.message import Message
from ports.cases import CaseRepository
from ports.transfer import SupportsCaseTransfer
from tests.builders import a_case, a_message, an_id, later
from tests.stateful.profiles import NIGHTLY

pytestmark = [pytest.mark.timed, pytest.mark.timeout(300)]

MESSAGES = 100_000 if NIGHTLY else 10_000
MEASURED = 200
EARLY = 10
BATCH = 500
ALLOWED = 1.2 if NIGHTLY else 1.5
"""In a build, beside other tests, only growth that nobody could overlook counts."""


def message(case: int, number: int) -> Message:
    """A message of the case."""
    return a_message(an_id("case", case), case * 1_000_000 + number, created_at=later(number))


async def seconds(repository: CaseRepository, what: Message) -> float:
    """How long it takes to append the message."""
    began = time.perf_counter()
    assert await repository.add_message(what)
    return time.perf_counter() - began


async def test_append_costs_the_same(repository: CaseRepository) -> None:
    """At night, the median of 200 appends after the 100,000th is at most 1.2 times that of 200 after the tenth.

    Both are taken in turns, on a long case and on a short one, so that a busy machine slows them alike.
    """
    for case in (1, 2):
        await repository.save(a_case(case))
    for number in range(EARLY):
        assert await repository.add_message(message(2, number))
    filled = MESSAGES - MEASURED
    assert isinstance(repository, SupportsCaseTransfer)
    for start in range(0, filled, BATCH):
        await repository.add_messages([message(1, number) for number in range(start, min(start + BATCH, filled))])
    early, late = [], []
    for number in range(MEASURED):
        early.append(await seconds(repository, message(2, EARLY + number)))
        late.append(await seconds(repository, message(1, filled + number)))
    for case, count in ((1, MESSAGES), (2, EARLY + MEASURED)):
        page = await repository.get_messages(an_id("case", case), offset=count - 1)
        assert page.total == count
        assert [last.message_id for last in page] == [message(case, count - 1).message_id]
    assert median(late) <= ALLOWED * median(early), f"{median(late) * 1e6:.0f} us, not {median(early) * 1e6:.0f} us"
