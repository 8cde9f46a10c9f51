"""What is asked in turns is compared turn by turn; and a client notices answers that are no success."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.process import __main__ as process
from benchmarks.process.client import Load, http, load

READ, BARE = 1, 2


def test_shares_are_of_the_same_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is twice as fast in every other turn: one is half of the other all the same."""
    speed = {port: iter([100.0, 200.0, 100.0, 200.0, 100.0] * 3) for port in (READ, BARE)}

    async def measured(port: int, clients: int, seconds: float, _: object) -> Load:
        rate = next(speed[port]) * (1 if port == READ else 2)
        return Load(clients, rate, seconds, seconds, seconds)

    monkeypatch.setattr(process, "load", measured)
    ones, others, shares = process.measure_in_turns((READ, _nothing), (BARE, _nothing), seconds=5.0)
    assert shares == [0.5, 0.5, 0.5]
    assert [each.clients for each in ones] == list(process.CLIENTS)
    assert {each.rate for each in ones} == {100.0}
    assert {each.rate for each in others} == {200.0}


@pytest.mark.parametrize("asked", ["search the knowledge", process.TURN])
def test_nobody_says_what_somebody_has_said_before(asked: str) -> None:
    """Else answers and vectors that are kept would be measured."""
    users = [process.User({}, f"case_{number}") for number in range(2)]
    request = process.requests(users)[asked]
    said = {request(asker, number).replace(b"case_1", b"case_0") for asker in (0, 1) for number in (0, 1)}
    assert len(said) == 4


def _nothing(client: int, number: int) -> bytes:
    raise NotImplementedError


@asynccontextmanager
async def server(statuses: Iterator[int]) -> AsyncIterator[int]:
    """The port of a server that answers with these statuses, one after the other."""

    answering: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())  # type: ignore[arg-type]
        while await reader.readline():
            while await reader.readline() != b"\r\n":
                pass
            writer.write(b"HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\nok" % next(statuses))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        await asyncio.wait(answering)


async def test_load_counts_answers() -> None:
    async with server(iter(lambda: 200, None)) as port:
        found = await load(port, clients=2, seconds=0.2, request=lambda *_: http("GET", "/", {}))
    assert found.clients == 2
    assert found.rate > 0
    assert 0 < found.middle <= found.last_percent <= found.longest


async def test_load_ends_with_an_answer_that_is_no_success() -> None:
    async with server(iter([200, 200, 503])) as port:
        with pytest.raises(ExceptionGroup) as caught:
            await load(port, clients=1, seconds=5, request=lambda *_: http("GET", "/", {}))
    assert caught.group_contains(RuntimeError, match="request 2 of client 0 was answered with 503")
