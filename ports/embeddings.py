"""Embeddings: texts as vectors, so that near means alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ports.vectors import EmbeddingSpace, Vector


class EmbeddingGenerator(Protocol):
    """Turns texts into unit vectors of one space. The same text always gives the same vector, alone or in a batch
    (to within 1e-5 of cosine). Never blocks the event loop for more than 25 ms.
    """

    @property
    def space(self) -> EmbeddingSpace:
        """Model and dimension of the vectors."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """One unit vector for each text, in order. A text that is longer than the model reads counts by its beginning.

        Raises:
            StorageUnavailable: the model cannot be reached.
        """
        ...

    async def embed_query(self, text: str) -> Vector:
        """The unit vector of a question to such documents."""
        ...
