"""What every `ports.knowledge.KnowledgeRepository` must do."""

from collections.abc import Awaitable, Callable

import pytest

from domain.errors import InvalidInput
from domain.knowledge import GLOBAL
from ports.errors import StorageUnavailable
from ports.knowledge import KnowledgeRepository
from ports.paging import Page
from tests.builders import an_id
from tests.contract.data import UNSTORABLE_TEXTS
from tests.contract.guard import ContractTests
from tests.contract.knowledge.documents import KnowledgeDocumentTests
from tests.contract.knowledge.lists import KnowledgeListTests
from tests.contract.knowledge.samples import a_document, chunks
from tests.contract.knowledge.search import KnowledgeSearchTests
from tests.contract.knowledge.snapshots import KnowledgeSnapshotTests
from tests.contract.knowledge.transfer import KnowledgePutTests
from tests.contract.transfer.checkpoints import CheckpointTests

Reopen = Callable[[], Awaitable[KnowledgeRepository]]


class KnowledgeRepositoryContractTests(
    KnowledgeDocumentTests,
    KnowledgePutTests,
    KnowledgeSnapshotTests,
    KnowledgeListTests,
    KnowledgeSearchTests,
    CheckpointTests,
    ContractTests,
):
    """A subclass provides the fixture ``repository``: an empty store of its own for each test.

    A durable one also provides ``reopen``: it closes the store and opens another one on the same data. ``close`` is
    replaced where something else than the repository holds the backend open.
    """

    contract = "KnowledgeRepository"

    @pytest.fixture
    def content(self, repository: KnowledgeRepository) -> object:
        """The store, for the tests of what every kind of store may be able to do."""
        return repository

    @pytest.fixture
    def reopen(self) -> Reopen | None:
        """Close the store and open it again; None if it keeps nothing beyond the process."""
        return None

    @pytest.fixture
    def close(self, repository: KnowledgeRepository) -> Callable[[], Awaitable[None]]:
        """Let go of the store."""
        return repository.aclose  # type: ignore[attr-defined, no-any-return]

    async def test_reopen_keeps_everything(self, repository: KnowledgeRepository, reopen: Reopen | None) -> None:
        """Documents, chunks, source keys and the index are there after a restart."""
        if reopen is None:
            pytest.skip("the adapter keeps nothing beyond its process")
        saved = await repository.save(a_document(1, source_key="a.md"), chunks(1, "alpha", "beta", "gamma"))
        await repository.save(a_document(2), chunks(2, "alpha"))
        await repository.delete(an_id("kb", 2, 16))
        hits = await repository.search(["alpha"], [GLOBAL])
        again = await reopen()
        assert await again.list([GLOBAL]) == Page((saved,), 1)
        assert await again.get_by_source(GLOBAL, "a.md") == saved
        assert await again.chunks_of(saved.document_id) == tuple(chunks(1, "alpha", "beta", "gamma"))
        assert await again.search(["alpha"], [GLOBAL]) == hits
        assert (await again.save(saved, chunks(1, "delta"))).version == 2
        assert await again.search(["alpha"], [GLOBAL]) == ()

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS.values(), ids=UNSTORABLE_TEXTS)
    async def test_text_that_cannot_be_stored_is_refused(self, repository: KnowledgeRepository, text: str) -> None:
        """Nothing can have such an id or name, and no error of an engine tells so."""
        operations: list[Callable[[], Awaitable[object]]] = [
            lambda: repository.get(text),
            lambda: repository.get_by_source(GLOBAL, text),
            lambda: repository.get_chunks([text]),
            lambda: repository.chunks_of(text),
            lambda: repository.delete(text),
            lambda: repository.search([text], [GLOBAL]),
            lambda: repository.scan(after=text),
        ]
        for operation in operations:
            with pytest.raises(InvalidInput):
                await operation()

    async def test_close_refuses_every_call(
        self, repository: KnowledgeRepository, close: Callable[[], Awaitable[None]]
    ) -> None:
        """A closed store says so, whatever is asked; closing it again does nothing."""
        await repository.save(a_document(), chunks(1, "alpha"))
        await close()
        await close()
        document_id = an_id("kb", 1, 16)
        calls: list[tuple[Callable[..., Awaitable[object]], tuple[object, ...]]] = [
            (repository.save, (a_document(2), [])),
            (repository.get, (document_id,)),
            (repository.get_by_source, (GLOBAL, "a.md")),
            (repository.get_chunks, ([f"{document_id}:0"],)),
            (repository.chunks_of, (document_id,)),
            (repository.list, ([GLOBAL],)),
            (repository.delete, (document_id,)),
            (repository.search, (["alpha"], [GLOBAL])),
            (repository.scan, ()),
        ]
        for call, arguments in calls:
            with pytest.raises(StorageUnavailable):
                await call(*arguments)
