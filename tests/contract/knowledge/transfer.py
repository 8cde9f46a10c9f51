"""The optional ability to take documents with their chunks as they are, many at once."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from domain.errors import InvalidInput
from domain.knowledge import GLOBAL, WITHDRAWN, Chunk, KnowledgeDocument
from ports.errors import AlreadyExists
from ports.knowledge import KnowledgeRepository
from ports.transfer import SupportsCheckpoints, SupportsDocumentTransfer, SupportsTransactions
from tests.builders import an_id
from tests.contract.data import INSTANTS, LEGAL_NUMBERS, LEGAL_TEXTS
from tests.contract.knowledge.samples import MINE, a_document, chunks, places
from tests.contract.transfer.checkpoints import Abort

Everything = list[tuple[KnowledgeDocument, tuple[Chunk, ...]]]


def transfer(repository: KnowledgeRepository) -> SupportsDocumentTransfer:
    """The repository, if it takes documents as they are."""
    if not isinstance(repository, SupportsDocumentTransfer):
        pytest.skip("the adapter takes no documents as they are")
    return repository


async def everything(repository: KnowledgeRepository) -> Everything:
    """All documents with their chunks."""
    return [(document, await repository.chunks_of(document.document_id)) for document in await repository.scan()]


def as_stored(documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]]) -> Everything:
    """The documents as `everything` gives them."""
    return [(document, tuple(parts)) for document, parts in documents]


class KnowledgePutTests:
    """Documents are stored as they are, all or none; who is behind stays behind."""

    async def test_put_many(self, repository: KnowledgeRepository) -> None:
        """Documents keep their versions and chunks, and are found like others."""
        documents = [
            (
                a_document(number, version=number, source_key=f"{number}.md", metadata=LEGAL_NUMBERS),
                chunks(number, f"unique{number} common", "second", heading="Steps"),
            )
            for number in range(1, 81)
        ]
        documents.append((a_document(99, version=2, scope=MINE), []))
        await transfer(repository).put_many(list(reversed(documents)))
        assert await everything(repository) == as_stored(documents)
        assert places(await repository.search(["unique42"], [GLOBAL])) == [(42, 0)]
        assert await repository.get_by_source(GLOBAL, "42.md") == documents[41][0]
        assert (await repository.save(documents[41][0], [])).version == 43

    async def test_put_many_of_none(self, repository: KnowledgeRepository) -> None:
        """Nothing to store is no error."""
        await transfer(repository).put_many([])
        assert await everything(repository) == []

    async def test_put_many_large_documents(self, repository: KnowledgeRepository) -> None:
        """Documents of a megabyte and a thousand chunks are kept whole, and what is found has the same score."""
        parts = [chunks(number, *(f"part {each} of {number}" for each in range(1000))) for number in (1, 2)]
        documents = [(a_document(number, version=1, content="é" * 1_000_000), parts[number - 1]) for number in (1, 2)]
        await transfer(repository).put_many(documents)
        hits = await repository.search(["777"], [GLOBAL])
        assert places(hits) == [(1, 777), (2, 777)]
        assert await everything(repository) == as_stored(documents)
        for document, each in documents:
            await repository.save(document, each)
        assert await repository.search(["777"], [GLOBAL]) == hits

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_put_many_keeps_hostile_text(self, repository: KnowledgeRepository, text: str) -> None:
        """Text is text, beside other texts."""
        hostile = a_document(2, version=3, title=text, content=text, source_key=text, metadata={text: text})
        documents = [
            (a_document(1, version=1), chunks(1, "alpha")),
            (hostile, chunks(2, text, "beta", heading=text)),
            (a_document(3, version=1), chunks(3, "gamma")),
        ]
        await transfer(repository).put_many(documents)
        assert await everything(repository) == as_stored(documents)
        assert await repository.get_by_source(GLOBAL, hostile.source_key or "") == hostile

    @pytest.mark.parametrize("at", INSTANTS.values(), ids=INSTANTS.keys())
    async def test_put_many_keeps_instants_to_the_microsecond(
        self, repository: KnowledgeRepository, at: datetime
    ) -> None:
        """Any instant of the calendar is the same instant as that of a document that was saved, also for the order."""
        saved = await repository.save(a_document(2, created_at=at, updated_at=at), [])
        documents = [a_document(number, version=1, created_at=at, updated_at=at) for number in (1, 3)]
        await transfer(repository).put_many([(document, []) for document in documents])
        assert (await repository.list([GLOBAL])).items == (documents[0], saved, documents[1])

    async def test_put_many_over_other_versions(self, repository: KnowledgeRepository) -> None:
        """A lower version is replaced with all its chunks; the same and a higher one stay with theirs."""
        await repository.save(a_document(1, source_key="old.md"), chunks(1, "alpha", "beta", "gamma"))
        second = await repository.save(a_document(2), chunks(2, "delta"))
        third = await repository.save(await repository.save(a_document(3), []), chunks(3, "epsilon"))
        newer = a_document(1, version=4, source_key="new.md", scope=WITHDRAWN)
        await transfer(repository).put_many(
            [
                (newer, chunks(1, "zeta")),
                (a_document(2, version=1, title="Equal"), chunks(2, "lost")),
                (a_document(3, version=1, title="Older"), chunks(3, "lost", "lost")),
            ]
        )
        assert await everything(repository) == [
            (newer, tuple(chunks(1, "zeta"))),
            (second, tuple(chunks(2, "delta"))),
            (third, tuple(chunks(3, "epsilon"))),
        ]
        assert await repository.search(["alpha", "lost"], [GLOBAL, WITHDRAWN]) == ()
        assert places(await repository.search(["zeta"], [WITHDRAWN])) == [(1, 0)]
        assert await repository.get_by_source(GLOBAL, "old.md") is None
        assert (await repository.save(a_document(4, source_key="old.md"), [])).version == 1

    async def test_put_many_with_exchanged_source_keys(self, repository: KnowledgeRepository) -> None:
        """Documents of one call may have exchanged their source keys, in a ring too."""
        for number in (1, 2, 3):
            await repository.save(a_document(number, source_key=f"{number}.md"), chunks(number, "alpha"))
        ring = [
            (a_document(number, version=2, source_key=f"{number % 3 + 1}.md"), chunks(number, "beta"))
            for number in (1, 2, 3)
        ]
        await transfer(repository).put_many(ring)
        assert await everything(repository) == as_stored(ring)
        for document, _ in ring:
            assert await repository.get_by_source(GLOBAL, document.source_key or "") == document

    @pytest.mark.parametrize("whose", ["a stranger's", "one that stays", "twice"])
    async def test_put_many_with_a_taken_source_key(self, repository: KnowledgeRepository, whose: str) -> None:
        """A source key that another document keeps, or two get, keeps all of them out."""
        await repository.save(a_document(1, source_key="1.md"), chunks(1, "alpha"))
        await repository.save(a_document(2, source_key="2.md"), chunks(2, "alpha"))
        before = await everything(repository)
        batch = [
            (a_document(1, version=3, title="Changed", source_key="1.md"), chunks(1, "beta")),
            (a_document(4, version=1, source_key="2.md"), chunks(4, "beta")),
        ]
        if whose == "one that stays":
            batch.append((a_document(2, version=1, source_key="elsewhere.md"), []))
        elif whose == "twice":
            batch.append((a_document(2, version=2, source_key="other.md"), []))
            batch.append((a_document(5, version=1, source_key="2.md"), []))
        with pytest.raises(AlreadyExists) as error:
            await transfer(repository).put_many(batch)
        assert (error.value.kind, error.value.field) == ("document", "source_key")
        assert await everything(repository) == before
        assert await repository.search(["beta"], [GLOBAL]) == ()
        assert await repository.get_by_source(GLOBAL, "2.md") == before[1][0]

    @pytest.mark.parametrize("second", [(2, 0), (1, 3)], ids=["version 0", "twice"])
    async def test_put_many_is_all_or_none(self, repository: KnowledgeRepository, second: tuple[int, int]) -> None:
        """One document that was never stored, or stands twice, keeps all of them out."""
        number, version = second
        batch = [(a_document(1, version=2), chunks(1, "alpha")), (a_document(number, version=version), [])]
        with pytest.raises(InvalidInput):
            await transfer(repository).put_many(batch)
        assert await everything(repository) == []

    async def test_put_many_in_a_transaction(self, repository: KnowledgeRepository) -> None:
        """Documents and a checkpoint are committed, or rolled back, together; a refused call leaves the block alone."""
        target = transfer(repository)
        if not isinstance(repository, SupportsCheckpoints) or not isinstance(repository, SupportsTransactions):
            pytest.skip("the adapter has no transactions")
        await repository.save(a_document(1, source_key="1.md"), chunks(1, "alpha"))
        before = await everything(repository)

        async def copy(*, fail: bool) -> None:
            async with repository.begin_transaction():
                await target.put_many([(a_document(1, version=2), chunks(1, "beta")), (a_document(2, version=1), [])])
                await target.put_many([(a_document(3, version=1, source_key="3.md"), [])])
                with pytest.raises(AlreadyExists):
                    await target.put_many([(a_document(4, version=1, source_key="3.md"), chunks(4, "gamma"))])
                await repository.write_checkpoint("copy", "3 documents")
                if fail:
                    raise Abort

        with pytest.raises(Abort):
            await copy(fail=True)
        assert await everything(repository) == before
        assert await repository.read_checkpoint("copy") is None
        await copy(fail=False)
        assert [document.version for document, _ in await everything(repository)] == [2, 1, 1]
        assert await repository.read_checkpoint("copy") == "3 documents"
        assert await repository.get(an_id("kb", 4, 16)) is None
