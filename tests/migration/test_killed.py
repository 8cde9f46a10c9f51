"""A migration that is killed goes on where it stood: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from application.transfer.batches import BATCH_ITEMS
from application.transfer.collections import Cases
from application.transfer.items import Kind
from application.transfer.migrator import Progressed, StoreMigrator, TransferRefused
from application.transfer.verification import compare
from tests.migration import copying
from tests.migration.content import NUMBER, again, content, fill
from tests.stateful.profiles import NIGHTLY
from tests.stateful.server_adapters import new_postgres_database

KILLS = 100 if NIGHTLY else 5
"""At each kind of target."""

CASES = 1000
NOTE = f"transfer-{Kind.CASES}"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with so many cases and their messages."""
    path = tmp_path_factory.mktemp("source") / "source.db"

    async def make() -> None:
        async with copying.opened(str(path)) as repository:
            for start in range(0, CASES, NUMBER):
                await fill(repository, again(content(Kind.CASES), start))

    asyncio.run(make())
    return str(path)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_killed_on_sqlite(source: str, tmp_path: Path) -> None:
    """Killed at random points and started again each time, until it is done."""
    await killed_again_and_again(source, str(tmp_path / "target.db"))


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(600)
async def test_killed_on_postgres(source: str, request: pytest.FixtureRequest) -> None:
    """The same with a server."""
    async with new_postgres_database(request.getfixturevalue) as dsn:
        await killed_again_and_again(source, dsn)


async def killed_again_and_again(source: str, target: str) -> None:
    """Kill the copying process often enough, each time after a piece of the work, and let the last one finish."""
    chance = random.Random(32)
    kills = 0
    done = 0
    while kills < KILLS:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.migration.copying", source, target, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"copying\n"
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        with suppress(ProcessLookupError):
            process.kill()
        kills += await process.wait() == -signal.SIGKILL
        async with copying.opened(target) as repository:
            # In one moment: a server may still be committing what the killed process has sent.
            async with repository.snapshot():
                there = await Cases(repository).count()
                note = await repository.read_checkpoint(NOTE)
            state = Progressed.from_json(note) if note else None
            # What is there is what the note says, so no batch is done twice.
            assert there == (state.written if state else 0)
            assert there >= done
            done = there
            if state and state.is_done:
                await _clean(source, repository)
                await _empty(repository)
                done = 0
    migration = await copying.copy(source, target)
    assert (migration.read, migration.written) == (CASES, CASES)
    assert migration.resumed <= done + BATCH_ITEMS
    async with copying.opened(target) as repository:
        await _clean(source, repository)


async def _clean(source: str, repository: object) -> None:
    async with copying.opened(source) as original:
        comparison = await compare(Cases(original), Cases(repository))
    assert comparison.is_clean, comparison.examples
    assert comparison.in_target == CASES


async def _empty(repository: object) -> None:
    cases = Cases(repository)
    async with repository.begin_transaction():
        async for item in cases.items():
            if item.part == 0:
                await cases.delete(item.key)
        await repository.write_checkpoint(NOTE, None)


async def test_another_source_is_refused(source: str, tmp_path: Path) -> None:
    """What was begun from one place is not gone on with from another."""
    other = str(tmp_path / "other.db")
    target = str(tmp_path / "target.db")
    async with copying.opened(source) as first, copying.opened(other) as second, copying.opened(target) as third:
        await fill(second, content(Kind.CASES, 20))
        migrator = StoreMigrator(source=first, target=third)
        state = await (await migrator.opened()).check()
        await third.write_checkpoint(NOTE, state.to_json())
        with pytest.raises(TransferRefused, match="unfinished copy"):
            await StoreMigrator(source=second, target=third).migrate_all()
        assert (await third.list()).total == 0
        assert (await migrator.migrate_all()).written == CASES
        with pytest.raises(TransferRefused, match="already holds"):
            await StoreMigrator(source=second, target=third).migrate_all()


async def test_a_second_run_does_nothing(source: str, tmp_path: Path) -> None:
    """A finished migration is not repeated."""
    target = str(tmp_path / "target.db")
    first = await copying.copy(source, target)
    again = await copying.copy(source, target)
    assert (first.read, first.resumed) == (CASES, 0)
    assert (again.read, again.resumed, again.written) == (CASES, CASES, CASES)
