"""What the stores are filled with; the same for every adapter."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from domain.case import Case
from domain.documentation import DocumentationData
from domain.filter import MetadataValue
from domain.message import Message
from ports.cases import CaseRepository
from ports.transfer import SupportsCaseTransfer
from ports.vectors import EmbeddingSpace
from tests.builders import a_full_case, a_message, a_turn, an_id, later

USERS = 2
"""Who the cases belong to, in turn."""
BATCH = 500
WORKING_SET = 64


def user_id(number: int) -> str:
    """The owner of the ``number``-th case."""
    return an_id("user", number % USERS)


def a_large_case(number: int) -> Case:
    """The ``number``-th case: 12 pieces of evidence and 6 hypotheses, 24 KB."""
    return a_full_case(
        number,
        message_count=0,
        user_id=user_id(number),
        last_activity_at=later(number),
        turn_history=(a_turn(8),),
        documentation=DocumentationData(),
    )


def a_long_message(case_id: str, number: int) -> Message:
    """The ``number``-th message of a case, as long as an answer usually is."""
    return a_message(case_id, number, content=f"Message {number}: " + "the gateway answers 502 since noon. " * 12)


async def fill_cases(cases: CaseRepository, content: Iterator[Case]) -> None:
    """Insert all of them."""
    while batch := list(islice(content, BATCH)):
        assert isinstance(cases, SupportsCaseTransfer)
        await cases.put_many([case.model_copy(update={"version": 1}) for case in batch])


async def fill_messages(cases: CaseRepository, content: Iterator[Message]) -> None:
    """Append all of them, many with one commit."""
    while batch := list(islice(content, BATCH)):
        assert isinstance(cases, SupportsCaseTransfer)
        await cases.add_messages(batch)


class Numbers:
    """Numbers that nobody else has, for ids of what is added while it is measured."""

    def __init__(self, start: int) -> None:
        self._next = start

    def take(self, count: int) -> range:
        """The next ones."""
        self._next += count
        return range(self._next - count, self._next)


def some(count: int, among: int, chance: random.Random) -> list[int]:
    """Numbers from 1 to ``among``."""
    return [chance.randint(1, among) for _ in range(count)]


def working_set(count: int, among: int, chance: random.Random, size: int = WORKING_SET) -> list[int]:
    """Numbers from 1 to ``among``, from the same ``size`` ones that lie all over it.

    Asking for all of them at random would measure the caches of the processor, which hold little.
    """
    few = min(size, among)
    return [1 + chance.randrange(few) * (among - 1) // max(1, few - 1) for _ in range(count)]


DIMENSION = 384
SPACE = EmbeddingSpace("bench-model", DIMENSION)
SCOPES = 10
_PER_CLUSTER = 50


@dataclass(frozen=True)
class Records:
    """The columns of some records, as the port takes them."""

    documents: list[str]
    embeddings: list[tuple[float, ...]]
    metadatas: list[dict[str, MetadataValue]]
    ids: list[str]


def some_vectors(numbers: Sequence[int], noise: int = 1_000_000) -> list[tuple[float, ...]]:
    """Directions in clusters, as those of the pieces of documents are; the same number gives the same vector.

    With another ``noise`` it is another one of the same cluster.
    """
    rows = []
    for number in numbers:
        centre = np.random.default_rng(number // _PER_CLUSTER).normal(size=DIMENSION)
        row = centre + np.random.default_rng(noise + number).normal(scale=0.3, size=DIMENSION)
        rows.append(tuple((row / np.linalg.norm(row)).astype(np.float32).tolist()))
    return rows


def some_records(numbers: Sequence[int]) -> Records:
    """Pieces of runbooks; a tenth of them is of one scope."""
    return Records(
        documents=[
            f"Piece {number}: " + "look at the pool of the gateway and raise its limit. " * 8 for number in numbers
        ],
        embeddings=some_vectors(numbers),
        metadatas=[
            {"scope": f"user:{number % SCOPES}", "document_id": an_id("doc", number // 8), "type": "playbook"}
            for number in numbers
        ],
        ids=[f"chunk_{number:012x}" for number in numbers],
    )


async def fill_vectors(add: Callable[[Records], Awaitable[None]], count: int) -> None:
    """The first records."""
    for start in range(0, count, BATCH):
        await add(some_records(range(start, min(start + BATCH, count))))
