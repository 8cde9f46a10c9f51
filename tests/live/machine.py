"""A state machine: clients write whatever they like while a live migration goes through its phases, is aborted, killed
and begun again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from application.transfer.live.layers import Layers
from application.transfer.live.migration import LiveMigration
from application.transfer.live.note import NOTE, LiveNote, Phase
from application.transfer.migrator import TransferRefused
from application.transfer.stores import Stores
from ports.errors import PortError, StorageUnavailable
from tests.builders import a_case, a_message, a_user, an_id, later
from tests.contract.knowledge.samples import a_document, chunks
from tests.fakes import FakeClock
from tests.live.world import HurriedLoop, differences, layers_over, memory_stores

T = TypeVar("T")

FAR = datetime(2100, 1, 1, tzinfo=UTC)
"""Later than now, so that what the stores take for the present has not passed."""

Operation = Callable[[Any], Awaitable[object]]
"""Something that a client does, with the stores of an installation or with the layers over them."""

NUMBERS = st.integers(1, 4)
TARGET_WRITES = ("put_many", "add_messages", "add_documents", "put", "delete", "get", "scan")


class Rollback(Exception):
    """Ends a transaction."""


async def _bytes(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


def _saved(number: int, title: str) -> Operation:
    async def operation(stores: Any) -> None:
        case = await stores.cases.get(an_id("case", number)) or a_case(number)
        await stores.cases.save(case.replace(title=title))

    return operation


def _deleted(number: int) -> Operation:
    return lambda stores: stores.cases.delete(an_id("case", number))


def _said(number: int, count: int) -> Operation:
    return lambda stores: stores.cases.add_message(a_message(an_id("case", number), 100 * number + count))


def _touched(number: int, minutes: int) -> Operation:
    return lambda stores: stores.cases.update_activity_timestamp(an_id("case", number), later(minutes))


def _turn(number: int, title: str, count: int, *, fails: bool) -> Operation:
    async def operation(stores: Any) -> None:
        with suppress(Rollback):
            async with stores.cases.begin_transaction():
                await _saved(number, title)(stores)
                await _said(number, count)(stores)
                await _said(number, count + 1)(stores)
                if fails:
                    raise Rollback

    return operation


TITLES = st.sampled_from(["one", "two", "three"])
MESSAGES = st.integers(1, 40)
CASE_OPERATIONS = st.one_of(
    st.builds(_saved, NUMBERS, TITLES),
    st.builds(_deleted, NUMBERS),
    st.builds(_said, NUMBERS, MESSAGES),
    st.builds(_touched, NUMBERS, st.integers(1, 100)),
    st.builds(_turn, NUMBERS, TITLES, MESSAGES, fails=st.booleans()),
)


Turns = list[tuple[int, str, int]]
TURNS = st.lists(st.tuples(NUMBERS, TITLES, MESSAGES), max_size=4, unique_by=lambda item: item[0])


def _user(number: int, name: str) -> Operation:
    async def operation(stores: Any) -> None:
        user = await stores.users.get(an_id("user", number)) or a_user(number)
        await stores.users.save(user.replace(username=name, email=f"{name}@example.org"))

    return operation


def _document(number: int, source: str, text: str) -> Operation:
    async def operation(stores: Any) -> None:
        new = a_document(number, source_key=source)
        known = await stores.documents.get(new.document_id)
        document = known.replace(source_key=source) if known else new
        await stores.documents.save(document, chunks(document, text, f"more {text}"))

    return operation


def _vector(number: int, text: str) -> Operation:
    return lambda stores: stores.vectors.add_documents([text], [[1.0, number, 0.5]], [{"n": number}], [f"v{number}"])


KEYS = st.sampled_from(["a", "b", "cafe\u0301", "caf\u00e9"])
TTLS = st.sampled_from([None, timedelta(seconds=30), timedelta(hours=1)])
OTHER_OPERATIONS = st.one_of(
    st.builds(_user, NUMBERS, st.sampled_from(["ann", "bob", "cid"])),
    st.builds(lambda number: lambda stores: stores.users.delete(an_id("user", number)), NUMBERS),
    st.builds(_document, NUMBERS, st.sampled_from(["x", "y", "z"]), TITLES),
    st.builds(lambda number: lambda stores: stores.documents.delete(an_id("kb", number, 16)), NUMBERS),
    st.builds(_vector, NUMBERS, TITLES),
    st.builds(lambda number: lambda stores: stores.vectors.delete([f"v{number}"]), NUMBERS),
    st.builds(lambda number, text: lambda stores: stores.files.put(f"f/{number}", _bytes(text)), NUMBERS, TITLES),
    st.builds(lambda number: lambda stores: stores.files.delete(f"f/{number}"), NUMBERS),
    st.builds(lambda key, text, ttl: lambda stores: stores.sessions.set(key, text, ttl), KEYS, TITLES, TTLS),
    st.builds(lambda key: lambda stores: stores.sessions.delete(key), KEYS),
    st.builds(lambda key: lambda stores: stores.sessions.expire(key, timedelta(minutes=5)), KEYS),
    st.builds(lambda key: lambda stores: stores.sessions.increment(f"n{key}"), KEYS),
    st.builds(lambda key, text: lambda stores: stores.sessions.add(key, text), KEYS, TITLES),
    st.builds(
        lambda key, old, new: lambda stores: stores.sessions.compare_and_set(key, old, new),
        KEYS,
        st.none() | TITLES,
        st.none() | TITLES,
    ),
    st.builds(lambda texts: lambda stores: stores.sessions.set_many(texts), st.dictionaries(KEYS, TITLES)),
    st.just(lambda stores: stores.sessions.clear()),
)


class LiveMachine(RuleBasedStateMachine):
    """``truth`` is an installation to which everything is done that was acknowledged, and nothing else ever happens.

    No rule has a precondition: the phase depends on how far the tasks have come, and what Hypothesis draws must not. A
    rule that does not fit the phase does nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=HurriedLoop)
        self.clock = FakeClock(FAR)
        self.truth: Stores = memory_stores(self.clock)
        self.source: Stores = memory_stores(self.clock)
        self.target: Stores = memory_stores(self.clock)
        self.layers: Layers = layers_over(self.source)
        self.migration: LiveMigration | None = None
        self.under_way: list[asyncio.Task[None]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    # ---------------------------------------------------------------- clients

    async def perform(self, operation: Operation) -> None:
        """Do it, and once it is acknowledged let it be true."""
        outcomes = []
        for stores in (self.layers, self.truth):
            try:
                await operation(stores)
            except PortError as error:
                outcomes.append(repr(error))
            else:
                outcomes.append("done")
        assert outcomes[0] == outcomes[1]

    @rule(operation=CASE_OPERATIONS | OTHER_OPERATIONS)
    def client_waits(self, operation: Operation) -> None:
        self.run(self._alone(operation))

    async def _alone(self, operation: Operation) -> None:
        await self._settled()
        await self.perform(operation)

    @rule(operations=TURNS)
    def clients_at_once(self, operations: Turns) -> None:
        """Each with a case of its own, so that the order between them does not matter."""

        async def begin() -> None:
            await self._settled()
            self._begin(operations)
            await asyncio.sleep(0)

        self.run(begin())

    def _begin(self, operations: Turns) -> None:
        for number, title, count in operations:
            work = self.perform(_turn(number, title, count, fails=False))
            self.under_way.append(asyncio.create_task(work))

    async def _settled(self) -> None:
        tasks, self.under_way = self.under_way, []
        await asyncio.gather(*tasks)

    @rule(steps=st.integers(1, 60))
    def time_passes(self, steps: int) -> None:
        async def give_way() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)

        self.run(give_way())

    @rule()
    def values_expire(self) -> None:
        async def expire() -> None:
            await self._settled()
            self.clock.advance(timedelta(minutes=1))

        self.run(expire())

    # ---------------------------------------------------------------- the operator

    @rule()
    def start(self) -> None:
        if self.migration is None:
            self.run(self._start())

    async def _start(self) -> None:
        self.migration = await LiveMigration.start(self.layers, self.target, to="target.env", at="now", shadow_share=1)

    @rule()
    def the_target_catches_up(self) -> None:
        self.run(self._caught_up())

    async def _caught_up(self) -> LiveMigration:
        if self.migration is None:
            await self._start()
        migration = self.migration
        assert migration is not None
        if migration.phase is not Phase.SWITCHED:
            await self._until(lambda: migration.phase is Phase.SHADOWING)
        return migration

    @rule(operations=TURNS, late=TURNS, steps=st.integers(0, 40))
    def switch(self, operations: Turns, late: Turns, steps: int) -> None:
        """While clients go on, some of them from before, some from when the gate may be closed."""

        async def begin() -> None:
            await self._settled()
            migration = await self._caught_up()
            if migration.phase is Phase.SWITCHED:
                return
            self._begin(operations)
            switching = asyncio.create_task(migration.switch())
            for _ in range(steps):
                await asyncio.sleep(0)
            taken = {number for number, *_ in operations}
            self._begin([turn for turn in late if turn[0] not in taken])
            with suppress(TransferRefused):
                await switching

        self.run(begin())

    @rule()
    def abort(self) -> None:
        if self.migration is not None:
            self.run(self._abort())

    async def _abort(self) -> None:
        migration = self.migration
        assert migration is not None
        try:
            await migration.abort()
        except TransferRefused:
            # A switch can only be undone once the source has caught up.
            assert migration.phase is Phase.SWITCHED
            assert not migration.is_clean
            return
        self.migration = None
        await self._settled()
        assert self.layers.stores.cases is self.source.cases
        assert await differences(self.truth, self.source) == []

    @rule()
    def finish(self) -> None:
        if self.migration is not None and self.migration.phase is Phase.SWITCHED:
            self.run(self._finish())

    async def _finish(self) -> None:
        assert self.migration is not None
        await self.migration.finish()
        self.migration = None
        await self._settled()
        assert self.layers.stores.cases is self.target.cases
        assert await differences(self.truth, self.target) == []
        # Go on from the new home, to another empty one.
        self.source, self.target = self.target, memory_stores(self.clock)

    @rule()
    def the_process_is_killed(self) -> None:
        """What it knew is gone; what stands in the stores is not, nor is what was acknowledged."""

        async def kill() -> None:
            await self._settled()
            if self.migration is not None:
                await self.migration.aclose()
            self.migration = None
            self.layers = layers_over(self.source)
            await self._resume()

        self.run(kill())

    async def _resume(self) -> None:
        text = await self.source.cases.read_checkpoint(NOTE)  # type: ignore[attr-defined]
        note = LiveNote.from_json(text) if text else None
        if note is not None and not note.phase.is_over:
            self.migration = await LiveMigration.resume(self.layers, self.target, note, shadow_share=1)

    @rule(method=st.sampled_from(TARGET_WRITES), lasts=st.integers(1, 100))
    def the_other_side_fails(self, method: str, lasts: int) -> None:
        async def fail() -> None:
            other = self.target if self.layers.stores.cases is self.source.cases else self.source
            stores = [other.cases, other.users, other.documents, other.files, other.vectors, other.sessions]
            for store in stores:
                store.failures[method] = StorageUnavailable("away")  # type: ignore[union-attr]
            for _ in range(lasts):
                await asyncio.sleep(0)
            for store in stores:
                store.failures.clear()  # type: ignore[union-attr]

        self.run(fail())

    # ---------------------------------------------------------------- the end

    async def _until(self, reached: Callable[[], bool]) -> None:
        for _ in range(20_000):
            if reached():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"not reached: {self.migration.status() if self.migration else None}")

    async def _end(self) -> None:
        await self._settled()
        assert await differences(self.truth, self.layers.stores) == []
        migration = await self._caught_up()
        if migration.phase is not Phase.SWITCHED:
            await migration.switch()
            assert migration.pause_ms is not None
        await self._until(lambda: migration.is_clean)
        assert await differences(self.truth, self.target) == []
        assert sum(item.reads.different for item in migration.status().kinds) == 0
        await migration.abort()
        assert await differences(self.truth, self.source) == []

    def teardown(self) -> None:
        try:
            self.run(self._end())
        finally:
            self.runner.close()
