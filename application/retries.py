"""Repeating what lost a race."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ports.errors import Conflict

T = TypeVar("T")

ATTEMPTS = 10


async def retry_conflicts(operation: Callable[[], Awaitable[T]]) -> T:
    """The result of ``operation``, which reads, decides and writes anew each time, after at most ten attempts.

    Raises:
        Conflict: somebody else was faster every time.
    """
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(Conflict),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.005, max=0.2),
        reraise=True,
    )

    async def awaited() -> T:
        return await operation()

    return await attempts(awaited)
