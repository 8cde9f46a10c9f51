"""How much of what is nearest each store of vectors finds, and how fast documents come in.

``python -m benchmarks.retrieval.stores`` writes docs/benchmarks/retrieval.md. It starts the servers that it needs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np
import uvloop
from numpy.typing import NDArray

from adapters.hashing.embeddings import HashingEmbedding
from adapters.markdown.documents import read_folder
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.onnx.embeddings import OnnxEmbedding
from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from application.knowledge import KnowledgeService
from benchmarks.content import BATCH, SPACE, some_records, some_vectors
from benchmarks.harness.environment import Environment
from benchmarks.pages import OUTPUT
from benchmarks.stores import VECTORS
from benchmarks.surroundings import Surroundings
from domain.filter import Filter, parse_filter
from domain.knowledge import GLOBAL
from ports.embeddings import EmbeddingGenerator
from ports.vectors import VectorStore

RUNBOOKS = Path(__file__).parents[2] / "bootstrap" / "knowledge"
RECORDS = 10_000
QUESTIONS = 100
WANTED = 10
SHARES = {"all": 1, "a tenth": 10, "one in 200": 200}
"""Of the records, who asks may see every so-manieth."""


@dataclass(frozen=True)
class Recall:
    """The share of the true nearest that is found, over all questions and of the worst one; milliseconds a question."""

    adapter: str
    among: str
    mean: float
    least: float
    milliseconds: float


@dataclass(frozen=True)
class Import:
    """How many documents a second come in."""

    adapter: str
    embedder: str
    documents: int
    rate: float


def tenant(share: int, number: int) -> str:
    """Whose the ``number``-th record is, if every ``share``-th belongs to one."""
    return f"{number % share} of {share}"


async def fill(store: VectorStore) -> None:
    """All records."""
    for start in range(0, RECORDS, BATCH):
        numbers = range(start, start + BATCH)
        records = some_records(numbers)
        owners = [{f"of {share}": tenant(share, number) for share in SHARES.values()} for number in numbers]
        await store.add_documents(records.documents, records.embeddings, owners, records.ids)


async def recall_of(adapter: str, store: VectorStore) -> AsyncIterator[Recall]:
    """What the store finds among all records and among those of one tenant."""
    matrix = np.array(some_vectors(range(RECORDS)), dtype=np.float64)
    chance = np.random.default_rng(20251)
    asked = some_vectors(chance.integers(RECORDS, size=QUESTIONS).tolist(), noise=50_000_000)
    for name, share in SHARES.items():
        shares, times = [], []
        for number, question in enumerate(asked):
            where: Filter = parse_filter({f"of {share}": tenant(share, number)})
            began = time.perf_counter()
            hits = await store.query(question, WANTED, where)
            times.append(time.perf_counter() - began)
            true = _nearest(matrix, question, np.arange(number % share, RECORDS, share))
            shares.append(len(true & {hit.id for hit in hits}) / WANTED)
        yield Recall(adapter, name, mean(shares), min(shares), median(times) * 1e3)


def _nearest(matrix: NDArray[np.float64], question: Sequence[float], rows: NDArray[np.int64]) -> set[str]:
    order = np.argsort(-(matrix[rows] @ np.asarray(question)))
    return {f"chunk_{rows[place]:012x}" for place in order[:WANTED]}


async def import_into(adapter: str, store: VectorStore, embeddings: EmbeddingGenerator) -> Import:
    """Import the starter runbooks."""
    service = KnowledgeService(
        documents=InMemoryKnowledgeRepository(),
        vectors=store,
        embeddings=embeddings,
        clock=SystemClock(),
        ids=RandomIds(),
    )
    sources, _ = read_folder(RUNBOOKS)
    began = time.perf_counter()
    report = await service.import_documents(None, GLOBAL, sources)
    seconds = time.perf_counter() - began
    return Import(adapter, embeddings.space.model_id, report.added, report.added / seconds)


@asynccontextmanager
async def _hashing() -> AsyncIterator[EmbeddingGenerator]:
    yield HashingEmbedding()


@asynccontextmanager
async def _onnx() -> AsyncIterator[EmbeddingGenerator]:
    model = OnnxEmbedding()
    await model.load()
    yield model
    await model.aclose()


EMBEDDERS = (_hashing, _onnx)


async def measure(surroundings: Surroundings, tell: Callable[[object], None]) -> tuple[list[Recall], list[Import]]:
    """Everything; each result is told when it is there."""
    recalls: list[Recall] = []
    imports: list[Import] = []
    for adapter, opened in VECTORS.items():
        async with opened(surroundings, SPACE) as (store, learn):
            await fill(store)
            await learn()
            async for recall in recall_of(adapter, store):
                tell(recall)
                recalls.append(recall)
        for embedder in EMBEDDERS:
            async with embedder() as embeddings, opened(surroundings, embeddings.space) as (store, _):
                imports.append(await import_into(adapter, store, embeddings))
                tell(imports[-1])
    return recalls, imports


def page(recalls: Sequence[Recall], imports: Sequence[Import], environment: Environment) -> str:
    """The results to read."""
    rates: Mapping[tuple[str, str], float] = {(each.adapter, each.embedder): each.rate for each in imports}
    embedders = list(dict.fromkeys(each.embedder for each in imports))
    lines = [
        "# Retrieval",
        "",
        "Written by `make bench`. How well the right runbook is found is another question: `make bench-retrieval`.",
        "",
        environment.in_words(),
        "",
        "## Recall",
        "",
        f"Which of the {WANTED} nearest are found, compared with a look at every vector: {QUESTIONS} questions among",
        f"{RECORDS:,} vectors of {SPACE.dimension} components in clusters of 50. Who asks may see all of them, or",
        "those of one tenant.",
        "",
        f"| adapter | among | recall@{WANTED} | worst question | time of a question |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {each.adapter} | {each.among} | {each.mean:.3f} | {each.least:.1f} | {each.milliseconds:.1f} ms |"
            for each in recalls
        ),
        "",
        "## Import",
        "",
        f"Documents a second, cut into pieces, embedded and written: the {imports[0].documents} starter runbooks.",
        "",
        f"| adapter | {' | '.join(embedders)} |",
        f"| --- |{' --- |' * len(embedders)}",
        *(
            f"| {adapter} | {' | '.join(f'{rates[adapter, embedder]:.0f}' for embedder in embedders)} |"
            for adapter in dict.fromkeys(each.adapter for each in imports)
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and publish."""
    environment = Environment.here()

    def tell(result: object) -> None:
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()

    with Surroundings() as surroundings:
        recalls, imports = uvloop.run(measure(surroundings, tell))
    data = OUTPUT / "data"
    data.mkdir(parents=True, exist_ok=True)
    content = {
        "environment": environment.as_dict(),
        "recalls": [asdict(each) for each in recalls],
        "imports": [asdict(each) for each in imports],
    }
    (data / "retrieval.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (OUTPUT / "retrieval.md").write_text(page(recalls, imports, environment), encoding="utf-8")


if __name__ == "__main__":
    main()
