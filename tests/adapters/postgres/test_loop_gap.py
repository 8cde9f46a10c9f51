"""The event loop never pauses for more than 25 ms while many large cases are written and read."""

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from ports.paging import MAX_LIMIT
from tests.builders import a_full_case
from tests.faults.test_bulk_loop_gap import check_pauses, without_collection
from tests.faults.test_loop_gap import no_long_pause

pytestmark = pytest.mark.postgres

__all__ = ["without_collection"]


@pytest.mark.timed
@pytest.mark.usefixtures("without_collection")
async def test_no_pause_with_large_pages(database: PostgresDatabase) -> None:
    """Neither a bulk insert nor the largest pages hold up anybody else."""
    repository = PostgresCaseRepository(database)
    cases = [a_full_case(number).replace(version=1) for number in range(1, MAX_LIMIT + 1)]
    # The first search of its kind makes the statement, which is no matter of the pages.
    await repository.list(limit=MAX_LIMIT)
    await repository.search("checkout", limit=MAX_LIMIT)
    async with no_long_pause():
        await repository.put_many(cases)
        assert len((await repository.list(limit=MAX_LIMIT)).items) == MAX_LIMIT
        assert len((await repository.search("checkout", limit=MAX_LIMIT)).items) == MAX_LIMIT
        assert len(await repository.scan(limit=MAX_LIMIT)) == MAX_LIMIT


@pytest.mark.timed
@pytest.mark.usefixtures("without_collection")
async def test_no_pause_with_many_messages(database: PostgresDatabase) -> None:
    """10,000 messages of several cases in one call hold up nobody."""
    await check_pauses(PostgresCaseRepository(database))
