"""Listing and walking documents."""

import pytest

from domain.errors import InvalidInput
from domain.knowledge import GLOBAL, WITHDRAWN, KnowledgeType, Scope
from ports.knowledge import KnowledgeRepository
from ports.paging import MAX_LIMIT, MAX_OFFSET, Page
from tests.builders import an_id, later
from tests.contract.knowledge.samples import CASE, MINE, a_document, ids


class KnowledgeListTests:
    """Pages have one stable order and stay within the scopes that were asked for."""

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

    async def test_list_follows_a_saved_creation_time(self, repository: KnowledgeRepository) -> None:
        """A document that is saved with another creation time moves. Found by the state machine on 2026-11-22."""
        first = await repository.save(a_document(1, created_at=later(0)), [])
        await repository.save(a_document(2, created_at=later(1)), [])
        await repository.save(first.replace(created_at=later(2)), [])
        assert ids((await repository.list([GLOBAL])).items) == [an_id("kb", number, 16) for number in (1, 2)]

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
            assert page[0].document_id not in met
            met.extend(ids(page))
            await repository.delete(an_id("kb", 11, 16))
            if await repository.get(an_id("kb", 5, 16)) is None:
                await repository.save(a_document(5), [])
        assert met == sorted(set(met))
        assert {an_id("kb", number, 16) for number in (10, 30, 50, 90, 160)} <= set(met)
