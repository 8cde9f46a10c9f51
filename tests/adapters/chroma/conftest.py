"""Stores for the tests. Starting the engine takes a second or two, so most tests share one and find it empty."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from adapters.chroma.vectors import ChromaVectorStore
from ports.vectors import EmbeddingSpace
from tests.contract.vectors.data import SPACE

COLLECTION = "knowledge"

Open = Callable[..., Awaitable[ChromaVectorStore]]
OpenOnServer = Callable[..., Awaitable[ChromaServerVectorStore]]


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


@pytest.fixture
def collection() -> str:
    """The name of a collection that nobody else has."""
    return f"test-{uuid.uuid4().hex}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_on_server(chroma_url: str) -> AsyncIterator[ChromaServerVectorStore]:
    """A store on the server for all tests of the module."""
    store = await ChromaServerVectorStore.open(ChromaServerOptions(chroma_url, f"test-{uuid.uuid4().hex}"), SPACE)
    yield store
    await store.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def open_on_server(chroma_url: str, collection: str) -> AsyncIterator[OpenOnServer]:
    """Opens a collection of the test's own, or one that it names; closes it at the end."""
    opened: list[ChromaServerVectorStore] = []

    async def open_it(space: EmbeddingSpace = SPACE, **options: Any) -> ChromaServerVectorStore:
        given = {"url": chroma_url, "collection": collection, **options}
        opened.append(await ChromaServerVectorStore.open(ChromaServerOptions(**given), space))
        return opened[-1]

    yield open_it
    for store in opened:
        await store.aclose()
