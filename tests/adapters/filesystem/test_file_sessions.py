"""Sessions and caches in files."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapters.filesystem.sessions import FileSessionStore
from tests.contract.session_store import (
    CacheStoreContractTests,
    DurableSessionStoreContractTests,
    SessionStoreContractTests,
)
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[FileSessionStore]:
    store = FileSessionStore(tmp_path / "sessions", clock)
    yield store
    await store.aclose()


@pytest.fixture
async def neighbour(tmp_path: Path, clock: FakeClock) -> AsyncIterator[FileSessionStore]:
    store = FileSessionStore(tmp_path / "caches", clock)
    yield store
    await store.aclose()


@pytest.fixture
async def reopen(
    tmp_path: Path, clock: FakeClock, store: FileSessionStore
) -> AsyncIterator[Callable[[], Awaitable[FileSessionStore]]]:
    opened = [store]

    async def reopen_store() -> FileSessionStore:
        await opened[-1].aclose()
        opened.append(FileSessionStore(tmp_path / "sessions", clock))
        return opened[-1]

    yield reopen_store
    await opened[-1].aclose()


class TestFileSessionStore(SessionStoreContractTests):
    adapter = "file"


class TestDurableFileSessionStore(DurableSessionStoreContractTests):
    adapter = "file"


class TestFileCacheStore(CacheStoreContractTests):
    adapter = "file"
