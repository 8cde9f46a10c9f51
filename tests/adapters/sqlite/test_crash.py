"""A writer that is killed loses nothing that it has acknowledged."""

import asyncio
import multiprocessing
import shutil
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from tests.builders import a_case, a_message, an_id, later

KILLS = 25
CASES = 5


def write_until_killed(path: Path, first_message: int, acknowledge: Connection) -> None:
    """Change one case after the other, and report each write once it has returned."""

    async def work() -> None:
        repository = SqliteCaseRepository(await SqliteDatabase.open(path))
        number = first_message
        while True:
            case_number = number % CASES + 1
            case = await repository.get(an_id("case", case_number)) or a_case(case_number)
            saved = await repository.save(case.rename(f"Title {number}", later(number)))
            acknowledge.send(("version", saved.case_id, saved.version))
            await repository.add_message(a_message(saved.case_id, number))
            acknowledge.send(("message", saved.case_id, an_id("msg", number)))
            number += 1

    asyncio.run(work())


def acknowledged_until_killed(path: Path, first_message: int, writes: int) -> Iterator[tuple[str, str, object]]:
    """What a writer acknowledges that is killed after some writes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["adapters.sqlite.cases", "tests.builders"])
    ours, theirs = context.Pipe(duplex=False)
    writer = context.Process(target=write_until_killed, args=(path, first_message, theirs), daemon=True)
    writer.start()
    theirs.close()
    with ours, suppress(EOFError):
        for _ in range(writes):
            yield ours.recv()
        writer.kill()
        while True:
            yield ours.recv()
    writer.join()
    writer.close()


async def check(path: Path, versions: dict[str, int], messages: dict[str, list[str]]) -> None:
    """Assert that everything acknowledged is there."""
    database = await SqliteDatabase.open(path)
    repository = SqliteCaseRepository(database)
    for case_id, version in versions.items():
        case = await repository.get(case_id)
        assert case is not None
        assert case.version >= version
    for case_id, acknowledged in messages.items():
        kept: set[str] = set()
        while page := (await repository.get_messages(case_id, limit=200, offset=len(kept))).items:
            kept.update(message.message_id for message in page)
        assert kept >= set(acknowledged)
    assert await repository.check_integrity() == []
    await database.aclose()


def test_nothing_acknowledged_is_lost(path: Path) -> None:
    """Killed at 25 points of its work, the writer leaves a sound file with every acknowledged write."""
    random = Random(7)
    versions: dict[str, int] = {}
    messages: dict[str, list[str]] = {}
    for kill in range(KILLS):
        for kind, case_id, value in acknowledged_until_killed(path, 1 + 1000 * kill, random.randint(1, 30)):
            if kind == "version":
                assert isinstance(value, int)
                versions[case_id] = value
            else:
                messages.setdefault(case_id, []).append(str(value))
        # A copy is examined, so that the next writer finds the log as the killed one left it.
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, path.parent / f"copy{file.name.removeprefix(path.name)}")
        asyncio.run(check(path.parent / "copy", versions, messages))
    assert sum(map(len, messages.values())) > KILLS
    assert len(versions) == CASES
