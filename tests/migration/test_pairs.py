"""From every adapter of a port to every other one: nothing is missing, nothing is too much, nothing has changed."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from adapters.memory.cases import InMemoryCaseRepository
from application.transfer.collections import collection_of
from application.transfer.items import Kind, canonical_bytes, differing_fields
from application.transfer.migrator import StoreMigrator
from tests.migration import copying
from tests.migration.content import NUMBER, again, content, everything, fill
from tests.stateful.adapters import ADAPTERS
from tests.stateful.agreement import Adapter
from tests.stateful.profiles import NIGHTLY
from tests.stateful.server_adapters import new_postgres_database

CASES = 10_000 if NIGHTLY else NUMBER
"""Those of the round trip."""

KINDS = {
    "cases": Kind.CASES,
    "users": Kind.USERS,
    "knowledge": Kind.DOCUMENTS,
    "vectors": Kind.VECTORS,
    "sessions": Kind.SESSIONS,
}
LEFT_OUT = {"valkey", "redis cluster"}
"""Other servers behind the same adapter."""

PAIRS = [
    pytest.param(
        KINDS[port],
        source,
        target,
        id=f"{port}: {source.name} to {target.name}",
        marks=[getattr(pytest.mark, marker) for marker in sorted({m for m in (source.marker, target.marker) if m})],
    )
    for port in KINDS
    for source, target in itertools.permutations(ADAPTERS[port], 2)
    if not LEFT_OUT & {source.name, target.name}
]


@pytest.mark.parametrize(("kind", "source", "target"), PAIRS)
async def test_pair(kind: Kind, source: Adapter[Any], target: Adapter[Any], request: pytest.FixtureRequest) -> None:
    """200 entities with hostile values are moved and verified."""
    items = content(kind)
    async with (
        source.open(request.getfixturevalue) as empty_source,
        target.open(request.getfixturevalue) as empty_target,
        empty_source() as opened,
        empty_target() as other,
    ):
        mine, theirs = getattr(opened, "store", opened), getattr(other, "store", other)
        await fill(mine, items)
        migrator = StoreMigrator(source=mine, target=theirs)
        migration = await migrator.migrate_all()
        assert (migration.read, migration.written, migration.kept) == (200, 200, 0)
        comparison = await migrator.verify()
        assert comparison.is_clean, comparison.examples
        assert (comparison.in_source, comparison.in_target) == (200, 200)
        # Independent of the comparison: what went in first is what comes out last.
        moved = await everything((await migrator.opened()).target)
        assert [(item.key, item.part) for item in moved] == [(item.key, item.part) for item in items]
        for given, got in zip(items, moved, strict=True):
            if kind is Kind.VECTORS:
                assert differing_fields(given.content, got.content) == []
            else:
                assert canonical_bytes(given.content) == canonical_bytes(got.content)


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_round_trip(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Cases that go from memory to SQLite, to PostgreSQL and to SQLite again are what they were, byte for byte."""
    items = [item for start in range(0, CASES, NUMBER) for item in again(content(Kind.CASES), start)]
    origin = InMemoryCaseRepository()
    for start in range(0, len(items), 1000):
        await collection_of(origin).put(items[start : start + 1000])
    async with (
        copying.opened(str(tmp_path / "first.db")) as first,
        new_postgres_database(request.getfixturevalue) as dsn,
        copying.opened(dsn) as second,
        copying.opened(str(tmp_path / "last.db")) as last,
    ):
        for source, target in itertools.pairwise([origin, first, second, last]):
            assert (await StoreMigrator(source=source, target=target).migrate_all()).written == CASES
        came_back = collection_of(last)
        number = 0
        async for item in came_back.items():
            given = items[number]
            assert (given.key, given.part) == (item.key, item.part)
            assert canonical_bytes(given.content) == canonical_bytes(item.content)
            number += 1
        assert number == len(items)
