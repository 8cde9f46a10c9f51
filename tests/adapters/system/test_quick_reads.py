"""Short reads stay on the event loop until one is slow, and hold nobody up by their number."""

import asyncio
from dataclasses import dataclass

import pytest

from adapters.system import quick_reads
from adapters.system.quick_reads import AT_ONCE, REST, SLOW, QuickReads


@dataclass
class Time:
    """Seconds that a test sets."""

    now: float = 100.0

    def perf_counter(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(quick_reads, "time", clock)
    return clock


async def test_quick_reads_are_allowed(time: Time) -> None:
    reads = QuickReads()
    assert await reads.run(lambda value: value + 1, 1) == 2
    await reads.run(time.pass_by, SLOW / 2)
    assert reads.allowed


async def test_slow_read_sends_the_next_ones_to_threads_for_a_while(time: Time) -> None:
    reads = QuickReads()
    await reads.run(time.pass_by, SLOW * 2)
    assert not reads.allowed
    time.pass_by(REST * 0.9)
    assert not reads.allowed
    time.pass_by(REST * 0.2)
    assert reads.allowed


async def test_slow_read_that_fails_counts_too(time: Time) -> None:
    reads = QuickReads()

    def fail() -> None:
        time.pass_by(SLOW * 2)
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - the very one
        await reads.run(fail)
    assert not reads.allowed


async def test_a_row_of_reads_lets_others_have_their_turn() -> None:
    reads = QuickReads()
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(10 * AT_ONCE):
        await reads.run(int)
    task.cancel()
    assert turns >= 10
