"""The optional ability to take cases and messages as they are, many at once."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from domain.case import Case
from domain.errors import InvalidInput
from domain.message import Message
from ports.cases import CaseRepository
from ports.errors import AlreadyExists, Conflict, NotFound
from ports.paging import Page
from ports.transfer import SupportsCaseTransfer, SupportsCheckpoints
from tests.builders import a_case, a_closed_case, a_full_case, a_message, an_id, later
from tests.contract.cases.transactions import Abort, snapshot
from tests.contract.data import INSTANTS, LEGAL_NUMBERS, LEGAL_TEXTS


def transfer(repository: CaseRepository) -> SupportsCaseTransfer:
    """The repository, if it takes cases as they are."""
    if not isinstance(repository, SupportsCaseTransfer):
        pytest.skip("the adapter takes no cases as they are")
    return repository


async def all_messages(repository: CaseRepository, case_id: str) -> list[Message]:
    """The messages of a case, in order."""
    found: list[Message] = []
    while page := await repository.get_messages(case_id, limit=200, offset=len(found)):
        found += page.items
        if len(found) == page.total:
            break
    return found


def numbers(messages: Sequence[Message]) -> list[int]:
    """The numbers that `a_message` made the ids from."""
    return [int(message.message_id.removeprefix("msg_"), 16) for message in messages]


class CasePutTests:
    """Cases are stored as they are, all or none; who is behind stays behind."""

    async def test_put_many(self, repository: CaseRepository) -> None:
        """Cases keep their versions, are found like others and begin without messages."""
        cases = [a_case(number, version=number, message_count=9) for number in range(1, 301)]
        await transfer(repository).put_many([*cases, a_full_case(999).replace(version=7)])
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

    async def test_put_many_of_none(self, repository: CaseRepository) -> None:
        """Nothing to store is no error."""
        await transfer(repository).put_many([])
        await transfer(repository).add_messages([])
        assert await repository.list() == Page((), 0)

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_put_many_keeps_hostile_text(self, repository: CaseRepository, text: str) -> None:
        """Text is text, in every field, beside other texts."""
        hostile = a_case(2, version=3, title=text, description=text, user_id=text, organization_id=text)
        cases = [a_case(1, version=1), hostile, a_case(3, version=1)]
        messages = [
            a_message(an_id("case", 1), 1),
            a_message(an_id("case", 2), 2, content=text, author_id=text, metadata={text: text, **LEGAL_NUMBERS}),
            a_message(an_id("case", 3), 3),
        ]
        await transfer(repository).put_many(cases)
        assert await repository.scan() == tuple(cases)
        await transfer(repository).add_messages(messages)
        for case, message in zip(cases, messages, strict=True):
            assert await all_messages(repository, case.case_id) == [message]
        found = await repository.search(text[:100]) if text[:100].strip() else None
        assert found is None or hostile.case_id in [case.case_id for case in found]

    @pytest.mark.parametrize("at", INSTANTS.values(), ids=INSTANTS.keys())
    async def test_put_many_keeps_instants_to_the_microsecond(self, repository: CaseRepository, at: datetime) -> None:
        """Any instant of the calendar is the same instant as that of a case that was saved, also for the order."""
        values = {"created_at": at, "updated_at": at, "last_activity_at": at}
        saved = await repository.save(a_case(2, **values))
        cases = [a_case(number, version=1, **values) for number in (1, 3)]
        await transfer(repository).put_many(cases)
        assert (await repository.list()).items == (cases[0], saved, cases[1])
        message = a_message(saved.case_id, created_at=at)
        await transfer(repository).add_messages([message])
        assert await all_messages(repository, saved.case_id) == [message]
        assert (await repository.list()).items == (cases[0], saved.replace(message_count=1), cases[1])

    async def test_put_many_over_lower_versions(self, repository: CaseRepository) -> None:
        """A higher version replaces the case in all its parts but the messages and a later activity."""
        await repository.save(a_case(1, last_activity_at=later(90)))
        await repository.save(a_case(2))
        await repository.add_message(a_message(an_id("case", 2), 1, created_at=later(5)))
        newer = [
            a_closed_case(1).replace(version=4, title="Other words", last_activity_at=later(80)),
            a_case(2, version=2, description="Reworded", last_activity_at=later(70)),
            a_case(3, version=1),
        ]
        await transfer(repository).put_many(newer)
        assert await repository.scan() == (
            newer[0].replace(last_activity_at=later(90)),
            newer[1].replace(message_count=1),
            newer[2],
        )
        assert (await repository.search("Other words")).total == 1
        assert numbers(await all_messages(repository, an_id("case", 2))) == [1]
        assert (await repository.save(newer[1])).version == 3

    async def test_put_many_over_the_same_and_higher_versions(self, repository: CaseRepository) -> None:
        """What is stored stays, in the same version too; only the last activity moves forward."""
        first = await repository.save(await repository.save(a_case(1, title="Stored")))
        second = await repository.save(a_case(2, title="Stored", last_activity_at=later(50)))
        third = await repository.save(a_case(3))
        await transfer(repository).put_many(
            [
                a_case(1, version=1, title="Older", last_activity_at=later(60)),
                a_case(2, version=1, title="Equal", last_activity_at=later(40)),
                a_case(3, version=2, title="Newer"),
                a_case(4, version=1),
            ]
        )
        assert await repository.scan() == (
            first.replace(last_activity_at=later(60)),
            second,
            third.replace(version=2, title="Newer"),
            a_case(4, version=1),
        )
        assert (await repository.search("Older")).total == (await repository.search("Equal")).total == 0

    async def test_put_many_twice(self, repository: CaseRepository) -> None:
        """A copy that is repeated has no second effect."""
        cases = [a_full_case(number).replace(version=number) for number in (1, 2)]
        messages = [a_message(cases[number % 2].case_id, number) for number in range(1, 9)]
        for _ in range(2):
            await transfer(repository).put_many(cases)
            await transfer(repository).add_messages(messages)
            stored = await snapshot(repository)
            assert [page.total for _, page in stored] == [4, 4]
        assert [case.version for case, _ in stored] == [1, 2]

    async def test_put_many_at_the_same_time(self, repository: CaseRepository) -> None:
        """Of two calls in other orders, and a save beside them, each case gets the highest version, whoever is last."""
        target = transfer(repository)
        old = [await repository.save(a_case(number)) for number in range(1, 21)]
        second = [case.replace(version=2, title="Second") for case in old]
        third = [case.replace(version=3, title="Third") for case in reversed(old)]
        saved, *puts = await asyncio.gather(
            repository.save(old[7].rename("Saved", later(1))),
            target.put_many(second),
            target.put_many(third),
            target.put_many(second),
            return_exceptions=True,
        )
        assert isinstance(saved, Case | Conflict)
        assert puts == [None, None, None]
        assert [(case.version, case.title) for case in await repository.scan()] == [(3, "Third")] * 20

    @pytest.mark.parametrize(
        "batch",
        [
            [a_case(4, version=1), a_case(5), a_case(6, version=1)],
            [a_case(7, version=1), a_case(8, version=1), a_case(7, version=2)],
        ],
        ids=["version 0", "twice"],
    )
    async def test_put_many_is_all_or_none(self, repository: CaseRepository, batch: list[Case]) -> None:
        """One case that was never stored, or stands twice, keeps all of them out."""
        known = await repository.save(a_case(4, last_activity_at=later(1)))
        with pytest.raises(InvalidInput):
            await transfer(repository).put_many(batch)
        assert await repository.list() == Page((known,), 1)

    async def test_add_messages(self, repository: CaseRepository) -> None:
        """Messages of several cases stand in the order in which they were given, behind those that were there."""
        saved = [await repository.save(a_case(number)) for number in (1, 2, 3)]
        await repository.add_message(a_message(saved[0].case_id, 100, created_at=later(3)))
        order = [9, 4, 30, 1, 22, 7, 16, 3, 11]
        messages = [
            a_message(saved[number % 2].case_id, number, created_at=later(number), metadata={"n": number})
            for number in order
        ]
        await transfer(repository).add_messages(messages)
        first, second, third = [await all_messages(repository, case.case_id) for case in saved]
        assert numbers(first) == [100, 4, 30, 22, 16]
        assert first[1:] == [message for message in messages if message.case_id == saved[0].case_id]
        assert numbers(second) == [9, 1, 7, 3, 11]
        assert third == []
        assert await repository.scan() == (
            saved[0].replace(message_count=5, last_activity_at=later(30)),
            saved[1].replace(message_count=5, last_activity_at=later(11)),
            saved[2],
        )
        assert await repository.add_message(a_message(saved[0].case_id, 50)) is True
        await transfer(repository).add_messages([a_message(saved[0].case_id, 51)])
        assert numbers(await all_messages(repository, saved[0].case_id)) == [100, 4, 30, 22, 16, 50, 51]

    async def test_add_messages_that_are_known(self, repository: CaseRepository) -> None:
        """A message that the case has, or that stands twice, is appended once and changes nothing more."""
        saved = await repository.save(a_case())
        first = a_message(saved.case_id, 1, created_at=later(1))
        second = a_message(saved.case_id, 2, created_at=later(2))
        await repository.add_message(first)
        repeated = [second.replace(content="Other words", created_at=later(90))]
        await transfer(repository).add_messages([first.replace(created_at=later(80)), second, *repeated])
        assert await all_messages(repository, saved.case_id) == [first, second]
        assert await repository.get(saved.case_id) == saved.replace(message_count=2, last_activity_at=later(2))

    async def test_add_messages_without_a_case(self, repository: CaseRepository) -> None:
        """One message without a case keeps all of them out."""
        saved = await repository.save(a_case())
        with pytest.raises(NotFound) as error:
            await transfer(repository).add_messages([a_message(saved.case_id, 1), a_message(an_id("case", 2), 2)])
        assert (error.value.kind, error.value.key) == ("case", an_id("case", 2))
        assert await repository.get(saved.case_id) == saved
        assert await all_messages(repository, saved.case_id) == []

    @pytest.mark.parametrize("known", [True, False], ids=["stored", "in the same call"])
    async def test_add_messages_of_another_case(self, repository: CaseRepository, known: bool) -> None:
        """An id that another case has, or gets in the same call, keeps all of them out."""
        saved = [await repository.save(a_case(number)) for number in (1, 2)]
        taken = a_message(saved[0].case_id, 7)
        if known:
            await repository.add_message(taken)
        before = await snapshot(repository)
        batch = [*([] if known else [taken]), a_message(saved[1].case_id, 1), a_message(saved[1].case_id, 7)]
        with pytest.raises(AlreadyExists) as error:
            await transfer(repository).add_messages(batch)
        assert error.value.field == "message_id"
        assert await snapshot(repository) == before

    async def test_add_messages_of_the_greatest_length(self, repository: CaseRepository) -> None:
        """The longest messages are kept whole, among short ones."""
        saved = await repository.save(a_case())
        contents = ["short", "\U0001f525" * 200_000, "é" * 200_000, '"\\' * 100_000, "end"]
        messages = [a_message(saved.case_id, number, content=text) for number, text in enumerate(contents, start=1)]
        await transfer(repository).add_messages(messages)
        assert await all_messages(repository, saved.case_id) == messages

    async def test_put_many_in_a_transaction(self, repository: CaseRepository) -> None:
        """Cases, messages and a checkpoint are committed, or rolled back, together."""
        target = transfer(repository)
        if not isinstance(repository, SupportsCheckpoints):
            pytest.skip("the adapter keeps no checkpoints")
        await repository.save(a_case(1))
        before = await snapshot(repository)

        async def copy(*, fail: bool) -> None:
            async with repository.begin_transaction():
                await target.put_many([a_case(1, version=5, title="Newer"), a_case(2, version=1)])
                await target.add_messages([a_message(an_id("case", number), number) for number in (1, 2)])
                await repository.write_checkpoint("copy", "2 cases")
                assert [page.total for _, page in await snapshot(repository)] == [1, 1]
                if fail:
                    raise Abort

        with pytest.raises(Abort):
            await copy(fail=True)
        assert await snapshot(repository) == before
        assert await repository.read_checkpoint("copy") is None
        await copy(fail=False)
        assert [case.version for case, _ in await snapshot(repository)] == [5, 1]
        assert await repository.read_checkpoint("copy") == "2 cases"

    @pytest.mark.quirk("PostgreSQL", "after an error a transaction takes no more statements")
    async def test_put_many_refused_in_a_transaction(self, repository: CaseRepository) -> None:
        """A refused call that is caught leaves the rest of the block as it is."""
        target = transfer(repository)
        await repository.save(a_case(1))
        await repository.add_message(a_message(an_id("case", 1), 1))
        async with repository.begin_transaction():
            await target.put_many([a_case(2, version=2)])
            with pytest.raises(AlreadyExists):
                await target.add_messages([a_message(an_id("case", 2), 2), a_message(an_id("case", 2), 1)])
            with pytest.raises(NotFound):
                await target.add_messages([a_message(an_id("case", 2), 2), a_message(an_id("case", 3), 3)])
            with pytest.raises(InvalidInput):
                await target.put_many([a_case(3)])
            await target.add_messages([a_message(an_id("case", 2), 3)])
        assert numbers(await all_messages(repository, an_id("case", 2))) == [3]
