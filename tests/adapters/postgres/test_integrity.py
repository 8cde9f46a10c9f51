"""Damage is noticed: when a damaged value is read, and when everything is examined."""

import json

import pytest

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import Sql
from adapters.postgres.users import PostgresUserRepository
from ports.errors import StorageCorrupt
from tests.builders import a_case, a_message, a_user, an_id, later

REPLACE = "UPDATE users SET document = $1::jsonb, document_sha256 = sha256(convert_to(($1::jsonb)::text, 'UTF8'))"


class Store:
    """The repositories on one database, with a way of damaging it."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database
        self.cases = PostgresCaseRepository(database)
        self.users = PostgresUserRepository(database)

    async def damage(self, statement: str, value: str | None = None) -> None:
        """Change the tables behind the back of the repositories; the statement says $1 for the value."""
        await self.database.write(Sql(statement, ("value",) if value else ()), {"value": value})

    async def problems(self) -> list[str]:
        """What an examination of everything finds."""
        return [*await self.cases.check_integrity(), *await self.users.check_integrity()]


@pytest.fixture
async def store(database: PostgresDatabase) -> Store:
    """Some cases, two of them with a message, and a user."""
    store = Store(database)
    for number in range(1, 251):
        await store.cases.save(a_case(number))
    for number in (1, 2):
        await store.cases.add_message(a_message(an_id("case", number), number))
    await store.users.save(a_user())
    return store


async def test_sound_store(store: Store) -> None:
    """Nothing is found where nothing is wrong, also after deletions and changes of text."""
    case = await store.cases.get(an_id("case", 1))
    assert case is not None
    await store.cases.save(case.rename("Something else", later(1)))
    await store.cases.delete(an_id("case", 2))
    assert await store.problems() == []


async def test_changed_letter_in_a_document(store: Store) -> None:
    """One changed letter inside of a text is found, in whatever batch the row comes."""
    await store.damage(
        "UPDATE cases SET document = jsonb_set(document, '{title}', '\"Checkout fails (7)\"') WHERE case_id = $1",
        an_id("case", 249),
    )
    with pytest.raises(StorageCorrupt, match="checksum"):
        await store.cases.get(an_id("case", 249))
    (problem,) = await store.problems()
    assert an_id("case", 249) in problem
    assert "checksum" in problem


async def test_changed_column(store: Store) -> None:
    """A version beside the document that is another one than in it is found."""
    await store.damage("UPDATE cases SET version = 7 WHERE case_id = $1", an_id("case", 2))
    with pytest.raises(StorageCorrupt, match="contradict"):
        await store.cases.get(an_id("case", 2))
    assert len(await store.problems()) == 1


async def test_document_of_another_release(store: Store) -> None:
    """A document that is whole, but not one that this release knows, is not guessed at."""
    await store.damage(REPLACE, json.dumps({**a_user().model_dump(mode="json"), "novelty": 1}))
    with pytest.raises(StorageCorrupt, match="newer release"):
        await store.users.get(a_user().user_id)
    assert len(await store.problems()) == 1


async def test_lost_message(store: Store) -> None:
    """A case that counts more messages than there are is found."""
    await store.damage("DELETE FROM case_messages WHERE message_id = $1", an_id("msg", 1))
    assert await store.problems() == [f"cases, case_id {an_id('case', 1)!r}: counts 1 messages, 0 are there"]


async def test_damaged_message(store: Store) -> None:
    """A damaged message is found when it is read and when everything is examined."""
    await store.damage('UPDATE case_messages SET document = document || \'{"content": "another"}\'')
    with pytest.raises(StorageCorrupt, match="checksum"):
        await store.cases.get_messages(an_id("case", 1))
    assert len(await store.problems()) == 2


async def test_lost_table(store: Store) -> None:
    """A missing table is a finding, not the end of the examination."""
    await store.damage("ALTER TABLE users RENAME TO lost")
    try:
        (problem,) = await store.problems()
        assert "42P01" in problem
    finally:
        await store.damage("ALTER TABLE lost RENAME TO users")
