"""A writer that is killed loses nothing that it has acknowledged."""

import asyncio
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from tests.adapters.sqlite.killed import acknowledged_until_killed, copy_files
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
        for kind, case_id, value in acknowledged_until_killed(
            write_until_killed, path, 1 + 1000 * kill, writes=random.randint(1, 30)
        ):
            if kind == "version":
                assert isinstance(value, int)
                versions[case_id] = value
            else:
                messages.setdefault(case_id, []).append(str(value))
        asyncio.run(check(copy_files(path), versions, messages))
    assert sum(map(len, messages.values())) > KILLS
    assert len(versions) == CASES
