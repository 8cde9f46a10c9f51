"""Feature hashing: words and their character n-grams are hashed into a vector of fixed length.

Texts that share words or pieces of words come out near each other; texts that say the same in other words do not. It
needs no model and no file, so it serves tests and installations that search by words alone.

Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009 (signed hashing).
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from domain.terms import terms
from ports.embeddings import EmbeddingGenerator
from ports.vectors import EmbeddingSpace, Vector

_GRAMS = (3, 4)
_GRAM_WEIGHT = 0.3
"""A word has many n-grams: together they weigh about as much as the word itself."""
_SLICE = 16
"""Texts that are embedded in one go; hashing holds the interpreter's lock, so it is done in short pieces."""
_CHARACTERS = 50_000
"""What is read of a text. Splitting more than that into words would hold the lock for too long."""


class HashingEmbedding(EmbeddingGenerator):
    """Unit vectors with ``dimension`` components, the same on every machine."""

    def __init__(self, dimension: int = 1024) -> None:
        self._space = EmbeddingSpace(f"hashing-words-chargrams-v1-{dimension}", dimension)

    @property
    def space(self) -> EmbeddingSpace:
        """See `EmbeddingGenerator`."""
        return self._space

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """See `EmbeddingGenerator`."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), _SLICE):
            vectors += await asyncio.to_thread(self._embed_all, texts[start : start + _SLICE])
        return vectors

    async def embed_query(self, text: str) -> Vector:
        """See `EmbeddingGenerator`."""
        return (await self.embed_documents([text]))[0]

    def _embed_all(self, texts: Sequence[str]) -> list[Vector]:
        return [self._embed(text).tolist() for text in texts]

    def _embed(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self._space.dimension, dtype=np.float64)
        for feature, weight in _features(text[:_CHARACTERS]):
            digest = crc32(feature.encode())
            # The lowest bit is the sign, so that collisions cancel out on average.
            vector[(digest >> 1) % self._space.dimension] += weight if digest & 1 else -weight
        norm = float(np.linalg.norm(vector))
        if norm == 0:
            # A text without any feature, or whose features cancel out, still needs a direction.
            vector[0] = norm = 1.0
        return (vector / norm).astype(np.float32)


def _features(text: str) -> Iterator[tuple[str, float]]:
    for word, count in Counter(terms(text)).items():
        weight = 1.0 + math.log(count)
        yield f"w:{word}", weight
        padded = f"<{word}>"
        for size in _GRAMS:
            for start in range(len(padded) - size + 1):
                yield f"g:{padded[start : start + size]}", weight * _GRAM_WEIGHT
