"""Hybrid retrieval: the same question asked of the full-text index and of the vectors, answered as one list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from domain.knowledge import Chunk, KnowledgeDocument
from domain.terms import terms
from ports.knowledge import TextHit

FITS = 0.32
"""Relevance from which a document fits. No question off topic of the benchmark's set reaches it."""
FULL_SCORE = 14.0
"""BM25 score for each term of the question at which words alone are full evidence."""
FULL_TERMS = 7
"""Terms of a question that have to be matched for that; a longer one holds more than its subject."""
COVERED = 0.75
"""Evidence of a chunk that has every term of the question, however common these are."""
CHECKED = 10
"""How many of the best text hits are checked for that."""
WORDS_ALONE = 0.5
"""Share of the full score that suffices where no vector can speak."""

_WORD = re.compile(r"[^\W_]+(?:[-_.][^\W_]+)*")
_CLOSE = 0.5
_RELATED = 0.2


@dataclass(frozen=True, slots=True)
class KnowledgeHit:
    """A document that fits the question, by its best chunk to read. ``relevance`` is 0 to 1; ``found`` has all its
    chunks that were found, best first, and ``similarity`` is that of the nearest.
    """

    document: KnowledgeDocument
    chunk: Chunk
    relevance: float
    question: str
    found: tuple[Chunk, ...]
    similarity: float

    @property
    def why(self) -> str:
        """What they share, in words. Made when it is read: of the hits of a turn's questions few are shown."""
        return explain(self.question, self.document.title, self.found, self.similarity)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What fits, best first. ``degraded`` tells that the vectors could not be asked."""

    hits: tuple[KnowledgeHit, ...]
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class NearChunk:
    """A chunk found by its vector; ``similarity`` is 0 for what has nothing to do with the question, 1 for the same."""

    chunk: Chunk
    similarity: float


@dataclass(slots=True)
class RankedDocument:
    """What both indexes know of one document: its best BM25 score, for each chunk found its evidence by words and by
    meaning, the ``similarity`` of the nearest chunk, and the ``relevance``, 0 to 1, see `fuse`.
    """

    document_id: str
    score: float = 0.0
    words: dict[str, float] = field(default_factory=dict)
    meaning: dict[str, float] = field(default_factory=dict)
    found: dict[str, Chunk] = field(default_factory=dict)
    similarity: float = 0.0
    relevance: float = 0.0

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """Those found, best first."""

        def place(chunk: Chunk) -> tuple[float, int]:
            key = chunk.chunk_id
            return -_either(self.words.get(key, 0.0), self.meaning.get(key, 0.0)), chunk.position

        return tuple(sorted(self.found.values(), key=place))


def fuse(question: Sequence[str], text_hits: Sequence[TextHit], near: Sequence[NearChunk]) -> list[RankedDocument]:
    """The documents of both lists, best first, with a relevance that compares between questions.

    Ranks are not fused: that a chunk leads a list does not say how good it is, and on paraphrased questions the head of
    the full-text list is noise. Scores are (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
    Retrieval", ACM TOIS 42(1), 2023). Each index gives the evidence, 0 to 1, that a document fits, and one suffices,
    so they are joined as independent evidence is (noisy or; Pearl, "Probabilistic Reasoning in Intelligent Systems",
    1988): relevance = 1 - (1 - words) * (1 - meaning), each by the best chunk of the document.

    - meaning is the similarity.
    - words is BM25 / (FULL_SCORE * min(n, FULL_TERMS)), at most 1, for the n distinct terms of the question. So a few
      words that are rare here (an alert, an identifier) outweigh the vectors, and common ones count next to nothing.
      In a small store, or where a question names a wide subject, no word is rare; so a chunk with nearly all terms
      counts as COVERED * (its share of the terms) ** 4 at least.
    - Without any near chunk words are all there is, and WORDS_ALONE of the full score suffices.

    FULL_SCORE and FULL_TERMS are those that do best on the even half of the query sets of ``benchmarks/retrieval``,
    which reports the odd half too; around them (12 to 16, 6 to 8) recall changes by about two questions of 86. FITS was
    set on all questions.
    """
    asked = set(question)
    full = FULL_SCORE * min(len(asked), FULL_TERMS) * (1.0 if near else WORDS_ALONE)
    found: dict[str, RankedDocument] = {}
    for rank, hit in enumerate(text_hits):
        words = min(1.0, hit.score / full)
        if rank < CHECKED:
            words = max(words, COVERED * _coverage(asked, hit.chunk) ** 4)
        entry = _entry_of(hit.chunk, found)
        entry.score = max(entry.score, hit.score)
        entry.words[hit.chunk.chunk_id] = words
    for item in near:
        _entry_of(item.chunk, found).meaning[item.chunk.chunk_id] = item.similarity
    for entry in found.values():
        entry.similarity = max(entry.meaning.values(), default=0.0)
        entry.relevance = _either(max(entry.words.values(), default=0.0), entry.similarity)
    return sorted(found.values(), key=lambda item: (-item.relevance, -item.score, item.document_id))


def _entry_of(chunk: Chunk, found: dict[str, RankedDocument]) -> RankedDocument:
    entry = found.get(chunk.document_id)
    if entry is None:
        entry = found[chunk.document_id] = RankedDocument(chunk.document_id)
    entry.found[chunk.chunk_id] = chunk
    return entry


def _either(words: float, meaning: float) -> float:
    return 1.0 - (1.0 - words) * (1.0 - meaning)


def _coverage(asked: set[str], chunk: Chunk) -> float:
    return len(asked & _terms_of(chunk.heading, chunk.text)) / len(asked)


@lru_cache(maxsize=512)
def _terms_of(heading: str, text: str) -> frozenset[str]:
    """Of a chunk. The questions of a turn, and of a case, find the same ones again and again."""
    return frozenset(terms(f"{heading}\n{text}"))


@lru_cache(maxsize=64)
def _words_of(question: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The words of a question, each with its terms."""
    return tuple((word, tuple(terms(word))) for word in _WORD.findall(question))


def explain(question: str, title: str, chunks: Sequence[Chunk], similarity: float) -> str:
    """Why a document fits the question, in words: what they share, and how near their meaning is."""
    present = frozenset(terms(title)).union(*(_terms_of(chunk.heading, chunk.text) for chunk in chunks))
    shared = {word.casefold(): word for word, found in _words_of(question) if not present.isdisjoint(found)}
    parts = []
    if shared:
        parts.append("shares the words " + ", ".join(list(shared.values())[:6]))
    if similarity >= _RELATED:
        parts.append(f"{'close' if similarity >= _CLOSE else 'related'} in meaning ({similarity:.2f})")
    return "; ".join(parts)
