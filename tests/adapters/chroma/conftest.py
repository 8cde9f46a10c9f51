"""Stores for the tests. Starting the engine takes a second or two, so most tests share one and find it empty."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from adapters.chroma.vectors import ChromaVectorStore
from ports.vectors import EmbeddingSpace
from tests.contract.vectors.data import SPACE

COLLECTION = "knowledge"

Open = Callable[..., Awaitable[ChromaVectorStore]]


def child_of(store: ChromaVectorStore) -> psutil.Process:
    """The process of the engine."""
    assert store._process.pid is not None
    return psutil.Process(store._process.pid)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChromaVectorStore]:
    """A store for all tests of the module."""
    store = await ChromaVectorStore.open(tmp_path_factory.mktemp("chroma") / "folder", COLLECTION, SPACE)
    child = child_of(store)
    yield store
    await store.aclose()
    assert not child.is_running()


@pytest_asyncio.fixture(loop_scope="module")
async def open_folder(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a folder of the test's own; closes it at the end and makes sure that the engine is gone."""
    opened: list[ChromaVectorStore] = []
    children: list[psutil.Process] = []

    async def open_it(space: EmbeddingSpace = SPACE, collection: str = COLLECTION) -> ChromaVectorStore:
        store = await ChromaVectorStore.open(tmp_path / "folder", collection, space)
        opened.append(store)
        children.append(child_of(store))
        return store

    yield open_it
    for store in opened:
        await store.aclose()
    assert not [child for child in children if child.is_running()]
