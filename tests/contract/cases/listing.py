"""Listing, paging, walking and cleaning up cases."""

import asyncio
from collections.abc import Sequence

import pytest

from domain.case import Case
from domain.errors import InvalidInput
from domain.status import CaseStatus
from ports.cases import CaseFilter, CaseRepository
from ports.paging import MAX_LIMIT, MAX_OFFSET
from tests.builders import AT, a_case, a_closed_case, a_message, a_resolved_case, an_id, an_investigating_case, later

OTHER = "user_000000000002"


async def save_all(repository: CaseRepository, cases: Sequence[Case]) -> list[Case]:
    """The cases as they are stored."""
    return [await repository.save(case) for case in cases]


def ids(cases: Sequence[Case]) -> list[str]:
    """The ids of the cases, in order."""
    return [case.case_id for case in cases]


async def walk(repository: CaseRepository, limit: int) -> list[Case]:
    """All cases, met page by page."""
    met: list[Case] = []
    while page := await repository.scan(after=met[-1].case_id if met else None, limit=limit):
        assert len(page) <= limit
        assert page[0] not in met
        met.extend(page)
    return met


class CaseListingTests:
    """Pages have one stable order, their bounds are kept, and a total counts all matches."""

    async def test_list_latest_activity_first(self, repository: CaseRepository) -> None:
        """The latest activity comes first, equal ones by id."""
        await save_all(
            repository,
            [
                a_case(3, last_activity_at=later(1)),
                a_case(1, last_activity_at=later(1)),
                a_case(2, last_activity_at=later(9)),
                a_case(4, last_activity_at=later(0)),
            ],
        )
        page = await repository.list()
        assert ids(page.items) == [an_id("case", number) for number in (2, 1, 3, 4)]
        assert page.total == 4

    async def test_list_gives_whole_cases(self, repository: CaseRepository) -> None:
        """A listed case is the same as one that is read by its id."""
        saved = await repository.save(an_investigating_case())
        await repository.add_message(a_message(saved.case_id, created_at=later(7)))
        assert (await repository.list()).items == (await repository.get(saved.case_id),)

    async def test_list_follows_activity(self, repository: CaseRepository) -> None:
        """A message or a touch moves its case up at once."""
        await save_all(repository, [a_case(number) for number in (1, 2, 3)])
        await repository.add_message(a_message(an_id("case", 3), created_at=later(1)))
        await repository.update_activity_timestamp(an_id("case", 2), later(2))
        assert ids((await repository.list()).items) == [an_id("case", number) for number in (2, 3, 1)]

    async def test_list_orders_by_microseconds(self, repository: CaseRepository) -> None:
        """Instants one microsecond apart are different."""
        await save_all(
            repository, [a_case(number, last_activity_at=AT.replace(microsecond=number)) for number in range(1, 6)]
        )
        assert ids((await repository.list()).items) == [an_id("case", number) for number in (5, 4, 3, 2, 1)]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 20, 50])
    @pytest.mark.quirk(
        "all SQL databases", "rows with equal sort keys come in any order, so a page skips some and repeats others"
    )
    async def test_list_pages_fit_together(self, repository: CaseRepository, limit: int) -> None:
        """With many equal instants, pages of any size meet each case once, in the same order."""
        await save_all(repository, [a_case(number, last_activity_at=later(number % 3)) for number in range(1, 21)])
        whole = await repository.list(limit=200)
        pages = [await repository.list(limit=limit, offset=offset) for offset in range(0, 20, limit)]
        assert [case for page in pages for case in page] == list(whole)
        assert {page.total for page in pages} == {20}

    async def test_list_beyond_the_end(self, repository: CaseRepository) -> None:
        """A page beyond the end is empty but knows the total; so does a page of no items."""
        await save_all(repository, [a_case(number) for number in (1, 2, 3)])
        for limit, offset in ((50, 3), (50, MAX_OFFSET), (0, 0)):
            page = await repository.list(limit=limit, offset=offset)
            assert (page.items, page.total) == ((), 3)

    @pytest.mark.parametrize(("limit", "offset"), [(-1, 0), (MAX_LIMIT + 1, 0), (10, -1), (10, MAX_OFFSET + 1)])
    async def test_list_refuses_bad_pages(self, repository: CaseRepository, limit: int, offset: int) -> None:
        """A page outside the bounds is refused, whatever is asked for."""
        for asked in (
            repository.list(limit=limit, offset=offset),
            repository.search("x", limit=limit, offset=offset),
            repository.find_by_session("s", limit=limit, offset=offset),
            repository.get_messages(an_id("case", 1), limit=limit, offset=offset),
        ):
            with pytest.raises(InvalidInput):
                await asked

    async def test_list_by_owner(self, repository: CaseRepository) -> None:
        """Only the cases of the user, and a total of these alone."""
        await save_all(repository, [a_case(1), a_case(2, user_id=OTHER), a_case(3)])
        page = await repository.list(CaseFilter(user_id=OTHER))
        assert (ids(page.items), page.total) == ([an_id("case", 2)], 1)
        assert (await repository.list(CaseFilter(user_id="nobody"))).total == 0

    async def test_list_by_status(self, repository: CaseRepository) -> None:
        """Each status lists its own cases, after a transition too."""
        await save_all(repository, [a_case(1), an_investigating_case(2), a_resolved_case(3), a_closed_case(4)])
        for number, status in enumerate(CaseStatus, start=1):
            assert ids((await repository.list(CaseFilter(status=status))).items) == [an_id("case", number)]
        reopened = await repository.get(an_id("case", 1))
        assert reopened is not None
        await repository.save(a_closed_case(1, version=reopened.version))
        assert (await repository.list(CaseFilter(status=CaseStatus.CONSULTING))).total == 0
        assert (await repository.list(CaseFilter(status=CaseStatus.CLOSED))).total == 2

    async def test_list_by_several_fields(self, repository: CaseRepository) -> None:
        """Every given field has to match."""
        await save_all(
            repository,
            [
                a_case(1, organization_id="org-a"),
                a_case(2, organization_id="org-b"),
                a_case(3, organization_id="org-a", user_id=OTHER),
                a_closed_case(4, organization_id="org-a"),
            ],
        )
        wanted = CaseFilter(user_id=a_case().user_id, organization_id="org-a", status=CaseStatus.CONSULTING)
        assert ids((await repository.list(wanted)).items) == [an_id("case", 1)]
        assert (await repository.list(CaseFilter(organization_id="org-a"))).total == 3

    @pytest.mark.parametrize("user_id", ["%", "user%", "user_00000000000_", "' OR '1'='1", "USER_000000000001"])
    async def test_list_filter_is_exact(self, repository: CaseRepository, user_id: str) -> None:
        """A filter compares whole texts, letter by letter."""
        await repository.save(a_case())
        assert (await repository.list(CaseFilter(user_id=user_id))).total == 0

    @pytest.mark.parametrize("blank", ["", " ", "\t\n"])
    async def test_list_refuses_blank_filters(self, repository: CaseRepository, blank: str) -> None:
        """A blank owner, organisation or session is an error, never everybody."""
        await repository.save(a_case())
        with pytest.raises(InvalidInput):
            await repository.list(CaseFilter(user_id=blank))
        with pytest.raises(InvalidInput):
            await repository.list(CaseFilter(organization_id=blank))
        with pytest.raises(InvalidInput):
            await repository.find_by_session(blank)

    async def test_find_by_session(self, repository: CaseRepository) -> None:
        """The cases of the session, the latest activity first, with their total."""
        await save_all(
            repository,
            [
                a_case(1, opened_in_session="s1"),
                a_case(2, opened_in_session="s2"),
                a_case(3, opened_in_session="s1", last_activity_at=later(1)),
                a_case(4),
            ],
        )
        page = await repository.find_by_session("s1")
        assert (ids(page.items), page.total) == ([an_id("case", 3), an_id("case", 1)], 2)
        second = await repository.find_by_session("s1", limit=1, offset=1)
        assert (ids(second.items), second.total) == ([an_id("case", 1)], 2)
        for session_id in ("s", "s%", "S1", "none"):
            assert (await repository.find_by_session(session_id)).total == 0

    async def test_lists_follow_a_case_to_another_owner_and_session(self, repository: CaseRepository) -> None:
        """Also inside of a transaction, and when it is deleted."""
        saved = await repository.save(a_case(1, opened_in_session="s1"))
        old, new = saved.user_id, OTHER

        async def found() -> list[int]:
            pages = [await repository.list(CaseFilter(user_id=user)) for user in (old, new)]
            return [page.total for page in [*pages, *[await repository.find_by_session(name) for name in ("s1", "s2")]]]

        assert await found() == [1, 0, 1, 0]
        async with repository.begin_transaction():
            saved = await repository.save(saved.replace(user_id=new, opened_in_session="s2"))
            assert await found() == [0, 1, 0, 1]
        assert await found() == [0, 1, 0, 1]
        saved = await repository.save(saved.replace(opened_in_session=None))
        assert await found() == [0, 1, 0, 0]
        await repository.delete(saved.case_id)
        assert await found() == [0, 0, 0, 0]

    @pytest.mark.parametrize("limit", [1, 3, 100])
    async def test_scan_meets_every_case_once(self, repository: CaseRepository, limit: int) -> None:
        """All cases in the order of their ids, whatever the size of a page."""
        saved = await save_all(repository, [a_case(number) for number in (5, 3, 16, 1, 9, 11, 2)])
        assert await walk(repository, limit) == sorted(saved, key=lambda case: case.case_id)

    async def test_scan_after_an_id_that_does_not_exist(self, repository: CaseRepository) -> None:
        """The position is a place in the order and need not be a case."""
        await save_all(repository, [a_case(number) for number in (2, 4, 6)])
        assert ids(await repository.scan(after=an_id("case", 3))) == [an_id("case", 4), an_id("case", 6)]
        assert len(await repository.scan(after="")) == 3
        assert await repository.scan(after=an_id("case", 6)) == ()

    async def test_scan_refuses_bad_limits(self, repository: CaseRepository) -> None:
        """The size of a page is bounded."""
        for limit in (-1, MAX_LIMIT + 1):
            with pytest.raises(InvalidInput):
                await repository.scan(limit=limit)
            with pytest.raises(InvalidInput):
                await repository.cleanup_expired(AT, batch_size=limit)

    async def test_scan_while_cases_are_written(self, repository: CaseRepository) -> None:
        """What is there all the time is met exactly once, though others come, change and go between the pages."""
        stable = await save_all(repository, [a_case(number * 10) for number in range(1, 11)])
        await save_all(repository, [a_case(number * 10 + 1) for number in range(1, 11)])
        met: list[str] = []
        step = 0
        while page := await repository.scan(after=met[-1] if met else None, limit=3):
            assert page[0].case_id not in met
            met.extend(ids(page))
            step += 1
            await repository.save(a_case(step * 10 + 2))
            await repository.delete(an_id("case", step * 20 + 1))
            await repository.update_activity_timestamp(stable[step].case_id, later(step))
        assert met == sorted(set(met))
        assert set(ids(stable)) <= set(met)

    async def test_scan_beside_a_writer(self, repository: CaseRepository) -> None:
        """A writer in another task neither hides nor doubles what was there before."""
        stable = await save_all(repository, [a_case(number * 2) for number in range(1, 31)])

        async def write() -> None:
            for number in range(30, 0, -1):
                await repository.save(a_case(number * 2 + 1))
                await asyncio.sleep(0)

        writer = asyncio.create_task(write())
        met = ids(await walk(repository, 4))
        await writer
        assert met == sorted(set(met))
        assert set(ids(stable)) <= set(met)

    async def test_cleanup_expired_oldest_first(self, repository: CaseRepository) -> None:
        """Closed cases go in the order in which they ended, equal ones by id; the answer names them in this order."""
        await save_all(
            repository,
            [
                a_closed_case(number, closed_at=later(ended), last_activity_at=later(99))
                for number, ended in ((1, 30), (2, 20), (4, 10), (3, 10), (5, 50))
            ],
        )
        assert await repository.cleanup_expired(later(40)) == tuple(an_id("case", number) for number in (3, 4, 2, 1))
        assert ids(await repository.scan()) == [an_id("case", 5)]

    async def test_cleanup_expired_in_batches(self, repository: CaseRepository) -> None:
        """A call deletes at most one batch; calls until nothing is left delete everything once."""
        await save_all(repository, [a_closed_case(number, closed_at=later(10 + number)) for number in range(1, 8)])
        batches = [await repository.cleanup_expired(later(60), batch_size=3) for _ in range(4)]
        assert [len(batch) for batch in batches] == [3, 3, 1, 0]
        assert [case_id for batch in batches for case_id in batch] == [an_id("case", number) for number in range(1, 8)]

    async def test_cleanup_expired_boundary(self, repository: CaseRepository) -> None:
        """A case that ended at the very instant stays; one microsecond later it goes."""
        closed = await repository.save(a_closed_case())
        ended = closed.closed_at
        assert ended is not None
        assert await repository.cleanup_expired(ended) == ()
        assert await repository.cleanup_expired(ended.replace(microsecond=1)) == (closed.case_id,)

    async def test_cleanup_expired_spares_others(self, repository: CaseRepository) -> None:
        """Open and resolved cases stay for ever."""
        await save_all(repository, [a_case(1), an_investigating_case(2), a_resolved_case(3), a_closed_case(4)])
        assert await repository.cleanup_expired(later(10_000)) == (an_id("case", 4),)
        assert (await repository.list()).total == 3

    async def test_cleanup_expired_takes_the_messages(self, repository: CaseRepository) -> None:
        """Nothing of an expired case remains; its messages are not found and their ids are free."""
        closed = await repository.save(a_closed_case(1))
        await repository.add_message(a_message(closed.case_id, content="expired words"))
        await repository.cleanup_expired(later(10_000))
        assert (await repository.get_messages(closed.case_id)).total == 0
        assert (await repository.search("expired")).total == 0
        await repository.save(a_case(2))
        assert await repository.add_message(a_message(an_id("case", 2))) is True

    async def test_cleanup_expired_without_cases(self, repository: CaseRepository) -> None:
        """Nothing to do is no error."""
        assert await repository.cleanup_expired(AT) == ()
        assert await repository.cleanup_expired(AT, batch_size=0) == ()
