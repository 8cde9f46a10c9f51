"""Small files are read on the event loop while that is quick."""

import threading
from collections.abc import AsyncIterator
from typing import Never

import pytest

from adapters.filesystem.lanes import Lanes
from adapters.system import quick_reads
from ports.errors import StorageUnavailable
from tests.adapters.system.turns import another_task

MAIN = threading.main_thread()


@pytest.fixture
async def lanes() -> AsyncIterator[Lanes]:
    opened = Lanes(1, "test")
    yield opened
    await opened.aclose()


async def test_without_a_thread(lanes: Lanes) -> None:
    assert await lanes.read(0, threading.current_thread) is MAIN
    assert await lanes.run(0, threading.current_thread) is not MAIN


async def test_in_a_thread_after_a_slow_one_even_if_that_failed(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Never:
        raise PermissionError("not yours")

    monkeypatch.setattr(quick_reads, "SLOW", -1.0)
    with pytest.raises(StorageUnavailable):
        await lanes.read(0, fail)
    assert await lanes.read(0, threading.current_thread) is not MAIN


async def test_a_row_of_reads_lets_others_have_their_turn(lanes: Lanes) -> None:
    async with another_task() as turns:
        for _ in range(10 * quick_reads.AT_ONCE):
            await lanes.read(0, int)
    assert turns.count >= 10
