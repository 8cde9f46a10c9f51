"""An inverted index over chunks, ranked with BM25 exactly as SQLite's FTS5 ranks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log

from domain.knowledge import Chunk
from domain.terms import terms

K1 = 1.2
B = 0.75
MINIMAL_IDF = 1e-6
"""The weight of a term that more than half of all chunks have; FTS5 takes this value too."""


class FullTextIndex:
    """Terms to chunks. The statistics span all chunks, whoever may read them."""

    def __init__(self) -> None:
        self._occurrences: dict[str, dict[str, int]] = {}
        self._lengths: dict[str, int] = {}
        self._total_length = 0

    def add(self, chunk: Chunk, counts: Counter[str] | None = None) -> None:
        """Index a chunk that is not in the index. Who has its `term_counts` already gives them."""
        counts = term_counts(chunk) if counts is None else counts
        for term, count in counts.items():
            self._occurrences.setdefault(term, {})[chunk.chunk_id] = count
        self._lengths[chunk.chunk_id] = counts.total()
        self._total_length += counts.total()

    def remove(self, chunk: Chunk) -> None:
        """Take a chunk out of the index again."""
        for term in set(_terms_of(chunk)):
            chunks = self._occurrences[term]
            del chunks[chunk.chunk_id]
            if not chunks:
                del self._occurrences[term]
        self._total_length -= self._lengths.pop(chunk.chunk_id)

    def scores(self, query: Iterable[str]) -> dict[str, float]:
        """The score of every chunk that has at least one of the terms; a repeated term counts once."""
        found: dict[str, float] = {}
        for term in dict.fromkeys(query):
            chunks = self._occurrences.get(term, {})
            idf = max(log((len(self._lengths) - len(chunks) + 0.5) / (len(chunks) + 0.5)), MINIMAL_IDF)
            for chunk_id, count in chunks.items():
                relative_length = self._lengths[chunk_id] * len(self._lengths) / self._total_length
                weight = count * (K1 + 1) / (count + K1 * (1 - B + B * relative_length))
                found[chunk_id] = found.get(chunk_id, 0.0) + idf * weight
        return found


def term_counts(chunk: Chunk) -> Counter[str]:
    """The terms of a chunk and how often each one occurs."""
    return Counter(_terms_of(chunk))


def _terms_of(chunk: Chunk) -> Sequence[str]:
    return terms(f"{chunk.heading}\n{chunk.text}")
