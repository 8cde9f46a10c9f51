"""Transactions: all or nothing, and apart from everybody else."""

import asyncio

import pytest

from domain.case import Case
from domain.errors import InvalidInput
from ports.cases import CaseRepository
from ports.errors import AlreadyExists, Conflict
from ports.paging import Page
from tests.builders import a_case, a_closed_case, a_message, an_id, later
from tests.contract.data import UNSTORABLE_TEXTS

PATIENCE = 10
"""Seconds after which a test that waits for a lock is taken to hang."""


class Abort(Exception):
    """Ends a transaction from inside."""


async def snapshot(repository: CaseRepository) -> list[tuple[Case, Page[object]]]:
    """All cases with their messages."""
    return [(case, await repository.get_messages(case.case_id)) for case in await repository.scan()]


async def change_everything(repository: CaseRepository) -> None:
    """Every kind of write, on a store that holds the cases of `prepared`."""
    first = await repository.get(an_id("case", 1))
    assert first is not None
    await repository.save(first.rename("Changed in the transaction", later(50)))
    await repository.save(a_case(5))
    await repository.add_message(a_message(an_id("case", 1), 20))
    await repository.add_message(a_message(an_id("case", 5), 21))
    await repository.update_activity_timestamp(an_id("case", 2), later(70))
    await repository.delete(an_id("case", 3))
    await repository.save(a_case(3, title="Made again"))
    await repository.add_message(a_message(an_id("case", 3), 22))
    assert await repository.cleanup_expired(later(1000)) == (an_id("case", 4),)


async def prepare(repository: CaseRepository) -> None:
    """Store three open cases and a closed one, two messages each."""
    for case in (a_case(1), a_case(2), a_case(3), a_closed_case(4)):
        await repository.save(case)
    for number in range(8):
        await repository.add_message(a_message(an_id("case", number % 4 + 1), number + 1))


class CaseTransactionTests:
    """The calls of one task inside a block happen together or not at all, and nobody sees half of them."""

    @pytest.fixture
    async def prepared(self, repository: CaseRepository) -> CaseRepository:
        """The store with the cases of `prepare`."""
        await prepare(repository)
        return repository

    async def test_transaction_commits(self, prepared: CaseRepository) -> None:
        """After the block everything is there."""
        async with prepared.begin_transaction():
            await change_everything(prepared)
            inside = await snapshot(prepared)
        assert await snapshot(prepared) == inside
        assert [case.case_id for case, _ in inside] == [an_id("case", number) for number in (1, 2, 3, 5)]
        assert [page.total for _, page in inside] == [3, 2, 1, 1]

    async def test_transaction_reads_its_own_writes(self, prepared: CaseRepository) -> None:
        """Every way of reading sees what the block has written so far."""
        async with prepared.begin_transaction():
            await change_everything(prepared)
            read = await prepared.get(an_id("case", 1))
            assert read is not None
            assert (read.title, read.version, read.message_count) == ("Changed in the transaction", 2, 3)
            assert (await prepared.search("transaction")).items == (read,)
            assert (await prepared.list()).total == 4
            assert [message.message_id for message in await prepared.get_messages(an_id("case", 3))] == [
                an_id("msg", 22)
            ]
            analytics = await prepared.get_analytics(an_id("case", 5))
            assert analytics is not None
            assert analytics.message_count == 1

    async def test_transaction_rolls_back_on_an_exception(self, prepared: CaseRepository) -> None:
        """An exception leaves no trace, passes through unchanged, and the same writes succeed afterwards."""
        before = await snapshot(prepared)

        async def work() -> None:
            async with prepared.begin_transaction():
                await change_everything(prepared)
                raise Abort

        with pytest.raises(Abort):
            await work()
        assert await snapshot(prepared) == before
        assert (await prepared.search("transaction")).total == 0
        await change_everything(prepared)

    async def test_transaction_rolls_back_on_cancellation(self, prepared: CaseRepository) -> None:
        """A cancelled task leaves neither writes nor a lock behind."""
        before = await snapshot(prepared)
        written = asyncio.Event()

        async def work() -> None:
            async with prepared.begin_transaction():
                await change_everything(prepared)
                written.set()
                await asyncio.Event().wait()

        async with asyncio.timeout(PATIENCE):
            task = asyncio.create_task(work())
            await written.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await snapshot(prepared) == before
            await change_everything(prepared)

    async def test_transaction_cancelled_anywhere(self, prepared: CaseRepository) -> None:
        """Whenever the cancellation comes, either all of the block has happened or nothing, and the store goes on."""

        async def work(number: int) -> None:
            async with prepared.begin_transaction():
                case = await prepared.get(an_id("case", 1))
                assert case is not None
                await prepared.save(case.rename(f"Attempt {number}", later(number)))
                await prepared.add_message(a_message(case.case_id, 100 + number))

        async with asyncio.timeout(PATIENCE):
            for number in range(40):
                task = asyncio.create_task(work(number))
                for _ in range(number):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                case = await prepared.get(an_id("case", 1))
                assert case is not None
                assert case.message_count - 2 == case.version - 1
                assert (await prepared.get_messages(case.case_id)).total == case.message_count
                assert await prepared.update_activity_timestamp(case.case_id, later(100 + number)) is True

    async def test_transaction_is_invisible_until_the_end(self, prepared: CaseRepository) -> None:
        """Other tasks, those started inside of the block too, read what was committed before, in every way."""
        before = await snapshot(prepared)
        listed = await prepared.list()
        entered, leave = asyncio.Event(), asyncio.Event()

        async def read() -> None:
            assert await snapshot(prepared) == before
            assert await prepared.list() == listed
            assert (await prepared.search("transaction")).total == 0
            assert await prepared.get(an_id("case", 5)) is None

        async def outside() -> None:
            await entered.wait()
            await read()
            leave.set()

        async with asyncio.timeout(PATIENCE):
            other = asyncio.create_task(outside())
            async with prepared.begin_transaction():
                await change_everything(prepared)
                await asyncio.create_task(read())
                entered.set()
                await leave.wait()
            await other
            assert (await prepared.search("transaction")).total == 1

    async def test_transaction_makes_writers_of_the_case_wait(self, repository: CaseRepository) -> None:
        """Who writes the same case from outside meets the committed version."""
        base = await repository.save(a_case())

        async with asyncio.timeout(PATIENCE):
            async with repository.begin_transaction():
                inside = await repository.save(base.rename("Inside", later(1)))
                writer = asyncio.create_task(repository.save(base.rename("Outside", later(2))))
                for _ in range(10):
                    await asyncio.sleep(0)
                assert await repository.get(base.case_id) == inside
            with pytest.raises(Conflict) as conflict:
                await writer
        assert (conflict.value.expected, conflict.value.actual) == (1, 2)
        assert await repository.get(base.case_id) == inside

    async def test_transaction_rolled_back_lets_the_waiting_writer_win(self, repository: CaseRepository) -> None:
        """Who waited for a transaction that failed finds the case as it was."""
        base = await repository.save(a_case())

        async def work() -> None:
            async with repository.begin_transaction():
                await repository.save(base.rename("Inside", later(1)))
                await repository.add_message(a_message(base.case_id, 1))
                entered.set()
                await leave.wait()
                raise Abort

        entered, leave = asyncio.Event(), asyncio.Event()
        async with asyncio.timeout(PATIENCE):
            failing = asyncio.create_task(work())
            await entered.wait()
            writers = [
                asyncio.create_task(repository.save(base.rename("Outside", later(2)))),
                asyncio.create_task(repository.add_message(a_message(base.case_id, 1))),
            ]
            for _ in range(10):
                await asyncio.sleep(0)
            leave.set()
            with pytest.raises(Abort):
                await failing
            await asyncio.gather(*writers)
        read = await repository.get(base.case_id)
        assert read is not None
        assert (read.title, read.version, read.message_count) == ("Outside", 2, 1)

    async def test_transaction_waiting_writer_can_be_cancelled(self, repository: CaseRepository) -> None:
        """A writer that is cancelled while it waits has written nothing and blocks nobody."""
        base = await repository.save(a_case())
        async with asyncio.timeout(PATIENCE):
            async with repository.begin_transaction():
                inside = await repository.save(base.rename("Inside", later(1)))
                writer = asyncio.create_task(repository.add_message(a_message(base.case_id)))
                for _ in range(10):
                    await asyncio.sleep(0)
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
            assert await repository.get(base.case_id) == inside
            assert await repository.add_message(a_message(base.case_id)) is True

    async def test_transaction_inside_a_transaction_joins(self, repository: CaseRepository) -> None:
        """The end of an inner block commits nothing; the end of the outer one decides about everything."""

        async def work() -> None:
            async with repository.begin_transaction():
                await repository.save(a_case(1))
                async with repository.begin_transaction():
                    await repository.save(a_case(2))
                assert await asyncio.create_task(repository.get(an_id("case", 2))) is None
                raise Abort

        with pytest.raises(Abort):
            await work()
        assert await repository.scan() == ()

    async def test_transaction_outlives_a_failed_inner_block(self, repository: CaseRepository) -> None:
        """An inner block that fails is no rollback by itself: whoever catches its exception decides."""

        async def fail() -> None:
            async with repository.begin_transaction():
                await repository.save(a_case(2))
                raise Abort

        async with repository.begin_transaction():
            await repository.save(a_case(1))
            with pytest.raises(Abort):
                await fail()
            await repository.save(a_case(3))
        assert len(await repository.scan()) == 3

    @pytest.mark.quirk("PostgreSQL", "after an error a transaction takes no more statements")
    async def test_transaction_outlives_errors_of_calls(self, prepared: CaseRepository) -> None:
        """A conflict or a taken id that is caught inside leaves the rest of the block as it is."""
        async with prepared.begin_transaction():
            await prepared.save(a_case(6))
            with pytest.raises(Conflict):
                await prepared.save(a_case(1))
            with pytest.raises(AlreadyExists):
                await prepared.add_message(a_message(an_id("case", 6), 1))
            assert await prepared.add_message(a_message(an_id("case", 6), 30)) is True
        read = await prepared.get(an_id("case", 6))
        assert read is not None
        assert read.message_count == 1

    async def test_transaction_outlives_refused_calls(self, prepared: CaseRepository) -> None:
        """Text that cannot be stored is refused without a word to the engine, which might give up the transaction."""
        async with prepared.begin_transaction():
            for text in UNSTORABLE_TEXTS.values():
                with pytest.raises(InvalidInput):
                    await prepared.scan(after=text, limit=0)
                with pytest.raises(InvalidInput):
                    await prepared.delete(text)
            await prepared.save(a_case(7))
        assert await prepared.get(an_id("case", 7)) == a_case(7, version=1)

    async def test_transaction_conflict_rolls_back_the_rest(self, prepared: CaseRepository) -> None:
        """A conflict that ends the block takes the writes before it along."""
        before = await snapshot(prepared)

        async def work() -> None:
            async with prepared.begin_transaction():
                await prepared.add_message(a_message(an_id("case", 2), 40))
                await prepared.save(a_case(1))

        with pytest.raises(Conflict):
            await work()
        assert await snapshot(prepared) == before

    async def test_transactions_of_many_tasks(self, repository: CaseRepository) -> None:
        """Tasks that read, change and save one case in transactions, and repeat on a conflict, lose no update."""
        await repository.save(a_case(description=""))

        async def work(number: int) -> None:
            while True:
                try:
                    async with repository.begin_transaction():
                        case = await repository.get(an_id("case", 1))
                        assert case is not None
                        await asyncio.sleep(0)
                        await repository.save(case.replace(description=f"{case.description}[{number}]"))
                        await repository.add_message(a_message(case.case_id, number))
                except Conflict:
                    continue
                return

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(work(number) for number in range(1, 9)))
        case = await repository.get(an_id("case", 1))
        assert case is not None
        assert (case.version, case.message_count) == (9, 8)
        assert sorted(case.description[1:-1].split("][")) == [str(number) for number in range(1, 9)]

    async def test_transaction_without_writes(self, prepared: CaseRepository) -> None:
        """A block that only reads, or does nothing, changes nothing."""
        before = await snapshot(prepared)
        async with prepared.begin_transaction():
            assert await snapshot(prepared) == before
        async with prepared.begin_transaction():
            pass
        assert await snapshot(prepared) == before
