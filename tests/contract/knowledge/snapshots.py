"""Knowledge documents in a snapshot."""

import pytest

from domain.knowledge import GLOBAL
from ports.knowledge import KnowledgeRepository
from ports.transfer import SupportsDocumentTransfer
from tests.builders import an_id
from tests.contract.knowledge.samples import a_document, chunks
from tests.contract.transfer.snapshots import Change, Read, SnapshotTests, Writes


class KnowledgeSnapshotTests(SnapshotTests):
    """See `SnapshotTests`."""

    @pytest.fixture
    def change(self, repository: KnowledgeRepository) -> Change:
        """Saves a document anew, gives other chunks to the one before and deletes the one before that."""

        async def change(number: int) -> None:
            await repository.save(a_document(number, source_key=f"{number}.md"), chunks(number, "alpha", "beta"))
            if number:
                document = await repository.get(an_id("kb", number - 1, 16))
                assert document is not None
                await repository.save(document, chunks(number - 1, "alpha", "gamma", f"changed{number}"))
            if number > 1:
                await repository.delete(an_id("kb", number - 2, 16))

        return change

    @pytest.fixture
    def everything(self, repository: KnowledgeRepository) -> Read:
        """Every way of reading."""

        async def read() -> object:
            ids = [an_id("kb", number, 16) for number in range(6)]
            return (
                await repository.scan(),
                await repository.list([GLOBAL]),
                await repository.search(["alpha"], [GLOBAL]),
                [await repository.get(document_id) for document_id in ids],
                [await repository.get_by_source(GLOBAL, f"{number}.md") for number in range(6)],
                [await repository.chunks_of(document_id) for document_id in ids],
                await repository.get_chunks([f"{document_id}:1" for document_id in ids]),
            )

        return read

    @pytest.fixture
    def writes(self, repository: KnowledgeRepository) -> Writes:
        """Every write."""
        assert isinstance(repository, SupportsDocumentTransfer)
        put_many = repository.put_many
        return {
            "save": lambda: repository.save(a_document(9), chunks(9, "alpha")),
            "save over another": lambda: repository.save(a_document(0, version=1), chunks(0, "alpha")),
            "delete": lambda: repository.delete(an_id("kb", 0, 16)),
            "put_many": lambda: put_many([(a_document(9, version=2), chunks(9, "alpha"))]),
        }
