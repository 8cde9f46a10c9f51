"""Verification finds whatever is wrong with a copy, and nothing where nothing is wrong."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.users import InMemoryUserRepository
from adapters.memory.vectors import InMemoryVectorStore
from adapters.system.clock import SystemClock
from application.transfer.collections import Collection, Files, collection_of
from application.transfer.items import IndexedDocument, Item, Kind
from application.transfer.verification import compare
from domain.case import Case
from domain.message import Message
from domain.user import User
from ports.transfer import StoredValue
from ports.vectors import VectorRecord
from tests.contract.vectors.data import SPACE
from tests.migration.content import content, everything, fill

TRIALS = 500

MAKE: dict[Kind, Callable[[], Any]] = {
    Kind.CASES: InMemoryCaseRepository,
    Kind.USERS: InMemoryUserRepository,
    Kind.DOCUMENTS: InMemoryKnowledgeRepository,
    Kind.VECTORS: partial(InMemoryVectorStore, SPACE),
    Kind.SESSIONS: partial(InMemorySessionStore, SystemClock()),
}
KINDS = [*MAKE]

Damage = Callable[[Collection, list[Item], random.Random], Awaitable[bool]]
"""Does harm to an entity, given as all of its items; False if there is nothing of the kind that it harms."""


async def drop(target: Collection, entity: list[Item], _: random.Random) -> bool:
    """The entity is missing."""
    return await target.delete(entity[0].key)


async def alter(target: Collection, entity: list[Item], chance: random.Random) -> bool:
    """One field has another value; the version is the same."""
    return await rewrite(target, [changed(entity[0], chance), *entity[1:]])


async def duplicate(target: Collection, entity: list[Item], _: random.Random) -> bool:
    """The entity is there once more, under another id."""
    copy = renamed(entity[0])
    await target.put([copy])
    return True


async def drop_message(target: Collection, entity: list[Item], chance: random.Random) -> bool:
    """One message is missing."""
    if len(entity) < 2:
        return False
    rest = list(entity)
    del rest[chance.randrange(1, len(rest))]
    return await rewrite(target, rest)


async def reorder(target: Collection, entity: list[Item], chance: random.Random) -> bool:
    """Two messages have changed places."""
    if len(entity) < 3:
        return False
    first, second = sorted(chance.sample(range(1, len(entity)), 2))
    swapped = list(entity)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    return await rewrite(target, swapped)


async def alter_message(target: Collection, entity: list[Item], chance: random.Random) -> bool:
    """One message says something else."""
    if len(entity) < 2:
        return False
    place = chance.randrange(1, len(entity))
    message = entity[place].content
    assert isinstance(message, Message)
    other = message.replace(content=f"{message.content} not"[-200:])
    return await rewrite(target, [*entity[:place], Item(entity[0].key, place, other), *entity[place + 1 :]])


DAMAGES: Sequence[Damage] = (drop, alter, duplicate, drop_message, reorder, alter_message)


async def rewrite(target: Collection, items: list[Item]) -> bool:
    """Replace an entity."""
    await target.delete(items[0].key)
    await target.put(items)
    return True


def changed(item: Item, chance: random.Random) -> Item:
    """The entity with one small difference."""
    match item.content:
        case Case() as case:
            other: Any = case.replace(description=f"{case.description[:1000]}.")
        case User() as user:
            other = user.replace(is_active=not user.is_active)
        case IndexedDocument(document, chunks):
            if chance.random() < 0.5 and chunks:
                chunks = (*chunks[:-1], chunks[-1].replace(text=f"{chunks[-1].text}."))
            else:
                document = document.replace(tags=(*document.tags, "more")[-50:])
            other = IndexedDocument(document, chunks)
        case VectorRecord() as record:
            vector = list(record.embedding)
            vector[chance.randrange(len(vector))] += chance.choice([-1e-3, 1e-3])
            other = VectorRecord(record.id, record.document, tuple(vector), record.metadata)
        case StoredValue(key, value, expires_at):
            other = StoredValue(key, value, None if expires_at else 4_102_444_800_000)
            if expires_at and chance.random() < 0.5:
                other = StoredValue(key, value, expires_at + 1)
        case _:
            raise AssertionError(item)
    return Item(item.key, 0, other)


def renamed(item: Item) -> Item:
    """The entity under an id, and with names, that are free."""
    match item.content:
        case Case() as case:
            other: Any = case.replace(case_id="case_ffffffffffff")
        case User() as user:
            other = user.replace(user_id="user_ffffffffffff", username="somebody.else", email="else@example.org")
        case IndexedDocument(document, _):
            other = IndexedDocument(document.replace(document_id="kb_ffffffffffffffff", source_key=None), ())
        case VectorRecord() as record:
            other = VectorRecord(f"{record.id} copy", record.document, record.embedding, record.metadata)
        case StoredValue(key, value, expires_at):
            other = StoredValue(f"{key} copy", value, expires_at)
        case _:
            raise AssertionError(item)
    return Item("", 0, other)


async def test_all_damage_is_found() -> None:
    """500 of 500 copies with one thing wrong are found out; the same copies before that are clean."""
    chance = random.Random(36)
    found = planted = 0
    while planted < TRIALS:
        kind = chance.choice(KINDS)
        items = content(kind, 20)
        source = await fill(MAKE[kind](), items)
        target = await fill(MAKE[kind](), items)
        assert (await compare(source, target)).is_clean
        key = chance.choice(items).key
        entity = [item for item in items if item.key == key]
        if not await chance.choice(DAMAGES)(target, entity, chance):
            continue
        planted += 1
        comparison = await compare(source, target)
        assert comparison.examples, f"a planted damage of {key} was not found"
        found += not comparison.is_clean
        assert comparison.missing + comparison.unexpected + comparison.different == 1
    assert (found, planted) == (TRIALS, TRIALS)


async def test_damaged_files_are_found() -> None:
    """Files with other bytes, that are missing or too much."""

    async def filled(**files: bytes) -> Files:
        store = InMemoryBlobStore()
        for key, data in files.items():
            await store.put(key, pieces(data))
        return Files(store)

    async def pieces(data: bytes) -> Any:
        yield data

    whole = {"a": b"one", "b": b"two", "c": b""}
    assert (await compare(await filled(**whole), await filled(**whole))).is_clean
    for wrong in ({**whole, "b": b"twO"}, {"a": b"one", "c": b""}, {**whole, "d": b"two"}):
        comparison = await compare(await filled(**whole), await filled(**wrong))
        assert comparison.missing + comparison.unexpected + comparison.different == 1


async def test_examples_say_what_is_wrong() -> None:
    """The report names the entity and what is different."""
    items = content(Kind.CASES, 20)
    source = await fill(InMemoryCaseRepository(), items)
    target = await fill(InMemoryCaseRepository(), items)
    entity = next([item for item in items if item.key == each.key] for each in items if each.part == 2)
    await reorder(target, entity, random.Random(1))
    comparison = await compare(source, target)
    assert (comparison.different, comparison.examples[0].startswith(f"{entity[0].key}: message")) == (1, True)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_merged_copy_may_hold_more(kind: Kind) -> None:
    """What only the target has is wrong, unless a merge has left it there."""
    items = content(kind, 20)
    source = await fill(MAKE[kind](), items)
    target = await fill(MAKE[kind](), items)
    await target.put([renamed(items[0])])
    assert (await compare(source, target)).unexpected == 1
    assert (await compare(source, target, allow_more=True)).is_clean
    assert len(await everything(collection_of(target.store))) == len(items) + 1
