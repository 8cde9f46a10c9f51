"""Commands reach a server through its case store, and their answers come back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.memory.cases import InMemoryCaseRepository
from application.transfer.items import Kind
from application.transfer.live import desk as module
from application.transfer.live.desk import COMMAND, Command, CommandFailed, Desk, NoServer, Operator, Verb
from application.transfer.live.note import NOTE, LiveNote, Phase
from application.transfer.live.status import LiveStatus
from tests.fakes import FakeClock, SequentialIds

CLOCK = FakeClock()


@pytest.fixture
def store() -> InMemoryCaseRepository:
    return InMemoryCaseRepository()


@pytest.fixture
def operator(store: InMemoryCaseRepository, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setattr(module, "TAKEN_WITHIN", 0.2)
    monkeypatch.setattr(module, "DONE_WITHIN", 0.4)
    return Operator(store, CLOCK, SequentialIds())


async def taken(desk: Desk) -> Command:
    while (command := await desk.next_command()) is None:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    return command


async def test_a_command_is_done(store: InMemoryCaseRepository, operator: Operator) -> None:
    desk = Desk(store, CLOCK)
    asking = asyncio.create_task(operator.ask(Verb.START, "/etc/target.env"))
    command = await taken(desk)
    assert (command.verb, command.to) == (Verb.START, "/etc/target.env")
    await desk.done(command, "started")
    assert await asking == "started"
    assert await desk.next_command() is None


async def test_a_command_is_refused_or_takes_too_long(store: InMemoryCaseRepository, operator: Operator) -> None:
    desk = Desk(store, CLOCK)
    asking = asyncio.create_task(operator.ask(Verb.SWITCH))
    await desk.refused(await taken(desk), "not now")
    with pytest.raises(CommandFailed, match="not now"):
        await asking
    asking = asyncio.create_task(operator.ask(Verb.SWITCH))
    await taken(desk)
    with pytest.raises(CommandFailed, match="has not finished"):
        await asking


async def test_without_a_server_a_command_is_withdrawn(store: InMemoryCaseRepository, operator: Operator) -> None:
    with pytest.raises(NoServer, match="no server has taken the command"):
        await operator.ask(Verb.START, "x")
    assert await store.read_checkpoint(COMMAND) is None


async def test_a_command_of_an_operator_who_is_gone_is_not_done(
    store: InMemoryCaseRepository, operator: Operator
) -> None:
    asking = asyncio.create_task(operator.ask(Verb.FINISH))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    later = FakeClock()
    later.advance(timedelta(minutes=1))
    assert await Desk(store, later).next_command() is None
    assert await store.read_checkpoint(COMMAND) is None


@pytest.mark.parametrize("phase", [Phase.COPYING, Phase.SHADOWING, Phase.SWITCHED])
async def test_abort_without_a_server(phase: Phase, store: InMemoryCaseRepository, operator: Operator) -> None:
    """Is enough until the switch; afterwards only a server can bring back what the target has."""
    note = LiveNote(phase, "x.env", {Kind.CASES: "a"}, {Kind.CASES: "b"}, "now")
    await store.write_checkpoint(NOTE, note.to_json())
    if phase is Phase.SWITCHED:
        with pytest.raises(NoServer, match="start the server"):
            await operator.abort()
    else:
        assert "without a server" in await operator.abort()
        aborted = await operator.note()
        assert aborted is not None
        assert aborted.phase is Phase.ABORTED
        with pytest.raises(NoServer):
            await operator.abort()


async def test_a_report_tells_whether_its_server_is_running(store: InMemoryCaseRepository) -> None:
    clock = FakeClock()
    operator = Operator(store, clock, SequentialIds())
    assert await operator.report() == (None, False)
    status = LiveStatus(Phase.COPYING, "x.env", "now", is_clean=False, kinds=())
    await Desk(store, clock).report(status)
    report, alive = await operator.report()
    assert report is not None
    assert (report.status, alive) == (status, True)
    clock.advance(timedelta(seconds=6))
    assert (await operator.report())[1] is False


def test_a_store_without_checkpoints_is_refused() -> None:
    with pytest.raises(CommandFailed, match="keeps no checkpoints"):
        Operator(object(), CLOCK, SequentialIds())
