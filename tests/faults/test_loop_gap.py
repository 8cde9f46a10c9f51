"""The event loop never pauses for more than 25 ms while 500 documents are imported and questions are asked."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.chroma.vectors import ChromaVectorStore
from adapters.hashing.embeddings import HashingEmbedding
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.vectors import InMemoryVectorStore
from adapters.onnx.embeddings import OnnxEmbedding
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.system.clock import SystemClock
from application.knowledge import KnowledgeService, SourceDocument
from domain.knowledge import GLOBAL, KnowledgeType
from tests.fakes import SequentialIds

Installation = Callable[[Path], AbstractAsyncContextManager[KnowledgeService]]

LONGEST_PAUSE = 0.025
DOCUMENTS = 500
SUBJECTS = ("PostgreSQL", "Kafka", "Redis", "Kubernetes", "nginx", "DNS", "TLS", "disk", "memory", "network")
SYMPTOMS = ("refuses connections", "is slow", "runs full", "restarts again and again", "loses messages", "times out")


def a_source(number: int) -> SourceDocument:
    """A short runbook."""
    subject, symptom = SUBJECTS[number % len(SUBJECTS)], SYMPTOMS[number % len(SYMPTOMS)]
    return SourceDocument(
        source_key=f"runbook-{number}",
        title=f"{subject} {symptom} ({number})",
        content=f"## Symptom\n\n{subject} {symptom} on host {number}.\n\n## Remedy\n\nRaise limit {number}.",
        document_type=KnowledgeType.PLAYBOOK,
    )


@dataclass
class Pauses:
    """How long the event loop was busy between two turns of a task that always wants one."""

    longest: float = 0.0
    turns: int = 0

    async def watch(self) -> None:
        """Measure until cancelled.

        What counts is the time that the thread of the loop was computing: when other programs take the processor, or
        when the machine is asleep, that says nothing about this one.
        """
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.thread_time() - before)
            self.turns += 1


@asynccontextmanager
async def no_long_pause() -> AsyncIterator[None]:
    """Whatever the block does, the event loop is never busy for longer than the limit."""
    pauses = Pauses()
    watching = asyncio.ensure_future(pauses.watch())
    await asyncio.sleep(0.01)
    yield
    # Time for one more turn, which measures the end of the block.
    await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.wait([watching])
    assert pauses.turns > 1, "nobody watched"
    assert pauses.longest <= LONGEST_PAUSE


@asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[KnowledgeService]:
    """Everything in this process."""
    embeddings = HashingEmbedding()
    yield KnowledgeService(
        documents=InMemoryKnowledgeRepository(),
        vectors=InMemoryVectorStore(embeddings.space),
        embeddings=embeddings,
        clock=SystemClock(),
        ids=SequentialIds(),
    )


@asynccontextmanager
async def single_node(folder: Path) -> AsyncIterator[KnowledgeService]:
    """SQLite, the embedded Chroma and the packaged model."""
    async with AsyncExitStack() as stack:
        database = await SqliteDatabase.open(folder / "faultmaven.db")
        stack.push_async_callback(database.aclose)
        embeddings = OnnxEmbedding()
        stack.push_async_callback(embeddings.aclose)
        vectors = await ChromaVectorStore.open(folder / "chroma", "knowledge", embeddings.space)
        stack.push_async_callback(vectors.aclose)
        yield KnowledgeService(
            documents=SqliteKnowledgeRepository(database),
            vectors=vectors,
            embeddings=embeddings,
            clock=SystemClock(),
            ids=SequentialIds(),
        )


async def ask(knowledge: KnowledgeService, answers: list[int]) -> None:
    """One question after the other, until cancelled."""
    while True:
        subject, symptom = SUBJECTS[len(answers) % len(SUBJECTS)], SYMPTOMS[len(answers) % len(SYMPTOMS)]
        found = await knowledge.search(None, f"{subject} {symptom}, what can I do?")
        assert not found.degraded
        answers.append(len(found.hits))


@pytest.fixture
def frozen_heap() -> Iterator[None]:
    """Keeps the garbage collector from walking through what other tests have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.chroma
@pytest.mark.timeout(300)
@pytest.mark.timed
@pytest.mark.usefixtures("frozen_heap")
@pytest.mark.parametrize("installation", [in_memory, single_node])
async def test_no_pause_during_an_import(installation: Installation, tmp_path: Path) -> None:
    """Neither the import nor the questions hold up anybody else."""
    answers: list[int] = []
    async with installation(tmp_path) as knowledge:
        await knowledge.import_documents(None, GLOBAL, [a_source(number) for number in range(DOCUMENTS, DOCUMENTS + 5)])
        await knowledge.search(None, "warm up")
        async with no_long_pause():
            asking = asyncio.ensure_future(ask(knowledge, answers))
            report = await knowledge.import_documents(None, GLOBAL, [a_source(number) for number in range(DOCUMENTS)])
            asking.cancel()
            await asyncio.wait([asking])
    assert (report.added, report.words_only) == (DOCUMENTS, 0)
    assert answers, "no question was answered during the import"
    assert answers[-1] > 0
