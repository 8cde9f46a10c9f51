"""The optional ability to insert many cases at once."""

import pytest

from ports.capabilities import SupportsBulk
from ports.cases import CaseRepository
from ports.errors import Conflict
from ports.paging import Page
from tests.builders import a_case, a_full_case, a_message, an_id, later


def bulk(repository: CaseRepository) -> SupportsBulk:
    """The repository, if it can insert many cases at once."""
    if not isinstance(repository, SupportsBulk):
        pytest.skip("the adapter saves cases one by one")
    return repository


class CaseBulkTests:
    """Many cases are inserted as they are, all or none."""

    async def test_save_many(self, repository: CaseRepository) -> None:
        """Cases keep their versions, are found like others and begin without messages."""
        cases = [a_case(number, version=number, message_count=9) for number in range(1, 301)]
        await bulk(repository).save_many([*cases, a_full_case(999).replace(version=7)])
        assert (await repository.list()).total == 301
        stored = await repository.get(an_id("case", 42))
        assert stored == a_case(42, version=42)
        full = await repository.get(an_id("case", 999))
        assert full == a_full_case(999).replace(version=7, message_count=0)
        assert (await repository.search(full.title)).total >= 1
        assert await repository.add_message(a_message(stored.case_id)) is True
        assert (await repository.get_messages(stored.case_id)).total == 1
        again = await repository.get(stored.case_id)
        assert again is not None
        assert (await repository.save(again.rename("Later", later(9)))).version == 43

    async def test_save_many_of_none(self, repository: CaseRepository) -> None:
        """Nothing to insert is no error."""
        await bulk(repository).save_many([])
        assert await repository.list() == Page((), 0)

    async def test_save_many_with_a_known_case(self, repository: CaseRepository) -> None:
        """One case that is there already, or stands twice in the batch, keeps all of the batch out."""
        known = await repository.save(a_case(5))
        for batch in ([a_case(4), a_case(5, title="Other"), a_case(6)], [a_case(7), a_case(8), a_case(7)]):
            with pytest.raises(Conflict):
                await bulk(repository).save_many(batch)
            assert await repository.list() == Page((known,), 1)
