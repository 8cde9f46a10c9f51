"""Finding chunks by their words."""

import asyncio

import pytest

from domain.knowledge import GLOBAL, WITHDRAWN, KnowledgeType, Scope
from domain.terms import terms
from ports.knowledge import KnowledgeRepository
from ports.transfer import SupportsTransactions
from tests.builders import an_id
from tests.contract.data import LEGAL_TEXTS
from tests.contract.knowledge.samples import CASE, MINE, a_document, bm25, chunks, places
from tests.contract.transfer.checkpoints import Abort


class KnowledgeSearchTests:
    """Chunks are found by the terms of the domain and ranked by BM25, within scopes and types."""

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

    async def test_search_asked_again(self, repository: KnowledgeRepository) -> None:
        """The same question, and the chunks of the same ids, follow each change, also one that is taken back."""
        ids = [f"{an_id('kb', number, 16)}:0" for number in (1, 2)]

        async def asked() -> tuple[list[str], list[str]]:
            hits = await repository.search(["disk"], [GLOBAL])
            return [hit.chunk.text for hit in hits], [chunk.text for chunk in await repository.get_chunks(ids)]

        assert await asked() == ([], [])
        first = await repository.save(a_document(1), chunks(1, "disk full"))
        assert await asked() == await asked() == (["disk full"], ["disk full"])
        second = await repository.save(a_document(2), chunks(2, "disk lost"))
        assert await asked() == await asked() == (["disk full", "disk lost"], ["disk full", "disk lost"])
        await repository.save(second, chunks(2, "queue full"))
        assert await asked() == await asked() == (["disk full"], ["disk full", "queue full"])

        async def taken_back(transactions: SupportsTransactions) -> None:
            async with transactions.begin_transaction():
                await repository.save(first, chunks(1, "disk gone"))
                assert await asked() == await asked() == (["disk gone"], ["disk gone", "queue full"])
                raise Abort

        if isinstance(repository, SupportsTransactions):
            with pytest.raises(Abort):
                await taken_back(repository)
        assert await asked() == await asked() == (["disk full"], ["disk full", "queue full"])
        await repository.delete(an_id("kb", 1, 16))
        assert await asked() == await asked() == ([], ["queue full"])

    async def test_search_scores_after_writers_at_once(self, repository: KnowledgeRepository) -> None:
        """Writers of different documents, at the same time, do not lose each other's part of the statistics."""
        await asyncio.gather(
            *(repository.save(a_document(n), chunks(n, "disk", "queue " * n, "slow")) for n in range(1, 9))
        )
        await asyncio.gather(
            *(repository.save(a_document(n, version=1), chunks(n, "disk " * n, "lost")) for n in range(1, 5)),
            *(repository.delete(an_id("kb", n, 16)) for n in range(5, 8)),
        )
        store = [chunk for n in range(1, 5) for chunk in chunks(n, "disk " * n, "lost")]
        store += chunks(8, "disk", "queue " * 8, "slow")
        hits = await repository.search(["queue", "disk"], [GLOBAL])
        assert len(hits) == 6
        for hit in hits:
            assert hit.score == pytest.approx(bm25(["queue", "disk"], hit.chunk, store), rel=1e-6)

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
    @pytest.mark.quirk("SQLite", "a quote or an operator in the text of a user is an error of FTS5")
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
