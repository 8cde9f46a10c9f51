"""What every `ports.vectors.VectorStore` must do."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from domain.filter import parse_filter
from ports.capabilities import Closeable
from ports.errors import StorageUnavailable
from ports.transfer import SupportsCheckpoints, SupportsTransactions
from ports.vectors import VectorStore
from tests.contract.guard import ContractTests
from tests.contract.transfer.checkpoints import CheckpointTests
from tests.contract.vectors.data import a_record, a_vector, clusters, everything, ids, put, put_matrix
from tests.contract.vectors.filtering import VectorFilterTests
from tests.contract.vectors.searching import VectorScanTests, VectorSearchTests
from tests.contract.vectors.writing import VectorChangingTests, VectorWritingTests

Reopen = Callable[[], Awaitable[VectorStore]]


class VectorStoreContractTests(
    VectorWritingTests,
    VectorChangingTests,
    VectorSearchTests,
    VectorScanTests,
    VectorFilterTests,
    CheckpointTests,
    ContractTests,
):
    """A subclass provides the fixture ``store``: an empty store in `tests.contract.vectors.data.SPACE`.

    Where ``store`` is emptied for each test instead of opened, ``separate`` is a store that the test may close. A
    durable adapter also provides ``reopen``: it closes ``separate`` and opens another one on the same data.
    """

    contract = "VectorStore"
    noise = 0.0
    """By how much distances may differ before and after a restart."""

    @pytest.fixture
    def separate(self, store: VectorStore) -> VectorStore:
        """An empty store that belongs to the test alone."""
        return store

    @pytest.fixture
    def content(self, request: pytest.FixtureRequest) -> object:
        """The store, for the tests of what every kind of store may be able to do."""
        ends = {"close", "reopen"} & set(request.fixturenames)
        return request.getfixturevalue("separate" if ends else "store")

    @pytest.fixture
    def close(self, separate: VectorStore) -> Callable[[], Awaitable[None]]:
        """Let go of the store."""
        assert isinstance(separate, Closeable)
        return separate.aclose

    @pytest.fixture
    def reopen(self) -> Reopen | None:
        """Close the store and open it again; None if it keeps nothing beyond the process."""
        return None

    async def test_reopen_keeps_everything(self, separate: VectorStore, reopen: Reopen | None) -> None:
        """Records and index are there after a restart, and so is what was removed gone."""
        if reopen is None:
            pytest.skip("the adapter keeps nothing beyond its process")
        matrix = clusters(seed=8, groups=30, size=20)
        names = await put_matrix(separate, matrix)
        await separate.delete(names[:10])
        await separate.update(names[10:20], metadatas=[{"new": "yes"}] * 10)
        before = await everything(separate)
        hits = await separate.query(matrix[300].tolist(), 20)
        again = await reopen()
        assert await everything(again) == before
        found = await again.query(matrix[300].tolist(), 20)
        assert [replace(hit, distance=0.0) for hit in found] == [replace(hit, distance=0.0) for hit in hits]
        assert [hit.distance for hit in found] == pytest.approx([hit.distance for hit in hits], rel=0, abs=self.noise)
        assert await again.count() == 590
        assert set(ids(await again.query(a_vector(1.0), 20, parse_filter({"new": "yes"})))) == set(names[10:20])
        await put(again, a_record(1))
        assert await again.get([a_record(1).id]) == (a_record(1),)

    async def test_checkpoints_are_no_records(self, store: VectorStore) -> None:
        """Nothing that lists, counts, finds or removes records meets them."""
        if not isinstance(store, SupportsCheckpoints):
            pytest.skip("the adapter keeps no checkpoints")
        await store.write_checkpoint("copy", "text")
        assert await store.count() == 0
        assert await store.scan() == ()
        assert await store.get(["copy"]) == ()
        assert await store.query(a_vector(1.0)) == ()
        assert await store.delete(["copy"]) == 0
        await put(store, a_record(1))
        assert await everything(store) == [a_record(1)]
        assert await store.read_checkpoint("copy") == "text"

    async def test_vectors_belong_to_the_transaction(self, store: VectorStore) -> None:
        """With all that the task writes."""
        if not isinstance(store, SupportsTransactions):
            pytest.skip("the adapter has no transactions")
        await put(store, a_record(1))

        async def fail() -> None:
            async with store.begin_transaction():
                await put(store, *(a_record(number) for number in range(2, 300)))
                await store.delete([a_record(1).id])
                await store.update([a_record(2).id], documents=["new"])
                assert await store.count() == 298
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await everything(store) == [a_record(1)]
        async with store.begin_transaction():
            await put(store, a_record(2))
        assert await store.count() == 2

    async def test_close_refuses_every_call(self, separate: VectorStore) -> None:
        """A closed store says so, whatever is asked; closing it again does nothing."""
        await put(separate, a_record(1))
        assert isinstance(separate, Closeable)
        await separate.aclose()
        await separate.aclose()
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: put(separate, a_record(2)),
            lambda: separate.query(a_vector(1.0)),
            lambda: separate.get([a_record(1).id]),
            lambda: separate.delete([a_record(1).id]),
            lambda: separate.update([a_record(1).id], documents=["x"]),
            separate.count,
            separate.scan,
        ]
        for call in calls:
            with pytest.raises(StorageUnavailable):
                await call()
