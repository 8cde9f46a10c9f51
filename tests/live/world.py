"""Installations in memory whose stores give way to other tasks at every call, as real ones do."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.users import InMemoryUserRepository
from adapters.memory.vectors import InMemoryVectorStore
from application.transfer.live.layers import Layers
from application.transfer.stores import Stores
from application.transfer.system import SystemMigrator
from ports.clock import Clock
from ports.errors import PortError
from ports.vectors import EmbeddingSpace

SPACE = EmbeddingSpace("test", 3)


def giving_way(store: type[Any]) -> type[Any]:
    """The class with a pause before and after what each coroutine of it does, and a failure where a test wants one."""

    def slowed(name: str) -> Any:
        async def method(self: Any, *arguments: Any, **named: Any) -> Any:
            await asyncio.sleep(0)
            if failure := self.failures.get(name):
                raise failure
            result = await getattr(store, name)(self, *arguments, **named)
            await asyncio.sleep(0)
            return result

        return method

    names = [name for name in dir(store) if not name.startswith("_") and name != "begin_transaction"]
    methods = {name: slowed(name) for name in names if asyncio.iscoroutinefunction(getattr(store, name))}

    def made(self: Any, *arguments: Any) -> None:
        store.__init__(self, *arguments)
        self.failures: dict[str, PortError] = {}

    return type(f"Slow{store.__name__}", (store,), {**methods, "__init__": made})


SlowCases = giving_way(InMemoryCaseRepository)
SlowUsers = giving_way(InMemoryUserRepository)
SlowDocuments = giving_way(InMemoryKnowledgeRepository)
SlowSessions = giving_way(InMemorySessionStore)
SlowVectors = giving_way(InMemoryVectorStore)
SlowFiles = giving_way(InMemoryBlobStore)


def memory_stores(clock: Clock, space: EmbeddingSpace = SPACE) -> Stores:
    """All stores of an installation."""
    return Stores(
        users=SlowUsers(),
        documents=SlowDocuments(),
        cases=SlowCases(),
        files=SlowFiles(),
        vectors=SlowVectors(space),
        sessions=SlowSessions(clock),
    )


def layers_over(stores: Stores) -> Layers:
    """What the services of the installation are given."""
    assert stores.vectors is not None
    assert stores.sessions is not None
    return Layers(
        cases=stores.cases,
        users=stores.users,
        documents=stores.documents,
        sessions=stores.sessions,  # type: ignore[arg-type]
        vectors=stores.vectors,
        files=stores.files,
    )


async def differences(source: Stores, target: Stores) -> list[str]:
    """What is not the same in both installations, in words."""
    verification = await SystemMigrator(source, target).verify()
    return [f"{item.kind}: {text}" for item in verification.comparisons for text in item.examples]


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop in which nobody waits and every run is the same.

    Where all sleep, time jumps to the next one who wakes up; what is given to a thread is done on the spot.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def run_in_executor(self, executor: Any, func: Any, *arguments: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()
        try:
            future.set_result(func(*arguments))
        except Exception as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        return future

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]
