"""Writers that change the same case at once, and repeat on a conflict, lose nothing."""

import asyncio
import random
import sys

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.options import PostgresOptions
from ports.cases import CaseRepository
from ports.errors import Conflict
from tests.builders import a_case, an_id
from tests.faults.case_stores import OnPostgres
from tests.stateful.profiles import NIGHTLY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WRITERS = 8
CHANGES = 1_250 if NIGHTLY else 125
PROCESSES = 4
LONGEST_PAUSE = 0.02


async def count_up(repository: CaseRepository, writer: int, changes: int) -> int:
    """Raise the number of the writer in the case by one, again and again. Returns how many conflicts it met."""
    conflicts = 0
    for _ in range(changes):
        while True:
            case = await repository.get(an_id("case", 1))
            assert case is not None
            numbers = [int(number) for number in case.description.split()]
            numbers[writer] += 1
            try:
                await repository.save(case.replace(description=" ".join(map(str, numbers))))
            except Conflict:
                conflicts += 1
                # Else all would try again together, and one of them win each time.
                await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))
            else:
                break
    return conflicts


async def run_writers(repository: CaseRepository, writers: range, changes: int) -> int:
    """Let the writers count up at once."""
    return sum(await asyncio.gather(*(count_up(repository, writer, changes) for writer in writers)))


async def begin(repository: CaseRepository) -> None:
    """Save the case in which the writers count."""
    await repository.save(a_case(description=" ".join(["0"] * WRITERS)))


async def assert_nothing_lost(repository: CaseRepository) -> None:
    """Every change of every writer has arrived, and each made one version."""
    case = await repository.get(an_id("case", 1))
    assert case is not None
    assert case.description.split() == [str(CHANGES)] * WRITERS
    assert case.version == 1 + WRITERS * CHANGES


async def test_writers_of_one_process(repository: CaseRepository) -> None:
    """Every change arrives, at night 10,000 of 10,000."""
    await begin(repository)
    await run_writers(repository, range(WRITERS), CHANGES)
    await assert_nothing_lost(repository)


async def write_as_process(dsn: str, number: int, changes: int) -> None:
    """What each process does; it prints how many conflicts it met."""
    database = await PostgresDatabase.open(PostgresOptions(dsn))
    share = WRITERS // PROCESSES
    writers = range(number * share, (number + 1) * share)
    conflicts = await run_writers(PostgresCaseRepository(database), writers, changes)
    sys.stdout.write(f"{conflicts}\n")
    await database.aclose()


@pytest.mark.postgres
async def test_writers_of_several_processes(on_postgres: OnPostgres) -> None:
    """Every change arrives from four processes, too; there were conflicts, so they did meet."""
    async with on_postgres.open() as repository:
        await begin(repository)
        code = (
            "import asyncio, sys; from tests.faults.test_lost_updates import write_as_process;"
            "asyncio.run(write_as_process(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))"
        )
        processes = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", code, on_postgres.dsn, str(number), str(CHANGES)),
                stdout=asyncio.subprocess.PIPE,
            )
            for number in range(PROCESSES)
        ]
        outputs = [(await process.communicate())[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * PROCESSES
        assert all(int(output) > 0 for output in outputs)
        await assert_nothing_lost(repository)
