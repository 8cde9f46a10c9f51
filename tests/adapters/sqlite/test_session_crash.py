"""A writer of sessions that is killed loses nothing that it has acknowledged, though it does not wait for the disk."""

import asyncio
import itertools
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from adapters.sqlite.sessions import SqliteSessionStore, open_session_database
from adapters.system.clock import SystemClock
from ports.sessions import CacheStore
from tests.adapters.sqlite.killed import acknowledged_until_killed, copy_files

KILLS = 25
WRITERS = 4
NAMES = 5


def write_until_killed(path: Path, first: int, acknowledge: Connection) -> None:
    """Write sessions and count, several at once, and report each write once it has returned."""

    async def write(store: CacheStore, writer: int) -> None:
        for number in itertools.count(first):
            name = f"session-{writer}-{number % NAMES}"
            await store.set(name, f"{number:020}" * 50)
            acknowledge.send((name, number))
            acknowledge.send((f"count-{writer}", await store.increment(f"count-{writer}")))

    async def work() -> None:
        store = SqliteSessionStore(await open_session_database(path), SystemClock())
        async with asyncio.TaskGroup() as tasks:
            for writer in range(WRITERS):
                tasks.create_task(write(store, writer))

    asyncio.run(work())


async def check(path: Path, acknowledged: dict[str, int]) -> None:
    """Assert that everything acknowledged is there, as it was or as a later write made it."""
    store = SqliteSessionStore(await open_session_database(path), SystemClock())
    assert await store.check_integrity() == []
    values = await store.get_many(list(acknowledged))
    assert values.keys() == acknowledged.keys()
    for name, number in acknowledged.items():
        assert int(values[name][:20]) >= number
        assert name.startswith("count") or values[name] == values[name][:20] * 50
    await store.aclose()


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Killed at 25 points of its work, the writer leaves a sound file with every acknowledged write."""
    path = tmp_path / "sessions.db"
    random = Random(7)
    acknowledged: dict[str, int] = {}
    for kill in range(KILLS):
        # What is written after the kill has a higher number than all before it.
        first = 1_000_000 * kill
        acknowledged.update(acknowledged_until_killed(write_until_killed, path, first, writes=random.randint(1, 60)))
        asyncio.run(check(copy_files(path), acknowledged))
    assert len(acknowledged) == WRITERS * NAMES + WRITERS
