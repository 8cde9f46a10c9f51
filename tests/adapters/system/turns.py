"""How often the event loop turns to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Turns:
    """How many there were."""

    count: int = 0


@asynccontextmanager
async def another_task() -> AsyncIterator[Turns]:
    """A task that takes each turn that it gets, until the block ends."""
    turns = Turns()

    async def take() -> None:
        while True:
            turns.count += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(take())
    try:
        yield turns
    finally:
        task.cancel()
