"""Operations that both sides of a comparison are called with alike."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from benchmarks.content import Numbers, a_long_message, some, user_id
from benchmarks.harness.timing import Operation
from domain.case import Case
from domain.message import Message
from domain.user import User
from tests.builders import an_id

V = TypeVar("V", Case, User)

PAGE = 50
"""How long a page is by default."""


def of_keys(call: Callable[[str], Awaitable[object]], prefix: str, among: int) -> Operation:
    """One argument: the id of something that is there."""

    def prepare(count: int, chance: random.Random) -> Sequence[str]:
        return [an_id(prefix, number) for number in some(count, among, chance)]

    return Operation(call, prepare)


def of_owners(call: Callable[[str], Awaitable[object]]) -> Operation:
    """One argument: the owner of half of the cases."""

    def prepare(count: int, chance: random.Random) -> Sequence[str]:
        return [user_id(number) for number in some(count, 1000, chance)]

    return Operation(call, prepare)


def of_messages(call: Callable[[Message], Awaitable[bool]], case_id: str, numbers: Numbers) -> Operation:
    """One argument: a message that is new."""

    def prepare(count: int, _: random.Random) -> Sequence[Message]:
        return [a_long_message(case_id, number) for number in numbers.take(count)]

    return Operation(call, prepare)


def saving(save: Callable[[V], Awaitable[V]], first: V) -> Operation:
    """Saves again what it has saved before."""
    stored = first

    async def call(_: Any) -> None:
        nonlocal stored
        stored = await save(stored)

    return Operation(call)
