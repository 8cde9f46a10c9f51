"""What every `ports.knowledge.KnowledgeRepository` must do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from math import log
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.knowledge import GLOBAL, WITHDRAWN, Chunk, KnowledgeDocument, KnowledgeType, Origin, Scope
from domain.terms import terms
from ports.errors import AlreadyExists, Conflict, StorageUnavailable
from ports.knowledge import KnowledgeRepository, TextHit
from ports.paging import MAX_LIMIT, MAX_OFFSET, Page
from tests.builders import AT, OWNER, an_id, later
from tests.contract.data import INSTANTS, LEGAL_NUMBERS, LEGAL_TEXTS
from tests.contract.guard import ContractTests

Reopen = Callable[[], Awaitable[KnowledgeRepository]]

MINE = Scope.for_user(OWNER)
CASE = Scope.for_case(an_id("case", 1))


def a_document(number: int = 1, **overrides: Any) -> KnowledgeDocument:
    """The ``number``-th document, global."""
    content = overrides.get("content", f"Runbook {number}: restart the gateway.")
    values = {
        "document_id": an_id("kb", number, 16),
        "scope": GLOBAL,
        "title": f"Runbook {number}",
        "content": content,
        "content_sha256": sha256(content.encode()).hexdigest(),
        "document_type": KnowledgeType.PLAYBOOK,
        "origin": Origin.UPLOAD,
        "created_by": OWNER,
        "created_at": AT,
        "updated_at": AT,
    }
    return KnowledgeDocument.model_validate({**values, **overrides})


def chunks(document: KnowledgeDocument | int, *texts: str, heading: str = "") -> list[Chunk]:
    """The chunks of a document, one for each text."""
    document_id = an_id("kb", document, 16) if isinstance(document, int) else document.document_id
    return [
        Chunk(
            chunk_id=f"{document_id}:{position}",
            document_id=document_id,
            position=position,
            heading=heading,
            text=text,
        )
        for position, text in enumerate(texts)
    ]


def ids(documents: Sequence[KnowledgeDocument]) -> list[str]:
    """The ids of the documents, in order."""
    return [document.document_id for document in documents]


def places(hits: Sequence[TextHit]) -> list[tuple[int, int]]:
    """Number of the document and position of the chunk of each hit, in order."""
    return [(int(hit.chunk.document_id.removeprefix("kb_"), 16), hit.chunk.position) for hit in hits]


def bm25(query: Sequence[str], chunk: Chunk, store: Sequence[Chunk]) -> float:
    """The score by the book, computed from the texts alone."""
    bags = [terms(f"{each.heading}\n{each.text}") for each in store]
    bag = terms(f"{chunk.heading}\n{chunk.text}")
    mean = sum(map(len, bags)) / len(bags)
    score = 0.0
    for term in set(query):
        having = sum(term in each for each in bags)
        idf = max(log((len(bags) - having + 0.5) / (having + 0.5)), 1e-6)
        count = bag.count(term)
        score += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(bag) / mean))
    return score


class KnowledgeRepositoryContractTests(ContractTests):
    """A subclass provides the fixture ``repository``: an empty store of its own for each test.

    A durable one also provides ``reopen``: it closes the store and opens another one on the same data. ``close`` is
    replaced where something else than the repository holds the backend open.
    """

    contract = "KnowledgeRepository"

    @pytest.fixture
    def reopen(self) -> Reopen | None:
        """Close the store and open it again; None if it keeps nothing beyond the process."""
        return None

    @pytest.fixture
    def close(self, repository: KnowledgeRepository) -> Callable[[], Awaitable[None]]:
        """Let go of the store."""
        return repository.aclose  # type: ignore[attr-defined, no-any-return]

    # ---------------------------------------------------------------- documents

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

    # ---------------------------------------------------------------- lists

    async def test_list_of_scopes(self, repository: KnowledgeRepository) -> None:
        """Only the scopes asked for; none without scopes."""
        for number, scope in enumerate((GLOBAL, MINE, CASE, WITHDRAWN, Scope.for_user("other")), start=1):
            await repository.save(a_document(number, scope=scope), [])
        page = await repository.list([MINE, GLOBAL])
        assert (ids(page.items), page.total) == ([an_id("kb", number, 16) for number in (1, 2)], 2)
        assert ids((await repository.list([CASE, CASE])).items) == [an_id("kb", 3, 16)]
        assert await repository.list([]) == Page((), 0)
        assert await repository.list([Scope.for_user("%")]) == Page((), 0)

    async def test_list_newest_first(self, repository: KnowledgeRepository) -> None:
        """The newest document comes first, equal ones by id."""
        for number, created in ((3, 1), (1, 1), (2, 9), (4, 0)):
            await repository.save(a_document(number, created_at=later(created)), [])
        assert ids((await repository.list([GLOBAL])).items) == [an_id("kb", number, 16) for number in (2, 1, 3, 4)]

    async def test_list_of_a_type(self, repository: KnowledgeRepository) -> None:
        """Only documents of the type, counted alone."""
        await repository.save(a_document(1), [])
        faq = await repository.save(a_document(2, document_type=KnowledgeType.FAQ), [])
        assert await repository.list([GLOBAL], document_type=KnowledgeType.FAQ) == Page((faq,), 1)
        assert await repository.list([GLOBAL], document_type=KnowledgeType.OTHER) == Page((), 0)

    @pytest.mark.parametrize("limit", [1, 3, 7, 20])
    async def test_list_pages_fit_together(self, repository: KnowledgeRepository, limit: int) -> None:
        """With many equal instants, pages of any size meet each document once."""
        for number in range(1, 16):
            await repository.save(
                a_document(number, scope=(GLOBAL, MINE)[number % 2], created_at=later(number % 3)), []
            )
        whole = await repository.list([GLOBAL, MINE], limit=200)
        pages = [await repository.list([GLOBAL, MINE], limit=limit, offset=offset) for offset in range(0, 15, limit)]
        assert [document for page in pages for document in page] == list(whole)
        assert {page.total for page in pages} == {15}
        assert await repository.list([GLOBAL, MINE], offset=15) == Page((), 15)

    @pytest.mark.parametrize(("limit", "offset"), [(-1, 0), (MAX_LIMIT + 1, 0), (10, -1), (10, MAX_OFFSET + 1)])
    async def test_list_refuses_bad_pages(self, repository: KnowledgeRepository, limit: int, offset: int) -> None:
        """A page outside the bounds is refused, without scopes too."""
        for scopes in ([GLOBAL], []):
            with pytest.raises(InvalidInput):
                await repository.list(scopes, limit=limit, offset=offset)
        if offset == 0:
            with pytest.raises(InvalidInput):
                await repository.scan(limit=limit)
            with pytest.raises(InvalidInput):
                await repository.search(["x"], [GLOBAL], limit=limit)

    @pytest.mark.parametrize("limit", [1, 3, 100])
    async def test_scan_meets_every_document_once(self, repository: KnowledgeRepository, limit: int) -> None:
        """All documents of all scopes in the order of their ids, though others come and go between the pages."""
        for number in (50, 30, 160, 10, 90):
            await repository.save(a_document(number, scope=(GLOBAL, MINE, WITHDRAWN)[number % 3]), [])
        await repository.save(a_document(11), [])
        met: list[str] = []
        while page := await repository.scan(after=met[-1] if met else None, limit=limit):
            assert len(page) <= limit
            met.extend(ids(page))
            await repository.delete(an_id("kb", 11, 16))
            if await repository.get(an_id("kb", 5, 16)) is None:
                await repository.save(a_document(5), [])
        assert met == sorted(set(met))
        assert {an_id("kb", number, 16) for number in (10, 30, 50, 90, 160)} <= set(met)

    # ---------------------------------------------------------------- search

    async def test_search_finds_any_term(self, repository: KnowledgeRepository) -> None:
        """One of the terms is enough, in text or heading; a piece of a term is not."""
        await repository.save(a_document(1), chunks(1, "redis evicts keys", "nothing here"))
        await repository.save(a_document(2), chunks(2, "unrelated", heading="Redis"))
        await repository.save(a_document(3), chunks(3, "redisson"))
        assert sorted(places(await repository.search(["redis", "missing"], [GLOBAL]))) == [(1, 0), (2, 0)]
        assert await repository.search(["redi"], [GLOBAL]) == ()

    async def test_search_uses_the_terms_of_the_domain(self, repository: KnowledgeRepository) -> None:
        """The index holds what `domain.terms.terms` makes of a text: compounds and their parts, stems, any script."""
        texts = ("KubePodCrashLooping", "the pods crashed", "Straße ÉCHEC", "数据库 连接失败", "error_code=0x80ff")
        parts = chunks(1, *texts)
        await repository.save(a_document(), parts)
        for chunk in parts:
            for term in terms(chunk.text):
                assert chunk.chunk_id in {hit.chunk.chunk_id for hit in await repository.search([term], [GLOBAL])}
        assert places(await repository.search(terms("looping pod"), [GLOBAL])) == [(1, 0), (1, 1)]
        assert places(await repository.search(terms("STRASSE échec"), [GLOBAL])) == [(1, 2)]
        assert await repository.search(["the"], [GLOBAL]) == ()

    async def test_search_scores(self, repository: KnowledgeRepository) -> None:
        """Scores are BM25 over all chunks of the store, whatever their scope, and the best comes first."""
        store = [
            *chunks(1, "disk full disk", "disk pressure on the node evicts pods", "memory pressure"),
            *chunks(2, "disk", "network is slow and packets are lost", heading="Full disk"),
            *chunks(3, "the queue is full", "disk of somebody else"),
        ]
        await repository.save(a_document(1), store[:3])
        await repository.save(a_document(2, scope=MINE), store[3:5])
        await repository.save(a_document(3, scope=CASE), store[5:])
        query = ["disk", "full", "queue", "unknown"]
        hits = await repository.search(query, [GLOBAL, MINE])
        visible = [chunk for chunk in store[:5] if set(terms(f"{chunk.heading}\n{chunk.text}")) & set(query)]
        expected = sorted(visible, key=lambda chunk: (-bm25(query, chunk, store), chunk.chunk_id))
        assert [hit.chunk for hit in hits] == expected
        assert [hit.score for hit in hits] == pytest.approx([bm25(query, chunk, store) for chunk in expected], rel=1e-6)

    async def test_search_scores_after_changes(self, repository: KnowledgeRepository) -> None:
        """Updates and deletions leave nothing behind in the statistics."""
        await repository.save(a_document(1), chunks(1, "disk full", "swap"))
        second = await repository.save(a_document(2), chunks(2, "disk disk disk", "many other words stand here"))
        await repository.save(a_document(3), chunks(3, "disk"))
        await repository.save(second, chunks(2, "short", "full of words"))
        await repository.delete(an_id("kb", 3, 16))
        store = [*chunks(1, "disk full", "swap"), *chunks(2, "short", "full of words")]
        hits = await repository.search(["disk", "full"], [GLOBAL])
        assert places(hits) == [(1, 0), (2, 1)]
        for hit in hits:
            assert hit.score == pytest.approx(bm25(["disk", "full"], hit.chunk, store), rel=1e-6)

    async def test_search_term_that_most_chunks_have(self, repository: KnowledgeRepository) -> None:
        """A term without weight still finds its chunks, with a score just above zero."""
        await repository.save(a_document(), chunks(1, "node up", "node down", "node lost", "other"))
        hits = await repository.search(["node"], [GLOBAL])
        assert sorted(places(hits)) == [(1, 0), (1, 1), (1, 2)]
        assert all(0 < hit.score < 1e-5 for hit in hits)

    async def test_search_orders_ties_by_id(self, repository: KnowledgeRepository) -> None:
        """Equal scores stand in the order of their ids as text, also where the page ends."""
        await repository.save(a_document(2), chunks(2, *["same words"] * 11))
        await repository.save(a_document(1), chunks(1, "same words", "same words"))
        expected = [(1, 0), (1, 1), (2, 0), (2, 1), (2, 10), *((2, number) for number in range(2, 10))]
        assert places(await repository.search(["word"], [GLOBAL])) == expected
        assert places(await repository.search(["word"], [GLOBAL], limit=4)) == expected[:4]

    async def test_search_within_scopes(self, repository: KnowledgeRepository) -> None:
        """Only the scopes asked for are searched; without scopes nothing is found."""
        for number, scope in enumerate((GLOBAL, MINE, CASE, WITHDRAWN), start=1):
            await repository.save(a_document(number, scope=scope), chunks(number, "alpha"))
        await repository.save(a_document(9), chunks(9, "beta", "gamma", "delta", "epsilon", "zeta", "eta"))
        assert places(await repository.search(["alpha"], [MINE])) == [(2, 0)]
        assert places(await repository.search(["alpha"], [CASE, GLOBAL])) == [(1, 0), (3, 0)]
        assert await repository.search(["alpha"], []) == ()
        assert await repository.search(["alpha"], [Scope.for_user("%")]) == ()

    async def test_search_within_types(self, repository: KnowledgeRepository) -> None:
        """With types, only documents of any of these."""
        for number, kind in enumerate((KnowledgeType.FAQ, KnowledgeType.GUIDE, KnowledgeType.EVIDENCE), start=1):
            await repository.save(a_document(number, document_type=kind), chunks(number, "alpha", "x", "y", "z"))
        assert places(await repository.search(["alpha"], [GLOBAL], document_types=[KnowledgeType.GUIDE])) == [(2, 0)]
        both = [KnowledgeType.EVIDENCE, KnowledgeType.FAQ]
        assert places(await repository.search(["alpha"], [GLOBAL], document_types=both)) == [(1, 0), (3, 0)]
        assert await repository.search(["alpha"], [GLOBAL], document_types=[KnowledgeType.OTHER]) == ()

    async def test_search_bounds_the_hits(self, repository: KnowledgeRepository) -> None:
        """At most ``limit`` hits, the best ones, and filters apply before the limit."""
        await repository.save(a_document(1, scope=MINE), chunks(1, *["alpha alpha"] * 10))
        await repository.save(a_document(2), chunks(2, "alpha and more words", *["other words"] * 20))
        assert places(await repository.search(["alpha"], [GLOBAL], limit=1)) == [(2, 0)]
        assert len(await repository.search(["alpha"], [MINE, GLOBAL], limit=5)) == 5
        assert await repository.search(["alpha"], [GLOBAL], limit=0) == ()

    async def test_search_repeated_term(self, repository: KnowledgeRepository) -> None:
        """A repeated term counts once."""
        await repository.save(a_document(), chunks(1, "alpha beta", "beta", "gamma", "delta", "epsilon"))
        once = await repository.search(["alpha", "beta"], [GLOBAL])
        again = await repository.search(["alpha", "beta", "alpha", "alpha"], [GLOBAL])
        assert [(hit.chunk, pytest.approx(hit.score)) for hit in again] == [(hit.chunk, hit.score) for hit in once]

    async def test_search_without_terms(self, repository: KnowledgeRepository) -> None:
        """No terms, no hits."""
        await repository.save(a_document(), chunks(1, "alpha"))
        assert await repository.search([], [GLOBAL]) == ()

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_search_takes_hostile_text_as_text(self, repository: KnowledgeRepository, text: str) -> None:
        """The terms of any text find this text alone; the raw text as a term finds nothing else and breaks nothing."""
        await repository.save(a_document(1), chunks(1, f"{text} {text}", "alpha", "beta", "gamma"))
        found = places(await repository.search(terms(text), [GLOBAL]))
        assert found == ([(1, 0)] if terms(text) else [])
        assert places(await repository.search([text], [GLOBAL])) in ([], [(1, 0)])

    @pytest.mark.parametrize(
        "term",
        [
            '"',
            '""',
            "alpha*",
            "*",
            "^alpha",
            "-alpha",
            "alpha OR beta",
            "NEAR(alpha",
            "text:alpha",
            "alpha:*",
            "!alpha",
            "",
        ],
    )
    async def test_search_has_no_syntax(self, repository: KnowledgeRepository, term: str) -> None:
        """A term that no text can have finds nothing, and does not stop the others from being found."""
        await repository.save(a_document(), chunks(1, "alpha", "beta", "gamma", "delta"))
        assert await repository.search([term], [GLOBAL]) == ()
        assert places(await repository.search([term, "beta"], [GLOBAL])) == [(1, 1)]

    async def test_search_many_terms(self, repository: KnowledgeRepository) -> None:
        """Hundreds of terms are one search."""
        await repository.save(a_document(), chunks(1, "alpha", "beta", "word299", "gamma"))
        many = [f"word{number}" for number in range(300)]
        assert places(await repository.search([*many, "alpha"], [GLOBAL])) == [(1, 0), (1, 2)]

    # ---------------------------------------------------------------- life cycle

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
