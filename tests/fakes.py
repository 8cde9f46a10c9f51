"""Time and ids under the control of a test."""

from datetime import UTC, datetime, timedelta

from ports.clock import Clock
from ports.ids import IdSource

NOON = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


class FakeClock(Clock):
    """Stands still until it is told to advance."""

    def __init__(self, start: datetime = NOON) -> None:
        self._start = start
        self._now = start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def advance(self, by: timedelta) -> None:
        """Let ``by`` pass, which is not negative."""
        if by < timedelta(0):
            raise ValueError(f"time does not run backwards: {by}")
        self._now += by


class SequentialIds(IdSource):
    """Counts 1, 2, 3, ... over all prefixes and secrets, so that a test reads the same ids at every run."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str, digits: int = 12) -> str:
        self._count += 1
        return f"{prefix}_{self._count:0{digits}x}"

    def secret(self) -> str:
        self._count += 1
        return f"secret-{self._count:036d}"
