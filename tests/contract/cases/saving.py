"""Saving, reading and deleting cases."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.analytics import analyse
from domain.case import Case
from ports.cases import CaseRepository
from ports.errors import Conflict
from ports.paging import Page
from tests.builders import AT, a_case, a_closed_case, a_full_case, a_message, a_resolved_case, an_id, later
from tests.contract.data import INSTANTS, LEGAL_TEXTS


class CaseSavingTests:
    """A saved case comes back equal, and no writer overwrites another one unseen."""

    async def test_empty_at_start(self, repository: CaseRepository) -> None:
        """A new store has no case."""
        assert await repository.get(an_id("case", 1)) is None
        assert (await repository.list()).total == 0
        assert await repository.scan() == ()
        assert (await repository.search("checkout")).total == 0

    async def test_save_and_get(self, repository: CaseRepository) -> None:
        """What was saved is read back equal, with the first version."""
        case = a_case()
        saved = await repository.save(case)
        assert saved == case.replace(version=1)
        assert await repository.get(case.case_id) == saved

    @pytest.mark.parametrize("build", [a_full_case, a_resolved_case, a_closed_case])
    async def test_save_keeps_every_part(self, repository: CaseRepository, build: Callable[[], Case]) -> None:
        """No part of the aggregate is lost or changed on the way."""
        case = build().replace(message_count=0)
        await repository.save(case)
        assert await repository.get(case.case_id) == case.replace(version=1)

    async def test_save_does_not_change_its_argument(self, repository: CaseRepository) -> None:
        """The caller's case stays what it was, and a case once read is not touched by later writes."""
        case = a_case()
        first = await repository.save(case)
        await repository.save(first.rename("Renamed", later(1)))
        await repository.add_message(a_message(case.case_id))
        assert case == a_case()
        assert first == a_case(version=1)

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_save_keeps_hostile_text(self, repository: CaseRepository, text: str) -> None:
        """Text is text, whatever it means to some engine."""
        case = a_case(title=text, description=text, user_id=text, opened_in_session=text)
        await repository.save(case)
        assert await repository.get(case.case_id) == case.replace(version=1)
        assert [found.title for found in await repository.find_by_session(case.opened_in_session or "")] == [text]

    @pytest.mark.parametrize("at", INSTANTS.values(), ids=INSTANTS.keys())
    @pytest.mark.quirk("SQLite", "there is no type for instants: a time zone is lost")
    async def test_save_keeps_instants_to_the_microsecond(self, repository: CaseRepository, at: datetime) -> None:
        """Any instant of the calendar comes back as the same instant, in UTC."""
        saved = await repository.save(a_case(created_at=at, updated_at=at, last_activity_at=at))
        read = await repository.get(saved.case_id)
        assert read is not None
        assert (read.created_at, read.updated_at, read.last_activity_at) == (at, at, at)
        assert read.last_activity_at.utcoffset() == timedelta(0)

    async def test_get_unknown(self, repository: CaseRepository) -> None:
        """An id that nobody has, well formed or not, is None and no error."""
        await repository.save(a_case())
        for case_id in (an_id("case", 2), "", "%", "case_%", "' OR 1=1 --", "../x"):
            assert await repository.get(case_id) is None

    async def test_save_counts_versions(self, repository: CaseRepository) -> None:
        """Each save adds exactly 1."""
        case = a_case()
        for version in range(1, 6):
            case = await repository.save(case.rename(f"Title {version}", later(version)))
            assert case.version == version
        assert await repository.get(case.case_id) == case

    async def test_save_equal_content_counts_too(self, repository: CaseRepository) -> None:
        """A save without a change is a save."""
        saved = await repository.save(await repository.save(a_case()))
        assert saved == a_case(version=2)

    async def test_save_new_case_twice(self, repository: CaseRepository) -> None:
        """The second insert of an id is a conflict that says what is stored, and changes nothing."""
        await repository.save(a_case())
        with pytest.raises(Conflict) as conflict:
            await repository.save(a_case(title="Another"))
        assert (conflict.value.key, conflict.value.expected, conflict.value.actual) == (an_id("case", 1), 0, 1)
        assert await repository.get(an_id("case", 1)) == a_case(version=1)

    async def test_save_stale_version(self, repository: CaseRepository) -> None:
        """Who has read an older version cannot write."""
        old = await repository.save(a_case())
        new = await repository.save(old.rename("New", later(1)))
        with pytest.raises(Conflict) as conflict:
            await repository.save(old.rename("Stale", later(2)))
        assert (conflict.value.expected, conflict.value.actual) == (1, 2)
        assert await repository.get(old.case_id) == new

    async def test_save_future_version(self, repository: CaseRepository) -> None:
        """A version that was never given out is a conflict as well."""
        saved = await repository.save(a_case())
        with pytest.raises(Conflict) as conflict:
            await repository.save(saved.replace(version=7))
        assert (conflict.value.expected, conflict.value.actual) == (7, 1)
        assert await repository.get(saved.case_id) == saved

    async def test_save_deleted_case(self, repository: CaseRepository) -> None:
        """An update does not bring a deleted case back."""
        saved = await repository.save(a_case())
        await repository.delete(saved.case_id)
        with pytest.raises(Conflict) as conflict:
            await repository.save(saved)
        assert (conflict.value.expected, conflict.value.actual) == (1, None)
        assert await repository.get(saved.case_id) is None

    async def test_save_same_version_at_once(self, repository: CaseRepository) -> None:
        """Of many writers of the same version exactly one wins, and its case is what is stored."""
        base = await repository.save(a_case())
        results = await asyncio.gather(
            *(repository.save(base.rename(f"Writer {number}", later(number))) for number in range(8)),
            return_exceptions=True,
        )
        winners = [result for result in results if isinstance(result, Case)]
        assert len(winners) == 1
        assert [type(result) for result in results if not isinstance(result, Case)] == [Conflict] * 7
        assert await repository.get(base.case_id) == winners[0]

    async def test_save_new_case_at_once(self, repository: CaseRepository) -> None:
        """Of many inserts of one id exactly one wins."""
        results = await asyncio.gather(
            *(repository.save(a_case(title=f"Writer {number}")) for number in range(8)), return_exceptions=True
        )
        winners = [result for result in results if isinstance(result, Case)]
        assert len(winners) == 1
        assert [type(result) for result in results if not isinstance(result, Case)] == [Conflict] * 7
        assert await repository.get(winners[0].case_id) == winners[0]

    async def test_save_different_cases_at_once(self, repository: CaseRepository) -> None:
        """Writers of different cases do not disturb each other."""
        saved = await asyncio.gather(*(repository.save(a_case(number)) for number in range(1, 31)))
        assert [case.version for case in saved] == [1] * 30
        assert (await repository.list(limit=200)).total == 30

    async def test_save_ignores_message_count(self, repository: CaseRepository) -> None:
        """The store counts the messages, not the caller."""
        saved = await repository.save(a_case(message_count=99))
        assert saved.message_count == 0
        await repository.add_message(a_message(saved.case_id))
        again = await repository.save(saved.replace(message_count=50))
        assert again.message_count == 1
        assert await repository.get(saved.case_id) == again

    async def test_save_never_moves_last_activity_back(self, repository: CaseRepository) -> None:
        """The later of the stored and the saved instant stays."""
        saved = await repository.save(a_case(last_activity_at=later(5)))
        await repository.update_activity_timestamp(saved.case_id, later(30))
        again = await repository.save(saved.replace(last_activity_at=later(10)))
        assert again.last_activity_at == later(30)
        assert await repository.get(saved.case_id) == again
        last = await repository.save(again.replace(last_activity_at=later(40)))
        assert last.last_activity_at == later(40)

    async def test_delete(self, repository: CaseRepository) -> None:
        """A deleted case is found in no way; the answer tells whether there was one."""
        saved = await repository.save(a_case(opened_in_session="s1"))
        assert await repository.delete(saved.case_id) is True
        assert await repository.delete(saved.case_id) is False
        assert await repository.get(saved.case_id) is None
        assert (await repository.list()).total == 0
        assert (await repository.find_by_session("s1")).total == 0
        assert (await repository.search("checkout")).total == 0
        assert await repository.scan() == ()
        assert await repository.get_analytics(saved.case_id) is None

    async def test_delete_leaves_others(self, repository: CaseRepository) -> None:
        """Only the named case and its messages go."""
        kept = await repository.save(a_case(1))
        gone = await repository.save(a_case(2))
        await repository.add_message(a_message(kept.case_id, 1))
        await repository.add_message(a_message(gone.case_id, 2))
        await repository.delete(gone.case_id)
        assert [case.case_id for case in await repository.list()] == [kept.case_id]
        assert (await repository.get_messages(kept.case_id)).items == (a_message(kept.case_id, 1),)

    async def test_delete_unknown(self, repository: CaseRepository) -> None:
        """Deleting what is not there is no error, and no pattern matches anything."""
        await repository.save(a_case())
        for case_id in (an_id("case", 2), "%", "case_%", "' OR 1=1 --"):
            assert await repository.delete(case_id) is False
        assert (await repository.list()).total == 1

    async def test_delete_frees_the_id(self, repository: CaseRepository) -> None:
        """After a deletion the same id begins again at version 1, without old messages."""
        saved = await repository.save(await repository.save(a_case()))
        await repository.add_message(a_message(saved.case_id))
        await repository.delete(saved.case_id)
        assert await repository.save(a_case(title="Again")) == a_case(title="Again", version=1)
        assert await repository.get_messages(saved.case_id) == Page((), 0)

    async def test_update_activity_timestamp(self, repository: CaseRepository) -> None:
        """The instant moves forward, never back, without a new version."""
        saved = await repository.save(a_case())
        assert await repository.update_activity_timestamp(saved.case_id, later(5)) is True
        assert await repository.update_activity_timestamp(saved.case_id, later(3)) is True
        assert await repository.get(saved.case_id) == saved.replace(last_activity_at=later(5))

    @pytest.mark.quirk("SQLite", "there is no type for instants: a time zone is lost")
    async def test_update_activity_timestamp_of_another_zone(self, repository: CaseRepository) -> None:
        """An instant of another time zone is stored as the same instant in UTC."""
        saved = await repository.save(a_case())
        tokyo = timezone(timedelta(hours=9))
        await repository.update_activity_timestamp(saved.case_id, later(5).astimezone(tokyo))
        read = await repository.get(saved.case_id)
        assert read is not None
        assert read.last_activity_at == later(5)
        assert read.last_activity_at.tzinfo is UTC or read.last_activity_at.utcoffset() == timedelta(0)

    async def test_update_activity_timestamp_unknown(self, repository: CaseRepository) -> None:
        """Without a case the answer is False and no case appears."""
        assert await repository.update_activity_timestamp(an_id("case", 1), AT) is False
        assert (await repository.list()).total == 0

    async def test_get_analytics(self, repository: CaseRepository) -> None:
        """The figures are those of the case as it is stored, messages included."""
        saved = await repository.save(a_full_case().replace(message_count=0))
        for number in range(1, 4):
            await repository.add_message(a_message(saved.case_id, number))
        stored = await repository.get(saved.case_id)
        assert stored is not None
        analytics = await repository.get_analytics(saved.case_id)
        assert analytics == analyse(stored)
        assert analytics.message_count == 3

    async def test_get_analytics_unknown(self, repository: CaseRepository) -> None:
        """There are no figures of a case that does not exist."""
        assert await repository.get_analytics(an_id("case", 1)) is None
