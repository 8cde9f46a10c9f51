"""Appending and reading messages."""

import asyncio

import pytest

from ports.cases import CaseRepository
from ports.errors import AlreadyExists
from ports.paging import Page
from tests.builders import AT, a_case, a_message, an_id, later
from tests.contract.data import LEGAL_NUMBERS, LEGAL_TEXTS


class CaseMessageTests:
    """Messages are appended once each and read in the order of their appending."""

    async def test_add_message(self, repository: CaseRepository) -> None:
        """A message comes back equal; its case counts it and moves on, in the same version."""
        saved = await repository.save(a_case())
        message = a_message(saved.case_id, created_at=later(5))
        assert await repository.add_message(message) is True
        assert await repository.get_messages(saved.case_id) == Page((message,), 1)
        assert await repository.get(saved.case_id) == saved.replace(message_count=1, last_activity_at=later(5))

    async def test_add_message_keeps_every_part(self, repository: CaseRepository) -> None:
        """No field of a message is lost or changed on the way."""
        saved = await repository.save(a_case())
        message = a_message(
            saved.case_id,
            file_ids=(an_id("file", 2), an_id("file", 1)),
            metadata={"text": "é % _", "yes": True, "no": False, "none": None, **LEGAL_NUMBERS},
        )
        await repository.add_message(message)
        (read,) = await repository.get_messages(saved.case_id)
        assert read == message
        assert read.metadata["yes"] is True
        assert read.metadata["none"] is None

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_add_message_keeps_hostile_text(self, repository: CaseRepository, text: str) -> None:
        """Text is text, as content, as author and as an attribute."""
        saved = await repository.save(a_case())
        message = a_message(saved.case_id, content=text, author_id=text, metadata={text: text})
        await repository.add_message(message)
        assert (await repository.get_messages(saved.case_id)).items == (message,)

    async def test_add_message_of_the_greatest_length(self, repository: CaseRepository) -> None:
        """The longest message that the domain allows is kept whole."""
        saved = await repository.save(a_case())
        message = a_message(saved.case_id, content="\U0001f525" * 200_000)
        await repository.add_message(message)
        assert (await repository.get_messages(saved.case_id)).items == (message,)

    async def test_add_message_without_a_case(self, repository: CaseRepository) -> None:
        """Without a case nothing is stored, also if the case comes later."""
        assert await repository.add_message(a_message(an_id("case", 1))) is False
        saved = await repository.save(a_case())
        assert saved.message_count == 0
        assert (await repository.get_messages(saved.case_id)).total == 0

    async def test_add_message_twice(self, repository: CaseRepository) -> None:
        """A repeated id is one message: the first one stays as it is, and nothing else changes."""
        saved = await repository.save(a_case())
        first = a_message(saved.case_id)
        await repository.add_message(first)
        before = await repository.get(saved.case_id)
        assert await repository.add_message(first) is True
        assert await repository.add_message(first.replace(content="Other words", created_at=later(90))) is True
        assert await repository.get_messages(saved.case_id) == Page((first,), 1)
        assert await repository.get(saved.case_id) == before

    async def test_add_message_twice_at_once(self, repository: CaseRepository) -> None:
        """The same message from many tasks is one message."""
        saved = await repository.save(a_case())
        message = a_message(saved.case_id)
        assert await asyncio.gather(*(repository.add_message(message) for _ in range(8))) == [True] * 8
        assert await repository.get_messages(saved.case_id) == Page((message,), 1)
        read = await repository.get(saved.case_id)
        assert read is not None
        assert read.message_count == 1

    async def test_add_message_of_another_case(self, repository: CaseRepository) -> None:
        """An id that another case has is refused, and nothing changes."""
        first = await repository.save(a_case(1))
        second = await repository.save(a_case(2))
        await repository.add_message(a_message(first.case_id))
        with pytest.raises(AlreadyExists) as error:
            await repository.add_message(a_message(second.case_id))
        assert error.value.field == "message_id"
        assert await repository.get(second.case_id) == second
        assert (await repository.get_messages(second.case_id)).total == 0

    async def test_add_message_from_the_past(self, repository: CaseRepository) -> None:
        """An old message counts, stands last and does not move the activity back."""
        saved = await repository.save(a_case(last_activity_at=later(30)))
        await repository.add_message(a_message(saved.case_id, 1, created_at=later(20)))
        await repository.add_message(a_message(saved.case_id, 2, created_at=later(10)))
        assert await repository.get(saved.case_id) == saved.replace(message_count=2)
        assert [message.created_at for message in await repository.get_messages(saved.case_id)] == [
            later(20),
            later(10),
        ]

    async def test_add_message_between_read_and_save(self, repository: CaseRepository) -> None:
        """A message that comes while somebody edits the case is neither lost nor a conflict."""
        read = await repository.save(a_case())
        await repository.add_message(a_message(read.case_id, created_at=later(5)))
        saved = await repository.save(read.rename("Edited", later(1)))
        assert (saved.version, saved.message_count, saved.last_activity_at) == (2, 1, later(5))
        assert (await repository.get_messages(read.case_id)).total == 1

    async def test_add_messages_at_once(self, repository: CaseRepository) -> None:
        """Messages of many tasks are all kept, each once."""
        saved = await repository.save(a_case())
        messages = [a_message(saved.case_id, number) for number in range(1, 31)]
        assert await asyncio.gather(*map(repository.add_message, messages)) == [True] * 30
        page = await repository.get_messages(saved.case_id)
        assert sorted(message.message_id for message in page) == [message.message_id for message in messages]
        read = await repository.get(saved.case_id)
        assert read is not None
        assert (read.message_count, read.last_activity_at) == (30, later(30))

    async def test_get_messages_in_order_of_appending(self, repository: CaseRepository) -> None:
        """Neither time nor id decide the order."""
        saved = await repository.save(a_case())
        messages = [a_message(saved.case_id, number, created_at=AT) for number in (5, 1, 9, 3, 7)]
        for message in messages:
            await repository.add_message(message)
        assert (await repository.get_messages(saved.case_id)).items == tuple(messages)

    @pytest.mark.parametrize("limit", [1, 3, 4, 10, 200])
    async def test_get_messages_pages_fit_together(self, repository: CaseRepository, limit: int) -> None:
        """Pages of any size meet each message once, in order, with the whole total."""
        saved = await repository.save(a_case())
        messages = [a_message(saved.case_id, number) for number in range(1, 11)]
        for message in messages:
            await repository.add_message(message)
        pages = [await repository.get_messages(saved.case_id, limit=limit, offset=at) for at in range(0, 10, limit)]
        assert [message for page in pages for message in page] == messages
        assert {page.total for page in pages} == {10}

    async def test_get_messages_beyond_the_end(self, repository: CaseRepository) -> None:
        """A page beyond the end is empty but knows the total; so does a page of no items."""
        saved = await repository.save(a_case())
        await repository.add_message(a_message(saved.case_id))
        assert await repository.get_messages(saved.case_id, offset=1) == Page((), 1)
        assert await repository.get_messages(saved.case_id, limit=0) == Page((), 1)

    async def test_get_messages_of_unknown_case(self, repository: CaseRepository) -> None:
        """An unknown case has an empty page."""
        saved = await repository.save(a_case())
        await repository.add_message(a_message(saved.case_id))
        for case_id in (an_id("case", 2), "", "%", "case_%"):
            assert await repository.get_messages(case_id) == Page((), 0)

    async def test_get_messages_of_one_case(self, repository: CaseRepository) -> None:
        """Messages of different cases do not mix, also when they are appended in turns."""
        cases = [await repository.save(a_case(number)) for number in (1, 2)]
        for number in range(1, 7):
            await repository.add_message(a_message(cases[number % 2].case_id, number))
        assert [message.message_id for message in await repository.get_messages(cases[0].case_id)] == [
            an_id("msg", number) for number in (2, 4, 6)
        ]

    async def test_delete_frees_message_ids(self, repository: CaseRepository) -> None:
        """The messages go with their case, and their ids can be used again elsewhere."""
        gone = await repository.save(a_case(1))
        await repository.add_message(a_message(gone.case_id))
        await repository.delete(gone.case_id)
        assert await repository.get_messages(gone.case_id) == Page((), 0)
        other = await repository.save(a_case(2))
        assert await repository.add_message(a_message(other.case_id)) is True
        assert (await repository.get_messages(other.case_id)).total == 1
