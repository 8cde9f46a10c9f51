"""The event loop never pauses for more than 25 ms while as many messages are appended as a migration sends at once."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.memory.cases import InMemoryCaseRepository
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from application.transfer.batches import BATCH_ITEMS
from domain.message import Message
from ports.cases import CaseRepository
from ports.transfer import SupportsCaseTransfer
from tests.builders import a_case, a_message, an_id
from tests.faults.test_loop_gap import no_long_pause

CASES = 8
MESSAGES = BATCH_ITEMS


@pytest.fixture
def without_collection() -> Iterator[None]:
    """Keeps the garbage collector out: how long it takes depends on all that the process holds."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def many_messages() -> list[Message]:
    """Messages of about 500 characters, of several cases in turn."""
    text = "the gateway answers 502 since the deployment at noon; " * 9
    first = a_message(an_id("case", 1))
    return [
        first.model_copy(
            update={
                "message_id": an_id("msg", number),
                "case_id": an_id("case", number % CASES + 1),
                "content": f"{number} {text}",
            }
        )
        for number in range(MESSAGES)
    ]


async def check_pauses(repository: CaseRepository) -> None:
    """Append, alone and in a transaction, and look for the longest pause."""
    assert isinstance(repository, SupportsCaseTransfer)
    await repository.put_many([a_case(number, version=1) for number in range(1, CASES + 1)])
    messages = many_messages()
    more = [message.model_copy(update={"message_id": f"{message.message_id}{0:04x}"}) for message in messages]
    async with no_long_pause():
        await repository.add_messages(messages)
        async with repository.begin_transaction():
            await repository.add_messages(more)
    cases = await repository.scan()
    assert sum(case.message_count for case in cases) == 2 * MESSAGES


@pytest.mark.timed
@pytest.mark.usefixtures("without_collection")
async def test_no_pause_in_memory() -> None:
    """The store in memory computes in a thread and puts what is ready."""
    await check_pauses(InMemoryCaseRepository())


@pytest.mark.timed
@pytest.mark.usefixtures("without_collection")
async def test_no_pause_in_a_file(tmp_path: Path) -> None:
    """SQLite works in its thread."""
    database = await SqliteDatabase.open(tmp_path / "faultmaven.db")
    await check_pauses(SqliteCaseRepository(database))
    await database.aclose()
