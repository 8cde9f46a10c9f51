"""A store that is opened by its first operation.

It has the methods of its port and none of the optional abilities of the adapter behind it. Whoever asks for an ability,
or calls so often that a step in between counts, takes the adapter itself.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ports.vectors import EmbeddingSpace, VectorStore


@runtime_checkable
class Deferred(Protocol):
    """Can give the open adapter."""

    async def opened(self) -> object:
        """The adapter, opened if it is not yet. It stays open until this store is closed.

        Raises:
            InvalidInput, PortError: it cannot be opened. The next call tries again.
        """
        ...


class DeferredVectors(Deferred, Protocol):
    """A vector store whose embedding space may not be known before it is opened."""

    async def opened(self, space: EmbeddingSpace | None = None) -> VectorStore:
        """As `Deferred.opened`. A new store is made for ``space`` where its configuration leaves that open; one that is
        stored keeps its own.

        Raises:
            InvalidInput: nothing is stored, and neither the configuration nor ``space`` says what to make.
        """
        ...
