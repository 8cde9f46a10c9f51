"""Short reads stay on the event loop until one is slow, and hold nobody up by their number."""

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


def read(reads: QuickReads, time: Time, seconds: float) -> None:
    began = reads.begin()
    assert began is not None
    time.pass_by(seconds)
    reads.end(began)


def test_quick_reads_are_allowed(time: Time) -> None:
    reads = QuickReads()
    read(reads, time, SLOW / 2)
    assert reads.begin() == time.now


def test_slow_read_sends_the_next_ones_to_threads_for_a_while(time: Time) -> None:
    reads = QuickReads()
    read(reads, time, SLOW * 2)
    assert reads.begin() is None
    time.pass_by(REST * 0.9)
    assert reads.begin() is None
    time.pass_by(REST * 0.2)
    assert reads.begin() == time.now


def test_after_some_reads_it_is_the_turn_of_others(time: Time) -> None:
    reads = QuickReads()
    turns = [reads.end(time.now) for _ in range(10 * AT_ONCE)]
    assert [number for number, is_turn in enumerate(turns, 1) if is_turn] == [AT_ONCE * n for n in range(1, 11)]
