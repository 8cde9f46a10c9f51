"""What the tests of key-value stores share: time, and stores that are opened again."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import ClassVar

import pytest

from ports.sessions import SessionStore
from tests.fakes import FakeClock

Advance = Callable[[timedelta], Awaitable[None]]
Reopen = Callable[[], Awaitable[SessionStore]]
Now = Callable[[], Awaitable[int]]


class KeyValueFixtures:
    """Time as the tests use it."""

    ttl: ClassVar[timedelta] = timedelta(seconds=10)
    tick: ClassVar[timedelta] = timedelta(milliseconds=1)
    """The smallest step of time that the tests take."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def advance(self, clock: FakeClock) -> Advance:
        async def advance_clock(by: timedelta) -> None:
            clock.advance(by)

        return advance_clock

    @pytest.fixture
    def now(self, clock: FakeClock) -> Now:
        """The time by which values expire, in milliseconds since 1970."""

        async def read_clock() -> int:
            return clock.unix_milliseconds()

        return read_clock
