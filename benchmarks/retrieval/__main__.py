"""Measures the quality of retrieval over the starter runbooks: ``python -m benchmarks.retrieval [FOLDER]``.

Two sets of questions, each with the runbooks that answer it: ``alerts``, in the words of alerts and logs, and
``paraphrased``, in everyday words that the runbook does not use. A third, ``identifiers``, has single names and codes,
for which full text alone is the best one can do; ``off_topic`` questions have no answer here. Every set is reported as
a whole and by halves (even and odd positions): the weights of the fusion were chosen on the even half.

Exit code 1 if, with the packaged model, the hybrid is worse than the better of its parts on one of the two sets,
answers too many questions off topic, or finds nothing for too many of the others. With a FOLDER of Markdown or text
files, the speed of its import is measured, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, quantiles

from adapters.hashing.embeddings import HashingEmbedding
from adapters.markdown.documents import read_folder
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.vectors import InMemoryVectorStore
from adapters.onnx.embeddings import OnnxEmbedding
from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from application.knowledge import CANDIDATES, KnowledgeService
from application.vector_index import VectorIndex
from domain.knowledge import GLOBAL
from domain.terms import terms
from ports.embeddings import EmbeddingGenerator

HERE = Path(__file__).parent
RUNBOOKS = HERE.parent.parent / "bootstrap" / "knowledge"
COMPARED = ("alerts", "paraphrased")
SETS = (*COMPARED, "identifiers")
OFF_TOPIC = "off_topic"
MUST_REJECT = 0.95
"""Share of the questions off topic that must be answered with nothing."""
MAY_MISS = 0.05
"""Share of the questions of a set that may be answered with nothing."""

Search = Callable[[str], Awaitable[list[str]]]


@dataclass(frozen=True)
class Question:
    """A question and the names of the runbooks that answer it."""

    query: str
    expected: frozenset[str]


@dataclass(frozen=True)
class Quality:
    """Recall in the first place and the first five, mean reciprocal rank, and the share answered with nothing."""

    recall_1: float
    recall_5: float
    reciprocal_rank: float
    nothing: float

    @classmethod
    def of(cls, ranks: Sequence[int | None], nothing: Sequence[bool]) -> Quality:
        """From the rank of the first right answer to each question, None if it is not there."""
        return cls(
            mean(rank == 1 for rank in ranks),
            mean(rank is not None and rank <= 5 for rank in ranks),
            mean(1 / rank if rank else 0.0 for rank in ranks),
            mean(nothing),
        )

    def is_worse_than(self, other: Quality) -> bool:
        """By recall in the first place or by the mean reciprocal rank."""
        return self.recall_1 < other.recall_1 or self.reciprocal_rank < other.reciprocal_rank


class Library:
    """The knowledge service over memory, with one embedder, and its two indexes by themselves."""

    def __init__(self, embeddings: EmbeddingGenerator) -> None:
        documents = InMemoryKnowledgeRepository()
        vectors = InMemoryVectorStore(embeddings.space)
        self.documents = documents
        self.index = VectorIndex(documents=documents, vectors=vectors, embeddings=embeddings)
        self.service = KnowledgeService(
            documents=documents, vectors=vectors, embeddings=embeddings, clock=SystemClock(), ids=RandomIds()
        )

    async def fill(self, folder: Path) -> str:
        """Import the folder; says how long it took."""
        sources, unreadable = read_folder(folder)
        start = time.perf_counter()
        report = await self.service.import_documents(None, GLOBAL, sources)
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        again = await self.service.import_documents(None, GLOBAL, sources)
        repeat = time.perf_counter() - start
        assert (again.added, again.updated) == (0, 0), "a second import must change nothing"
        self.names = {
            document.document_id: Path(document.source_key or "").stem
            for document in await self.documents.list([GLOBAL], limit=200)
        }
        return (
            f"{report.added} documents in {seconds:.1f} s ({report.added / seconds:.1f}/s), "
            f"once more in {repeat:.2f} s; {len(report.failed) + len(unreadable)} failed"
        )

    async def by_words(self, query: str) -> list[str]:
        """Names of the documents that the full-text index finds alone."""
        hits = await self.documents.search(list(dict.fromkeys(terms(query))), [GLOBAL], limit=CANDIDATES)
        return self._names([hit.chunk.document_id for hit in hits])

    async def by_meaning(self, query: str) -> list[str]:
        """Names of the documents that the vectors find alone."""
        return self._names(
            [item.chunk.document_id for item in await self.index.nearest(query, [GLOBAL], (), CANDIDATES)]
        )

    async def by_both(self, query: str) -> list[str]:
        """Names of the documents that a user gets."""
        found = await self.service.search(None, query, limit=CANDIDATES)
        return self._names([hit.document.document_id for hit in found.hits])

    def _names(self, document_ids: Sequence[str]) -> list[str]:
        return [self.names[key] for key in dict.fromkeys(document_ids)]


def questions_of(name: str) -> list[Question]:
    """The questions of a set."""
    entries = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return [Question(entry["query"], frozenset(entry.get("expected", ()))) for entry in entries]


async def measure(questions: Sequence[Question], search: Search) -> tuple[Quality, Quality, Quality]:
    """Quality over all questions, over those at even and those at odd positions."""
    ranks: list[int | None] = []
    nothing: list[bool] = []
    for question in questions:
        found = await search(question.query)
        ranks.append(next((rank for rank, name in enumerate(found, 1) if name in question.expected), None))
        nothing.append(not found)
    return (
        Quality.of(ranks, nothing),
        Quality.of(ranks[::2], nothing[::2]),
        Quality.of(ranks[1::2], nothing[1::2]),
    )


async def report(name: str, library: Library) -> list[str]:
    """Print the table of one embedder; returns what is not good enough."""
    print(f"\n{name:22}{'questions':>9}{'R@1':>7}{'R@5':>7}{'MRR':>7}{'nothing':>9}   R@1 MRR: even half   odd half")
    problems = []
    for questions_name in SETS:
        questions = questions_of(questions_name)
        measured = {}
        for method, search in (
            ("full text", library.by_words),
            ("vectors", library.by_meaning),
            ("hybrid", library.by_both),
        ):
            whole, even, odd = await measure(questions, search)
            measured[method] = whole
            print(
                f"{questions_name:12}{method:10}{len(questions):>9}{whole.recall_1:>7.3f}{whole.recall_5:>7.3f}"
                f"{whole.reciprocal_rank:>7.3f}{whole.nothing:>9.3f}"
                f"{even.recall_1:>16.3f} {even.reciprocal_rank:.3f}{odd.recall_1:>8.3f} {odd.reciprocal_rank:.3f}"
            )
        hybrid = measured.pop("hybrid")
        problems += [
            f"{questions_name}: the hybrid is worse than {method}"
            for method, part in measured.items()
            if questions_name in COMPARED and hybrid.is_worse_than(part)
        ]
        if hybrid.nothing > MAY_MISS:
            problems.append(f"{questions_name}: nothing is found for {hybrid.nothing:.0%}, more than {MAY_MISS:.0%}")
    off_topic = questions_of(OFF_TOPIC)
    whole, even, odd = await measure(off_topic, library.by_both)
    print(
        f"{OFF_TOPIC:12}{'hybrid':10}{len(off_topic):>9}{'':21}{whole.nothing:>9.3f}"
        f"{even.nothing:>22.3f}{odd.nothing:>14.3f}"
    )
    if whole.nothing < MUST_REJECT:
        problems.append(f"off topic: only {whole.nothing:.0%} are answered with nothing, less than {MUST_REJECT:.0%}")
    seconds = []
    for questions_name in (*SETS, OFF_TOPIC):
        for question in questions_of(questions_name):
            start = time.perf_counter()
            await library.service.search(None, question.query)
            seconds.append(time.perf_counter() - start)
    slow = quantiles(seconds, n=20)[-1]
    print(f"time of a search: mean {mean(seconds) * 1e3:.1f} ms, 95th percentile {slow * 1e3:.1f} ms")
    return problems


async def main(folder: Path | None) -> int:
    """Measure and print everything; returns the exit code."""
    onnx = OnnxEmbedding()
    try:
        library = Library(onnx)
        print(f"{onnx.space.model_id}: {await library.fill(RUNBOOKS)}")
        problems = await report("packaged model", library)
        hashing = Library(HashingEmbedding())
        await hashing.fill(RUNBOOKS)
        await report("hashing (no model)", hashing)
        if folder:
            print(f"\n{folder}: {await Library(onnx).fill(folder)}")
    finally:
        await onnx.aclose()
    print(*(f"\nNot good enough: {problem}" for problem in problems), sep="")
    return 1 if problems else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description="Measure retrieval.")
    parser.add_argument("folder", nargs="?", type=Path, help="Markdown or text files to measure an import with")
    sys.exit(asyncio.run(main(parser.parse_args().folder)))
