"""Damage is noticed: when a damaged value is read, and when everything is examined."""

import asyncio
import sqlite3
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.users import SqliteUserRepository
from ports.errors import PortError, StorageCorrupt
from tests.builders import a_case, a_message, a_user, an_id, later

PAGE = 4096


def overwrite(path: Path, content: bytes, position: int, piece: bytes) -> None:
    """Write a database file anew, with another piece at the position."""
    for log in path.parent.glob(f"{path.name}-*"):
        log.unlink()
    path.write_bytes(content[:position] + piece + content[position + len(piece) :])


class Store:
    """The three repositories on one file, with a way of damaging it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.cases = SqliteCaseRepository(database)
        self.users = SqliteUserRepository(database)
        self.knowledge = SqliteKnowledgeRepository(database)

    async def damage(self, *statements: str) -> None:
        """Change the file behind the back of the repositories."""

        def run(connection: sqlite3.Connection) -> None:
            for statement in statements:
                connection.execute(statement)

        await self.database.write(run)

    async def problems(self) -> list[str]:
        """What an examination of everything finds."""
        checks = [await store.check_integrity() for store in (self.cases, self.users, self.knowledge)]
        return list(dict.fromkeys(problem for found in checks for problem in found))


@pytest.fixture
async def store(database: SqliteDatabase) -> Store:
    """Two cases with a message each, a user, and a document."""
    store = Store(database)
    for number in (1, 2):
        case = await store.cases.save(a_case(number))
        await store.cases.add_message(a_message(case.case_id, number))
    await store.users.save(a_user())
    return store


async def test_sound_store(store: Store) -> None:
    """Nothing is found where nothing is wrong, also after deletions and changes of text."""
    case = await store.cases.get(an_id("case", 1))
    assert case is not None
    await store.cases.save(case.rename("Something else", later(1)))
    await store.cases.delete(an_id("case", 2))
    assert await store.problems() == []
    for repository in (store.cases, store.users, store.knowledge):
        await repository.check_health()


async def test_changed_letter_in_a_document(store: Store) -> None:
    """One changed letter inside of a text, which SQLite's own check does not see, is found."""
    await store.damage("UPDATE cases SET document = replace(document, 'Checkout fails (1)', 'Checkout fails (7)')")
    with pytest.raises(StorageCorrupt, match="checksum"):
        await store.cases.get(an_id("case", 1))
    with pytest.raises(StorageCorrupt):
        await store.cases.list()
    assert await store.cases.get(an_id("case", 2)) is not None
    (problem,) = await store.problems()
    assert "cases, case_id 'case_000000000001'" in problem


async def test_changed_message_and_user(store: Store) -> None:
    """The other documents are protected too."""
    await store.damage(
        "UPDATE case_messages SET document = replace(document, '502', '503') WHERE case_id = 'case_000000000002'",
        "UPDATE users SET document = replace(document, '\"is_active\":true', '\"is_active\":false')",
    )
    with pytest.raises(StorageCorrupt):
        await store.cases.get_messages(an_id("case", 2))
    with pytest.raises(StorageCorrupt):
        await store.users.get_by_username("user1")
    assert [problem.partition(",")[0] for problem in await store.problems()] == ["case_messages", "users"]


async def test_document_of_another_release(store: Store) -> None:
    """A document with a right checksum that this release cannot understand is no traceback."""
    document = '{"surprise": 1}'
    digest = sha256(document.encode()).hexdigest()
    await store.damage(f"UPDATE users SET document = '{document}', document_sha256 = x'{digest}'")  # noqa: S608
    with pytest.raises(StorageCorrupt, match="newer release"):
        await store.users.get(an_id("user", 1))


async def test_columns_that_contradict_the_document(store: Store) -> None:
    """A changed version would let a stale writer through, so it is compared with the document."""
    await store.damage("UPDATE cases SET version = 9 WHERE case_id = 'case_000000000001'")
    with pytest.raises(StorageCorrupt, match="contradict"):
        await store.cases.get(an_id("case", 1))


async def test_bytes_that_are_no_text(store: Store) -> None:
    """A text that is no UTF-8 is damage, not an error of the program."""
    await store.damage("UPDATE cases SET document = CAST(x'7bff7d' AS TEXT) WHERE case_id = 'case_000000000001'")
    with pytest.raises(StorageCorrupt):
        await store.cases.get(an_id("case", 1))
    assert len(await store.problems()) == 1


async def test_wrong_count_of_messages(store: Store) -> None:
    """The counter of a case is compared with its messages."""
    await store.damage("UPDATE cases SET message_count = 5 WHERE case_id = 'case_000000000002'")
    assert await store.problems() == ["cases, case_id 'case_000000000002': counts 5 messages, 1 are there"]


async def test_lost_row_and_stale_index(store: Store) -> None:
    """Messages without their case, and a search index that does not fit its table, are found."""
    await store.damage(
        "DROP TRIGGER case_messages_fts_delete",
        "DELETE FROM case_messages WHERE case_id = 'case_000000000001'",
        "UPDATE cases SET message_count = 0 WHERE case_id = 'case_000000000001'",
        "PRAGMA foreign_keys=OFF",
        "DELETE FROM cases WHERE case_id = 'case_000000000002'",
    )
    assert await store.problems() == [
        "case_messages, row 2: refers to a row of cases that is gone",
        "search index case_messages_fts: does not fit its table",
    ]


async def test_damaged_page(store: Store, path: Path) -> None:
    """A file with an overwritten page is reported by the check and never answers with a guess."""

    def root_of_cases(connection: sqlite3.Connection) -> int:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'cases'").fetchone()
        return int(page)

    page = await store.database.read(root_of_cases)
    await store.database.aclose()
    overwrite(path, await asyncio.to_thread(path.read_bytes), PAGE * (page - 1), b"\xa5" * PAGE)
    database = await SqliteDatabase.open(path)
    damaged = SqliteCaseRepository(database)
    assert any("damaged" in problem or "database file" in problem for problem in await damaged.check_integrity())
    with pytest.raises(StorageCorrupt):
        await damaged.list()
    await database.aclose()


async def test_flipped_bits(store: Store, path: Path) -> None:
    """Wherever a bit flips in the file, no document is read that nobody has written."""
    written = {case.case_id: case for case in await store.cases.scan()}
    texts = {message.message_id: message for key in written for message in await store.cases.get_messages(key)}
    await store.database.aclose()
    content = await asyncio.to_thread(path.read_bytes)
    random = Random(13)
    refused = 0
    for _ in range(100):
        position = random.randrange(100, len(content))
        overwrite(path, content, position, bytes([content[position] ^ (1 << random.randrange(8))]))
        try:
            database = await SqliteDatabase.open(path, readers=1)
        except PortError:
            refused += 1
            continue
        damaged = SqliteCaseRepository(database)
        for case_id, case in written.items():
            try:
                read = await damaged.get(case_id)
                messages = (await damaged.get_messages(case_id)).items
            except PortError:
                refused += 1
            else:
                # The counter and the time of the last activity stand outside of the document.
                counted = {"message_count": case.message_count, "last_activity_at": case.last_activity_at}
                assert read is None or read.model_copy(update=counted) == case
                assert all(message == texts[message.message_id] for message in messages)
        await database.aclose()
    assert refused > 0
