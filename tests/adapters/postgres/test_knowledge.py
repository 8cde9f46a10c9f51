"""Large knowledge documents in PostgreSQL: written in batches, without holding up anybody."""

import gc
from collections.abc import Iterator

import pytest

from adapters.postgres import knowledge
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from domain.chunking import MAX_CHUNKS, chunk_document
from domain.knowledge import GLOBAL, MAX_DOCUMENT
from ports.errors import InvalidInput
from tests.contract.knowledge.samples import a_document, chunks, places
from tests.faults.test_loop_gap import no_long_pause


@pytest.fixture
def repository(database: PostgresDatabase) -> PostgresKnowledgeRepository:
    """An empty store."""
    return PostgresKnowledgeRepository(database)


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """The collector walks through the thousands of values that the test holds, which is no work of the adapter."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_chunks_in_batches(repository: PostgresKnowledgeRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document whose chunks are sent in several batches is whole, and its index too."""
    monkeypatch.setattr(knowledge, "_BATCH", 1000)
    parts = chunks(1, *(f"disk number {number} is full" for number in range(100)))
    saved = await repository.save(a_document(1), parts)
    assert await repository.chunks_of(saved.document_id) == tuple(parts)
    assert len(await repository.search(["disk"], [GLOBAL], limit=200)) == 100
    assert places(await repository.search(["77"], [GLOBAL])) == [(1, 77)]
    assert await repository.check_integrity() == []
    await repository.save(saved, parts[:5])
    assert len(await repository.search(["disk"], [GLOBAL], limit=200)) == 5
    assert await repository.check_integrity() == []


async def test_refused_batch(repository: PostgresKnowledgeRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a later batch is refused, nothing of the earlier ones is there."""
    monkeypatch.setattr(knowledge, "_BATCH", 1)
    saved = await repository.save(a_document(1), chunks(1, "alpha"))
    parts = chunks(1, "beta", "gamma")
    with pytest.raises(InvalidInput):
        await repository.save(saved, [*parts, parts[0]])
    assert await repository.get(saved.document_id) == saved
    assert await repository.chunks_of(saved.document_id) == tuple(chunks(1, "alpha"))
    assert await repository.search(["beta", "gamma"], [GLOBAL]) == ()
    assert await repository.check_integrity() == []


@pytest.mark.timeout(300)
@pytest.mark.timed
@pytest.mark.usefixtures("no_garbage_collection")
async def test_no_pause_for_the_largest_document(repository: PostgresKnowledgeRepository) -> None:
    """The longest document, and one with the most chunks, are written, read, found and examined without a pause."""
    words = "the disk of node é runs full, restart the gateway and raise the limit. "
    content = (words * (MAX_DOCUMENT // len(words) + 1))[:MAX_DOCUMENT]
    parts = chunk_document(a_document(1).document_id, "Runbook", content)
    many = chunks(2, *(f"part {number} of the document" for number in range(MAX_CHUNKS)), heading="Runbook > Steps")
    async with no_long_pause():
        given, read = [], []
        for document, its_chunks in ((a_document(1, content=content), tuple(parts)), (a_document(2), tuple(many))):
            given.append((await repository.save(document, its_chunks), its_chunks))
            read.append((await repository.get(document.document_id), await repository.chunks_of(document.document_id)))
        assert len(await repository.search(["disk", "part"], [GLOBAL], limit=200)) == 200
        assert (await repository.list([GLOBAL])).total == 2
        assert await repository.check_integrity() == []
    # To compare them takes longer than a pause may be.
    assert read == given
