"""What a live migration promises, case by case, between stores in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from application.transfer.items import Kind
from application.transfer.live.migration import LiveMigration
from application.transfer.live.note import NOTE, LiveNote, Phase, Side
from application.transfer.migrator import TransferRefused
from application.transfer.stores import Stores
from ports.errors import OutcomeUnknown, StorageFull, StorageUnavailable
from ports.vectors import EmbeddingSpace
from tests.builders import a_case, a_message, a_user, an_id
from tests.fakes import FakeClock
from tests.live.world import differences, layers_over, memory_stores


class House:
    """An installation and its target."""

    def __init__(self) -> None:
        clock = FakeClock(datetime(2100, 1, 1, tzinfo=UTC))
        self.source = memory_stores(clock)
        self.target = memory_stores(clock)
        self.layers = layers_over(self.source)

    async def start(self, **options: float) -> LiveMigration:
        return await LiveMigration.start(self.layers, self.target, to="target.env", at="now", **options)  # type: ignore[arg-type]

    async def shadowing(self, **options: float) -> LiveMigration:
        migration = await self.start(**options)
        await until(lambda: migration.phase is Phase.SHADOWING)
        return migration


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


@pytest.fixture
async def house() -> House:
    return House()


async def test_everything_moves_and_the_former_side_follows(house: House) -> None:
    await house.layers.cases.save(a_case(1))
    await house.layers.users.save(a_user(1))
    migration = await house.shadowing()
    assert await differences(house.source, house.target) == []
    await house.layers.cases.add_message(a_message(an_id("case", 1)))
    assert await migration.switch() < 1
    assert house.layers.cases.store is house.target.cases
    await house.layers.cases.save(a_case(2))
    await until(lambda: not sum(kind.waiting for kind in migration.status().kinds))
    assert await differences(house.source, house.target) == []
    await migration.finish()
    await house.layers.cases.save(a_case(3))
    assert await house.source.cases.get(an_id("case", 3)) is None
    note = LiveNote.from_json(await house.source.cases.read_checkpoint(NOTE) or "")  # type: ignore[attr-defined]
    assert note.phase is Phase.FINISHED


async def test_users_who_have_exchanged_their_names_follow(house: House) -> None:
    """Whichever of them is copied first meets its new name in the target."""
    users = house.layers.users
    ann, bob = await users.save(a_user(1)), await users.save(a_user(2))
    migration = await house.shadowing()
    house.target.users.failures["put_many"] = StorageUnavailable("away")  # type: ignore[attr-defined]
    free = await users.save(ann.replace(username="free", email="free@example.org"))
    bob = await users.save(bob.replace(username=ann.username, email=ann.email))
    await users.save(free.replace(username="user2", email="user2@example.org"))
    house.target.users.failures.clear()  # type: ignore[attr-defined]
    await until(lambda: not sum(kind.waiting for kind in migration.status().kinds))
    assert await differences(house.source, house.target) == []
    await migration.abort()


async def test_one_entity_that_cannot_be_copied_does_not_hold_up_the_others(house: House) -> None:
    migration = await house.shadowing()
    put_many = house.target.cases.put_many  # type: ignore[attr-defined]

    async def fussy(cases: list[object]) -> None:
        if any(case.case_id == an_id("case", 1) for case in cases):  # type: ignore[attr-defined]
            raise StorageFull("no room for case 1")
        await put_many(cases)

    house.target.cases.put_many = fussy  # type: ignore[attr-defined]
    for number in (1, 2, 3):
        await house.layers.cases.save(a_case(number))
    while await house.target.cases.get(an_id("case", 3)) is None:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)
    assert await house.target.cases.get(an_id("case", 2)) is not None
    with pytest.raises(TransferRefused, match="no room for case 1"):
        await migration.switch()
    assert house.layers.cases.store is house.source.cases
    house.target.cases.put_many = put_many  # type: ignore[attr-defined]
    await until(lambda: not sum(kind.waiting for kind in migration.status().kinds))
    await migration.switch()
    await migration.abort()
    assert await differences(house.source, house.target) == []


async def test_a_switch_that_would_take_too_long_is_called_off(house: House) -> None:
    """Because a transaction does not end. What waited meanwhile is done afterwards."""
    migration = await house.shadowing(longest_pause=0.1)
    release = asyncio.Event()

    async def slow() -> None:
        async with house.layers.cases.begin_transaction():
            await house.layers.cases.save(a_case(1))
            await release.wait()

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.01)
    switching = asyncio.create_task(migration.switch())
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(house.layers.sessions.set("a", "b"))
    with pytest.raises(TransferRefused, match="writes of cases were still under way"):
        await switching
    await waiting
    assert migration.phase is Phase.SHADOWING
    assert house.layers.cases.store is house.source.cases
    release.set()
    await task
    await migration.switch()
    assert await differences(house.source, house.target) == []
    await migration.abort()


async def test_a_transaction_is_not_held_up_by_the_gate_that_waits_for_it(house: House) -> None:
    migration = await house.shadowing()
    begun = asyncio.Event()

    async def transaction() -> None:
        async with house.layers.cases.begin_transaction():
            begun.set()
            await asyncio.sleep(0.05)
            await house.layers.sessions.set("lease", "held")
            await house.layers.cases.save(a_case(1))

    task = asyncio.create_task(transaction())
    await begun.wait()
    await migration.switch()
    await task
    assert await house.target.cases.get(an_id("case", 1)) is not None
    await migration.abort()


async def test_a_write_without_an_answer_is_copied_when_it_takes_effect(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if that is after the key was copied; until then nothing is switched."""
    monkeypatch.setattr("application.transfer.live.changes.DOUBT_SECONDS", 0.2)
    migration = await house.shadowing()
    house.source.cases.failures["save"] = OutcomeUnknown("the connection broke")  # type: ignore[attr-defined]
    with pytest.raises(OutcomeUnknown):
        await house.layers.cases.save(a_case(1))
    house.source.cases.failures.clear()  # type: ignore[attr-defined]
    await until(lambda: migration.status().kinds[4].waiting == 0)
    assert migration.status().kinds[4].doubtful == 1
    await house.source.cases.save(a_case(1))
    await migration.switch()
    assert await house.target.cases.get(an_id("case", 1)) is not None
    await migration.abort()


async def test_a_switch_that_cannot_be_noted_is_undone(house: House) -> None:
    await house.layers.cases.save(a_case(1))
    migration = await house.shadowing()
    house.source.cases.failures["write_checkpoint"] = StorageUnavailable("away")  # type: ignore[attr-defined]
    switching = asyncio.create_task(migration.switch())
    await asyncio.sleep(0.05)
    assert not switching.done()
    house.source.cases.failures.clear()  # type: ignore[attr-defined]
    with pytest.raises(TransferRefused, match="cannot be noted"):
        await switching
    assert migration.phase is Phase.SHADOWING
    note = LiveNote.from_json(await house.source.cases.read_checkpoint(NOTE) or "")  # type: ignore[attr-defined]
    assert note.phase is Phase.SHADOWING
    await house.layers.cases.save(a_case(2))
    await migration.abort()
    assert await house.source.cases.get(an_id("case", 2)) is not None


async def test_shadow_reads_count_what_differs_and_not_what_is_being_written(house: House) -> None:
    await house.layers.cases.save(a_case(1))
    await house.layers.cases.save(a_case(2))
    migration = await house.shadowing(shadow_share=1)
    await house.layers.cases.get(an_id("case", 1))
    await until(lambda: migration.status().kinds[4].reads.compared == 1)
    assert migration.status().kinds[4].reads.different == 0
    # Somebody else writes to the target.
    await house.target.cases.delete(an_id("case", 1))
    await house.layers.cases.get(an_id("case", 1))
    await until(lambda: migration.status().kinds[4].reads.different == 1)
    assert migration.status().examples == (f"cases: get {an_id('case', 1)}",)

    async def rename() -> None:
        for number in range(40):
            case = await house.source.cases.get(an_id("case", 2))
            assert case is not None
            await house.layers.cases.save(case.replace(title=f"Title {number}"))
            await house.layers.cases.get(an_id("case", 2))
            await asyncio.sleep(0.005)

    await rename()
    assert migration.status().kinds[4].reads.different == 1
    await migration.abort()


async def test_a_target_with_content_is_refused(house: House) -> None:
    await house.target.users.save(a_user(9))
    with pytest.raises(TransferRefused, match="already holds users"):
        await house.start()
    assert house.layers.users.changes is None
    assert await house.target.users.get(an_id("user", 9)) is not None


async def test_an_aborted_target_is_gone_on_with_but_only_from_its_own_source(house: House) -> None:
    await house.layers.users.save(a_user(1))
    await (await house.shadowing()).abort()
    await house.layers.users.delete(an_id("user", 1))
    other = House()
    other.target = house.target
    with pytest.raises(TransferRefused, match="already holds users"):
        await other.start()
    migration = await house.shadowing()
    assert await house.target.users.get(an_id("user", 1)) is None
    await migration.abort()


async def test_commands_that_do_not_fit_the_phase_are_refused(house: House) -> None:
    migration = await house.start()
    with pytest.raises(TransferRefused, match="nothing can be switched"):
        await migration.switch()
    with pytest.raises(TransferRefused, match="switch first"):
        await migration.finish()
    await migration.abort()
    with pytest.raises(TransferRefused, match="aborted already"):
        await migration.abort()


async def test_another_model_and_the_same_places_are_refused(house: House) -> None:
    clock = FakeClock()
    house.target = memory_stores(clock, EmbeddingSpace("other", 3))
    with pytest.raises(TransferRefused, match="model"):
        await house.start()
    house.target = house.source
    with pytest.raises(TransferRefused, match="the places where everything is already"):
        await house.start()


async def test_what_is_in_the_same_place_is_left_alone(house: House) -> None:
    shared: Stores = memory_stores(FakeClock())
    house.target = Stores(
        users=house.source.users, documents=shared.documents, cases=shared.cases, files=house.source.files
    )
    migration = await house.shadowing()
    assert house.layers.users.changes is None
    assert {kind.kind for kind in migration.status().kinds} == {Kind.CASES, Kind.DOCUMENTS}
    await migration.switch()
    assert house.layers.users.store is house.source.users
    await migration.abort()


async def test_a_cancelled_switch_ends_what_it_has_begun(house: House) -> None:
    """So the note says the truth."""
    migration = await house.shadowing()
    switching = asyncio.create_task(migration.switch())
    await asyncio.sleep(0.002)
    switching.cancel()
    with suppress(asyncio.CancelledError):
        await switching
    note = LiveNote.from_json(await house.source.cases.read_checkpoint(NOTE) or "")  # type: ignore[attr-defined]
    assert note.phase is migration.phase is Phase.SWITCHED
    assert house.layers.cases.store is house.target.cases
    await migration.abort()


def test_the_side_of_a_process_is_told_by_its_places() -> None:
    note = LiveNote(Phase.COPYING, "x.env", {Kind.CASES: "a"}, {Kind.CASES: "b"}, "now")
    assert LiveNote.from_json(note.to_json()) == note
    assert note.side({Kind.CASES: "a", Kind.USERS: "u"}) is Side.SOURCE
    assert note.side({Kind.CASES: "b"}) is Side.TARGET
    assert note.side({Kind.CASES: "c"}) is Side.NEITHER
    for text in ("", "[]", '{"phase": "x"}'):
        with pytest.raises(TransferRefused):
            LiveNote.from_json(text)


async def test_only_vectors_move_and_the_cases_stay(house: House) -> None:
    """Then both sides have one case store, and its note tells them apart."""
    target = memory_stores(FakeClock())
    house.target = Stores(
        users=house.source.users,
        documents=house.source.documents,
        cases=house.source.cases,
        files=house.source.files,
        vectors=target.vectors,
    )
    await house.layers.vectors.add_documents(["one"], [[1.0, 0.0, 0.0]], [{}], ["v1"])
    migration = await house.shadowing()
    await migration.abort()
    migration = await house.shadowing()
    await migration.switch()
    await house.layers.vectors.delete(["v1"])
    await migration.finish()
    assert target.vectors is not None
    assert await target.vectors.count() == 0
    note = LiveNote.from_json(await house.source.cases.read_checkpoint(NOTE) or "")  # type: ignore[attr-defined]
    assert note.phase is Phase.FINISHED
