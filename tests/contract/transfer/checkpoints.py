"""The optional ability to keep small notes beside the content."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from domain.errors import InvalidInput
from ports.capabilities import SupportsIntegrityCheck
from ports.errors import StorageUnavailable
from ports.transfer import MAX_CHECKPOINT_BYTES, SupportsCheckpoints, SupportsTransactions
from tests.contract.data import LEGAL_TEXTS, UNSTORABLE_TEXTS

REFUSED_NAMES = ("", " ", "Upper", "with space", "dotted.name", "a/b", "ä", "x" * 65, "line\n")

NAMES = ("copy", "copy-2", "other", "a_b-9", "x" * 64)
"""What the tests write under."""

Reopen = Callable[[], Awaitable[Any]]


class Abort(Exception):
    """Ends a transaction from inside."""


def checkpoints(store: object) -> SupportsCheckpoints:
    """The store, if it keeps checkpoints."""
    if not isinstance(store, SupportsCheckpoints):
        pytest.skip("the adapter keeps no checkpoints")
    return store


async def forget_checkpoints(store: object) -> None:
    """Remove what the tests have written, from a store that the next one shall find empty."""
    if isinstance(store, SupportsCheckpoints):
        for name in NAMES:
            await store.write_checkpoint(name, None)


class DurableCheckpointTests:
    """Checkpoints are as durable as the content. A contract provides ``content``, the store under test, and ``reopen``,
    which closes it and opens it again.
    """

    async def test_checkpoint_is_durable(self, content: object, reopen: Reopen | None) -> None:
        """A checkpoint is there after a restart, and the content has the same location."""
        store = checkpoints(content)
        if reopen is None:
            pytest.skip("the adapter keeps nothing beyond its process")
        await store.write_checkpoint("kept", "text")
        await store.write_checkpoint("removed", "text")
        await store.write_checkpoint("removed", None)
        location = store.location
        again = checkpoints(await reopen())
        assert again.location == location
        assert await again.read_checkpoint("kept") == "text"
        assert await again.read_checkpoint("removed") is None


class OpenCheckpointTests:
    """Texts are kept under names. A contract provides ``content``, the store under test, and ``close``."""

    async def test_checkpoint_is_kept(self, content: object) -> None:
        """What was written last is read, each name for itself; None removes it."""
        store = checkpoints(content)
        assert await store.read_checkpoint("copy") is None
        await store.write_checkpoint("copy", "first")
        await store.write_checkpoint("copy-2", "")
        await store.write_checkpoint("copy", "second")
        assert await store.read_checkpoint("copy") == "second"
        assert await store.read_checkpoint("copy-2") == ""
        await store.write_checkpoint("copy", None)
        await store.write_checkpoint("copy", None)
        assert await store.read_checkpoint("copy") is None
        assert await store.read_checkpoint("copy-2") == ""

    async def test_checkpoint_keeps_any_text(self, content: object) -> None:
        """Text is text, up to the limit in bytes."""
        store = checkpoints(content)
        largest = ("é" * MAX_CHECKPOINT_BYTES)[: MAX_CHECKPOINT_BYTES // 2]
        for text in (*LEGAL_TEXTS.values(), "x" * MAX_CHECKPOINT_BYTES, largest):
            await store.write_checkpoint("a_b-9", text)
            assert await store.read_checkpoint("a_b-9") == text

    async def test_checkpoint_refuses_other_names_and_texts(self, content: object) -> None:
        """What breaks the limits is refused everywhere alike, and what was there stays."""
        store = checkpoints(content)
        await store.write_checkpoint("x" * 64, "kept")
        for name in REFUSED_NAMES:
            with pytest.raises(InvalidInput):
                await store.write_checkpoint(name, "text")
            with pytest.raises(InvalidInput):
                await store.write_checkpoint(name, None)
            with pytest.raises(InvalidInput):
                await store.read_checkpoint(name)
        for text in (
            "x" * (MAX_CHECKPOINT_BYTES + 1),
            "é" * (MAX_CHECKPOINT_BYTES // 2 + 1),
            *UNSTORABLE_TEXTS.values(),
        ):
            with pytest.raises(InvalidInput):
                await store.write_checkpoint("x" * 64, text)
        assert await store.read_checkpoint("x" * 64) == "kept"

    async def test_checkpoint_is_no_problem(self, content: object) -> None:
        """The examination of the store finds nothing wrong with it."""
        await checkpoints(content).write_checkpoint("copy", "text")
        if not isinstance(content, SupportsIntegrityCheck):
            pytest.skip("the adapter cannot examine what it stores")
        assert list(await content.check_integrity()) == []

    async def test_checkpoint_belongs_to_the_transaction(self, content: object) -> None:
        """It is committed or rolled back with all that the task writes."""
        store = checkpoints(content)
        if not isinstance(content, SupportsTransactions):
            pytest.skip("the adapter has no transactions")
        async with content.begin_transaction():
            await store.write_checkpoint("copy", "first")
            assert await store.read_checkpoint("copy") == "first"

        async def fail() -> None:
            async with content.begin_transaction():
                await store.write_checkpoint("copy", "second")
                await store.write_checkpoint("other", "second")
                raise Abort

        with pytest.raises(Abort):
            await fail()
        assert await store.read_checkpoint("copy") == "first"
        assert await store.read_checkpoint("other") is None

    async def test_checkpoint_of_a_closed_store(self, content: object, close: Callable[[], Awaitable[None]]) -> None:
        """A closed store says so."""
        store = checkpoints(content)
        await close()
        with pytest.raises(StorageUnavailable):
            await store.read_checkpoint("copy")
        with pytest.raises(StorageUnavailable):
            await store.write_checkpoint("copy", "text")


class CheckpointTests(OpenCheckpointTests, DurableCheckpointTests):
    """Both, for a contract that has ``reopen`` and ``close`` as `CaseRepositoryContractTests` has them."""
