"""All adapters of a port answer the same commands with the same bytes.

A list of commands becomes a list of calls, which each adapter gets on an empty store. Everything that a call came to,
value or error, is written as canonical JSON; the adapters agree if they wrote the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import singledispatch
from typing import Any, Generic, TypeVar

from hypothesis import strategies as st
from pydantic import BaseModel

from ports.errors import InvalidInput, PortError
from tests.stateful.machine import Call, Command, outcome, said

S = TypeVar("S")
M = TypeVar("M")

Empty = Callable[[], AbstractAsyncContextManager[S]]
"""Gives an empty store for as long as a list of commands runs."""


Servers = Callable[[str], str]
"""Gives the address of a server of this test session, by the name of its fixture."""


@dataclass(frozen=True)
class Adapter(Generic[S]):
    """One of the adapters of a port; what ``open`` opens lasts for all lists of commands.

    ``marker`` is that of the tests that need its backend.
    """

    name: str
    open: Callable[[Servers], AbstractAsyncContextManager[Empty[S]]]
    marker: str | None = None


class Port(Generic[S, M]):
    """The commands of a port, and what its adapters must agree on."""

    name: str
    commands: st.SearchStrategy[Command[M]]

    def new_model(self) -> M:
        """The model of an empty store."""
        raise NotImplementedError

    async def ask_model(self, model: M, call: Call) -> object:
        """The outcome of a call of the model."""
        method, arguments, named = call
        return said(getattr(model, method), arguments, named)

    async def ask(self, store: S, call: Call) -> object:
        """The outcome of a call of the store."""
        method, arguments, named = call
        return await attempt(getattr(store, method)(*arguments, **named))

    def last_calls(self, model: M) -> Sequence[Call]:
        """Calls that show all that is stored."""
        raise NotImplementedError

    def settle(self, method: str, expected: Any, actual: Any) -> object:
        """``actual``, with the values of ``expected`` where the port promises them only to within a small difference.

        (Rounding would not do: two values that are nearly the same may be rounded to different ones.)
        """
        return actual

    def lists_of_commands(self) -> st.SearchStrategy[list[Command[M]]]:
        """Lists of some length; the empty places let Hypothesis shorten them."""
        places = st.lists(st.none() | self.commands, min_size=20, max_size=30)
        return places.map(lambda commands: [command for command in commands if command is not None])

    async def compare(self, stores: Mapping[str, Empty[S]], commands: Sequence[Command[M]]) -> None:
        """Fail unless all stores say what the model says."""
        model = self.new_model()
        calls: list[Call] = []
        expected: list[object] = []
        for command in commands:
            calls.append(command.on(model))
            expected.append(await self.ask_model(model, calls[-1]))
        for call in self.last_calls(model):
            calls.append(call)
            expected.append(await self.ask_model(model, call))

        async def ask_all(empty: Empty[S]) -> list[object]:
            async with empty() as store:
                return [await self.ask(store, call) for call in calls]

        # All come to their end, also where one fails: what goes on would get in the way of the next list.
        ended = await asyncio.gather(*map(ask_all, stores.values()), return_exceptions=True)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        answers = [each for each in ended if isinstance(each, list)]
        promised = [canonical(each) for each in expected]
        for name, actual in zip(stores, answers, strict=True):
            said_by_store = [
                canonical(self.settle(call[0], *pair)) for call, *pair in zip(calls, expected, actual, strict=True)
            ]
            if b"\n".join(said_by_store) != b"\n".join(promised):
                raise AssertionError(difference(name, calls, promised, said_by_store))


async def attempt(operation: Awaitable[object]) -> object:
    """The outcome of a call, which may be an error of the port."""
    try:
        return outcome(await operation)
    except (PortError, InvalidInput) as error:
        return outcome(error)


def difference(name: str, calls: Sequence[Call], promised: Sequence[bytes], actual: Sequence[bytes]) -> str:
    """Where the answers part, in words."""
    step = next(number for number, pair in enumerate(zip(promised, actual, strict=True)) if pair[0] != pair[1])
    asked = "\n".join(f"  {method}{arguments!r} {dict(named) or ''}" for method, arguments, named in calls[: step + 1])
    return f"{asked}\n{name} says {actual[step].decode()}\npromised is {promised[step].decode()}"


def canonical(value: object) -> bytes:
    """JSON that is the same bytes for the same value: sorted keys, exact floats, instants in UTC."""
    return json.dumps(_plain(value), sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


@singledispatch
def _plain(value: Any) -> object:
    if not is_dataclass(value):
        raise TypeError(f"no outcome of a port has a {type(value)}: {value!r}")
    return {"is": type(value).__name__} | {each.name: _plain(getattr(value, each.name)) for each in fields(value)}


@_plain.register
def _(value: str | int | float | None) -> object:
    return value


@_plain.register
def _(value: bytes) -> object:
    return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}


@_plain.register
def _(value: datetime) -> object:
    if value.utcoffset() is None:
        raise ValueError(f"an instant without a time zone: {value!r}")
    return value.astimezone(UTC).isoformat(timespec="microseconds")


@_plain.register
def _(value: timedelta) -> object:
    return {"microseconds": value // timedelta(microseconds=1)}


@_plain.register
def _(value: BaseModel) -> object:
    return {"is": type(value).__name__} | {name: _plain(getattr(value, name)) for name in type(value).model_fields}


@_plain.register
def _(value: Mapping) -> object:  # type: ignore[type-arg]
    if not all(isinstance(key, str) for key in value):
        raise TypeError(f"a key that is no text: {value!r}")
    return {key: _plain(item) for key, item in value.items()}


@_plain.register
def _(value: tuple | list) -> object:  # type: ignore[type-arg]
    return [_plain(item) for item in value]


@_plain.register
def _(value: type) -> object:
    return value.__name__
