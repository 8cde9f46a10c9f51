"""The in-memory vector store keeps the contract."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from adapters.memory import vectors
from adapters.memory.vectors import InMemoryVectorStore
from ports.vectors import EmbeddingSpace
from tests.contract.vector_store import VectorStoreContractTests
from tests.contract.vectors.data import SPACE


class TestInMemoryVectorStore(VectorStoreContractTests):
    """The contract, in memory."""

    adapter = "memory"

    @pytest.fixture
    def store(self) -> InMemoryVectorStore:
        """An empty store."""
        return InMemoryVectorStore(SPACE)


async def test_search_in_a_thread_sees_one_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is replaced, removed and added while a large search runs, changes neither its hits nor their distances."""
    rows = np.random.default_rng(7).normal(size=(400, 384))
    matrix = [tuple(row) for row in rows.tolist()]
    names = [f"r{number}" for number in range(400)]
    store = InMemoryVectorStore(EmbeddingSpace("test", 384))
    await store.add_documents(["old"] * 400, matrix, [{}] * 400, names)
    before = await store.query(matrix[0], 5)
    searching, changed = threading.Event(), threading.Event()
    nearest = vectors._nearest

    def slow(*arguments: Any) -> Any:
        searching.set()
        assert changed.wait(30)
        return nearest(*arguments)

    monkeypatch.setattr(vectors, "_nearest", slow)
    search = asyncio.ensure_future(store.query(matrix[0], 5))
    await asyncio.to_thread(searching.wait, 30)
    await store.add_documents(["new"] * 400, matrix[::-1], [{}] * 400, names)
    await store.delete(names[:300])
    await store.add_documents(["new"] * 300, matrix[:300], [{}] * 300, [f"n{number}" for number in range(300)])
    changed.set()
    assert await search == before
    assert (await store.query(matrix[0], 1))[0].id == "n0"
