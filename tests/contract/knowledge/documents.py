"""Saving, reading and deleting documents with their chunks."""

import asyncio
from datetime import datetime

import pytest

from domain.knowledge import GLOBAL, WITHDRAWN, KnowledgeDocument, Origin
from ports.errors import AlreadyExists, Conflict
from ports.knowledge import KnowledgeRepository
from ports.paging import Page
from tests.builders import an_id, later
from tests.contract.data import INSTANTS, LEGAL_NUMBERS, LEGAL_TEXTS
from tests.contract.knowledge.samples import CASE, MINE, a_document, chunks, places


class KnowledgeDocumentTests:
    """A document and its chunks are written together and come back equal."""

    async def test_empty_at_start(self, repository: KnowledgeRepository) -> None:
        """A new store has no document and finds nothing."""
        assert await repository.get(an_id("kb", 1, 16)) is None
        assert await repository.list([GLOBAL]) == Page((), 0)
        assert await repository.scan() == ()
        assert await repository.search(["gateway"], [GLOBAL]) == ()

    async def test_save_and_get(self, repository: KnowledgeRepository) -> None:
        """Document and chunks are read back equal."""
        document = a_document()
        parts = chunks(document, "first part", "second part", heading="Runbook 1 > Steps")
        saved = await repository.save(document, parts)
        assert saved == document.replace(version=1)
        assert await repository.get(document.document_id) == saved
        assert await repository.chunks_of(document.document_id) == tuple(parts)

    async def test_save_keeps_every_part(self, repository: KnowledgeRepository) -> None:
        """No field is lost or changed on the way."""
        document = a_document(
            scope=MINE,
            tags=("b", "a", "%"),
            description="What to do",
            source_url="https://example.org/a?b=c%20d",
            origin=Origin.IMPORT,
            source_key="team/runbook.md",
            source_version="v1",
            source_sha256="0" * 64,
            edited=True,
            updated_at=later(3),
            metadata={"yes": True, "none": None, "text": "x", **LEGAL_NUMBERS},
        )
        await repository.save(document, [])
        assert await repository.get(document.document_id) == document.replace(version=1)

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_save_keeps_hostile_text(self, repository: KnowledgeRepository, text: str) -> None:
        """Text is text, in a document, its source key and its chunks."""
        document = a_document(title=text, content=text, source_key=text, metadata={text: text})
        parts = chunks(document, text, heading=text)
        saved = await repository.save(document, parts)
        assert await repository.get_by_source(GLOBAL, saved.source_key or "") == saved
        assert await repository.chunks_of(document.document_id) == tuple(parts)

    async def test_save_keeps_a_large_document(self, repository: KnowledgeRepository) -> None:
        """A document of a megabyte and its thousand chunks are kept whole."""
        document = a_document(content="é" * 1_000_000)
        parts = chunks(document, *(f"part {number} of the document" for number in range(1000)))
        saved = await repository.save(document, parts)
        assert await repository.get(document.document_id) == saved
        assert await repository.chunks_of(document.document_id) == tuple(parts)
        assert places(await repository.search(["777"], [GLOBAL])) == [(1, 777)]

    @pytest.mark.parametrize("at", INSTANTS.values(), ids=INSTANTS.keys())
    async def test_save_keeps_instants_to_the_microsecond(self, repository: KnowledgeRepository, at: datetime) -> None:
        """Any instant of the calendar comes back as the same instant."""
        saved = await repository.save(a_document(created_at=at, updated_at=at), [])
        assert saved.created_at == at
        assert (await repository.list([GLOBAL])).items == (saved,)

    async def test_save_replaces_the_chunks(self, repository: KnowledgeRepository) -> None:
        """After an update only the new chunks exist and are found."""
        saved = await repository.save(a_document(), chunks(1, "alpha", "beta", "gamma"))
        parts = chunks(1, "delta", "beta")
        again = await repository.save(saved, parts)
        assert again.version == 2
        assert await repository.chunks_of(saved.document_id) == tuple(parts)
        assert await repository.get_chunks([f"{saved.document_id}:2"]) == ()
        for term in ("alpha", "gamma"):
            assert await repository.search([term], [GLOBAL]) == ()
        assert places(await repository.search(["delta"], [GLOBAL])) == [(1, 0)]
        assert places(await repository.search(["beta"], [GLOBAL])) == [(1, 1)]

    async def test_save_stale_version(self, repository: KnowledgeRepository) -> None:
        """A conflict says what is stored and leaves document, chunks and index as they were."""
        old = await repository.save(a_document(), chunks(1, "alpha"))
        new = await repository.save(old, chunks(1, "beta"))
        for stale, expected in ((old, 1), (a_document(), 0), (new.replace(version=9), 9)):
            with pytest.raises(Conflict) as conflict:
                await repository.save(stale, chunks(1, "gamma"))
            assert (conflict.value.expected, conflict.value.actual) == (expected, 2)
        assert await repository.get(old.document_id) == new
        assert await repository.chunks_of(old.document_id) == tuple(chunks(1, "beta"))
        assert await repository.search(["gamma"], [GLOBAL]) == ()

    async def test_save_deleted_document(self, repository: KnowledgeRepository) -> None:
        """An update does not bring a deleted document back."""
        saved = await repository.save(a_document(), chunks(1, "alpha"))
        await repository.delete(saved.document_id)
        with pytest.raises(Conflict) as conflict:
            await repository.save(saved, chunks(1, "alpha"))
        assert (conflict.value.expected, conflict.value.actual) == (1, None)
        assert await repository.search(["alpha"], [GLOBAL]) == ()

    async def test_save_same_version_at_once(self, repository: KnowledgeRepository) -> None:
        """Of many writers of the same version exactly one wins, with all of its chunks."""
        base = await repository.save(a_document(), chunks(1, "start"))
        results = await asyncio.gather(
            *(
                repository.save(base.replace(title=f"Writer {n}"), chunks(1, f"writer{n}", f"again{n}"))
                for n in range(8)
            ),
            return_exceptions=True,
        )
        winners = [result for result in results if isinstance(result, KnowledgeDocument)]
        assert len(winners) == 1
        assert [type(result) for result in results if not isinstance(result, KnowledgeDocument)] == [Conflict] * 7
        number = winners[0].title.removeprefix("Writer ")
        assert await repository.get(base.document_id) == winners[0]
        assert await repository.chunks_of(base.document_id) == tuple(chunks(1, f"writer{number}", f"again{number}"))

    async def test_save_taken_source_key(self, repository: KnowledgeRepository) -> None:
        """A source key is unique in its scope; the second document and its chunks are not stored."""
        first = await repository.save(a_document(1, source_key="a.md"), [])
        with pytest.raises(AlreadyExists) as error:
            await repository.save(a_document(2, source_key="a.md"), chunks(2, "alpha"))
        assert error.value.field == "source_key"
        assert await repository.get(an_id("kb", 2, 16)) is None
        assert await repository.chunks_of(an_id("kb", 2, 16)) == ()
        assert await repository.search(["alpha"], [GLOBAL]) == ()
        second = await repository.save(a_document(2, source_key="b.md"), chunks(2, "alpha"))
        with pytest.raises(AlreadyExists):
            await repository.save(second.replace(source_key="a.md"), chunks(2, "beta"))
        assert await repository.get(second.document_id) == second
        assert await repository.chunks_of(second.document_id) == tuple(chunks(2, "alpha"))
        assert await repository.get_by_source(GLOBAL, "a.md") == first

    async def test_save_source_keys_of_scopes(self, repository: KnowledgeRepository) -> None:
        """The same source key in another scope is another one; documents without a key do not collide."""
        saved = [
            await repository.save(a_document(number, scope=scope, source_key="a.md"), [])
            for number, scope in enumerate((GLOBAL, MINE, CASE, WITHDRAWN), start=1)
        ]
        for document in saved:
            assert await repository.get_by_source(document.scope, "a.md") == document
        await repository.save(a_document(5), [])
        await repository.save(a_document(6), [])
        assert (await repository.list([GLOBAL])).total == 3

    async def test_get_by_source_is_exact(self, repository: KnowledgeRepository) -> None:
        """A source key is compared letter by letter, in its scope alone."""
        await repository.save(a_document(source_key="a_b.md"), [])
        for key in ("A_B.md", "axb.md", "%", "a_b", ""):
            assert await repository.get_by_source(GLOBAL, key) is None
        assert await repository.get_by_source(MINE, "a_b.md") is None

    async def test_save_moves_a_document(self, repository: KnowledgeRepository) -> None:
        """A document in another scope is found there alone, and its old source key is free."""
        saved = await repository.save(a_document(source_key="a.md"), chunks(1, "alpha"))
        moved = await repository.save(saved.replace(scope=WITHDRAWN), chunks(1, "alpha"))
        assert await repository.get_by_source(GLOBAL, "a.md") is None
        assert await repository.get_by_source(WITHDRAWN, "a.md") == moved
        assert await repository.list([GLOBAL]) == Page((), 0)
        assert await repository.search(["alpha"], [GLOBAL]) == ()
        assert places(await repository.search(["alpha"], [WITHDRAWN])) == [(1, 0)]
        await repository.save(a_document(2, source_key="a.md"), [])

    async def test_get_unknown(self, repository: KnowledgeRepository) -> None:
        """What is not there is None or empty, and no error."""
        await repository.save(a_document(), chunks(1, "alpha"))
        for document_id in (an_id("kb", 2, 16), "", "%", "kb_%", "' OR 1=1 --"):
            assert await repository.get(document_id) is None
            assert await repository.chunks_of(document_id) == ()
            assert await repository.delete(document_id) is False

    async def test_get_chunks_in_the_order_asked_for(self, repository: KnowledgeRepository) -> None:
        """Chunks come as they are asked for, from several documents; unknown ids are left out."""
        one, two = chunks(1, "a", "b", "c"), chunks(2, "d")
        await repository.save(a_document(1), one)
        await repository.save(a_document(2), two)
        asked = [one[2].chunk_id, "nobody", two[0].chunk_id, one[0].chunk_id, "%"]
        assert await repository.get_chunks(asked) == (one[2], two[0], one[0])
        assert await repository.get_chunks([]) == ()

    async def test_get_many_chunks(self, repository: KnowledgeRepository) -> None:
        """There is no small limit to how many chunks can be asked for at once."""
        parts = chunks(1, *(f"part {number}" for number in range(2000)))
        await repository.save(a_document(), parts)
        assert await repository.get_chunks([chunk.chunk_id for chunk in reversed(parts)]) == tuple(reversed(parts))

    async def test_chunks_of_by_position(self, repository: KnowledgeRepository) -> None:
        """Chunks stand by position, as numbers and however they were handed in."""
        parts = chunks(1, *(f"part {number}" for number in range(12)))
        await repository.save(a_document(), list(reversed(parts)))
        assert await repository.chunks_of(an_id("kb", 1, 16)) == tuple(parts)

    async def test_delete(self, repository: KnowledgeRepository) -> None:
        """Document, chunks, source key and index entries go together; others stay."""
        kept = await repository.save(a_document(1), chunks(1, "alpha one"))
        gone = await repository.save(a_document(2, source_key="a.md"), chunks(2, "alpha two"))
        assert await repository.delete(gone.document_id) is True
        assert await repository.delete(gone.document_id) is False
        assert await repository.get(gone.document_id) is None
        assert await repository.get_by_source(GLOBAL, "a.md") is None
        assert await repository.chunks_of(gone.document_id) == ()
        assert await repository.get_chunks([f"{gone.document_id}:0"]) == ()
        assert places(await repository.search(["alpha"], [GLOBAL])) == [(1, 0)]
        assert await repository.list([GLOBAL]) == Page((kept,), 1)
        again = await repository.save(a_document(2, source_key="a.md"), [])
        assert again.version == 1
