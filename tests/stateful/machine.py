"""State machines that drive a store and a plain model of it side by side: at every step both must say the same.

A machine is made for a port; each adapter runs it in a few lines::

    class InMemoryCaseMachine(CaseRepositoryMachine):
        async def open(self) -> InMemoryCaseRepository:
            return InMemoryCaseRepository()

    TestInMemoryCaseMachine = InMemoryCaseMachine.TestCase
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from domain.errors import InvalidInput
from ports.errors import PortError

S = TypeVar("S")
M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)
T = TypeVar("T")

ONE_STEP = settings(stateful_step_count=1, suppress_health_check=list(HealthCheck))
"""For machines whose only point is any one value: drawing it takes the time."""

Call = tuple[str, tuple[Any, ...], Mapping[str, Any]]
"""A method of the port, with its arguments."""


def call(method: str, *arguments: Any, **named: Any) -> Call:
    """The call ``method(*arguments, **named)``."""
    return method, arguments, named


class Command(Protocol[M_contra]):
    """One step, drawn by Hypothesis before the state in which it is taken is known."""

    def on(self, model: M_contra) -> Call:
        """The call that the step is, in the state that the model has."""
        ...


@dataclass(frozen=True)
class Ask:
    """Make this very call."""

    what: Call

    def on(self, model: object) -> Call:
        """The call."""
        return self.what


def outcome(result: object) -> object:
    """What a call came to, comparable: its value, or its error with all that it tells."""
    if isinstance(result, PortError | InvalidInput):
        return type(result), {name: value for name, value in vars(result).items() if not name.startswith("_")}
    return result


def said(method: Callable[..., object], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> object:
    """The outcome of a call of the model."""
    try:
        return outcome(method(*arguments, **named))
    except (PortError, InvalidInput) as error:
        return outcome(error)


class StoreMachine(RuleBasedStateMachine, Generic[S, M]):
    """Holds the store, its model and the event loop in which the store lives."""

    durable: ClassVar[bool] = False
    """`open` after `close` finds what was there."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = self.new_runner()
        self.model = self.new_model()
        self.store: S = self.run(self.open())

    def new_runner(self) -> asyncio.Runner:
        """What runs the event loop of the machine."""
        # Hypothesis knows no coroutines, and a runner of its own leaves the loops of other tests alone.
        return asyncio.Runner(loop_factory=asyncio.new_event_loop)

    def new_model(self) -> M:
        """The model of an empty store."""
        raise NotImplementedError

    async def open(self) -> S:
        """The store: empty at first, with all its data when it is opened again."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of the store, and keep its data if it is durable."""
        await self.store.aclose()  # type: ignore[attr-defined]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work in the event loop of the machine."""
        return self._runner.run(work)

    def step(self, command: Command[M]) -> None:
        """Take one step with store and model."""
        self.run(self.perform(command))

    async def perform(self, command: Command[M]) -> None:
        """Take one step in the running task."""
        method, arguments, named = command.on(self.model)
        expected = said(getattr(self.model, method), arguments, named)
        actual: object
        try:
            actual = await getattr(self.store, method)(*arguments, **named)
        except (PortError, InvalidInput) as error:
            actual = error
        self.compare(method, expected, outcome(actual))

    def compare(self, method: str, expected: object, actual: object) -> None:
        """Fail unless the store has said what the model says."""
        assert actual == expected, f"{method}: the store says {actual!r}, the model {expected!r}"

    @precondition(lambda self: self.durable)
    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""

        async def work() -> S:
            await self.close()
            return await self.open()

        self.store = self.run(work())

    def teardown(self) -> None:
        """Close the store and its event loop."""
        try:
            self.run(self.close())
        finally:
            self._runner.close()
