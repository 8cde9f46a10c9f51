"""What every `ports.cases.CaseRepository` must do."""

from collections.abc import Awaitable, Callable

import pytest

from domain.errors import InvalidInput
from ports.cases import CaseFilter, CaseRepository
from ports.errors import StorageUnavailable
from ports.transfer import SupportsCaseTransfer
from tests.builders import AT, a_case, a_full_case, a_message, an_id, later
from tests.contract.cases.listing import CaseListingTests
from tests.contract.cases.messages import CaseMessageTests
from tests.contract.cases.saving import CaseSavingTests
from tests.contract.cases.search import CaseSearchTests
from tests.contract.cases.snapshots import CaseSnapshotTests
from tests.contract.cases.transactions import Abort, CaseTransactionTests, snapshot
from tests.contract.cases.transfer import CasePutTests
from tests.contract.data import UNSTORABLE_TEXTS
from tests.contract.guard import ContractTests
from tests.contract.transfer.checkpoints import CheckpointTests

Reopen = Callable[[], Awaitable[CaseRepository]]


class CaseRepositoryContractTests(
    CaseSavingTests,
    CasePutTests,
    CaseSnapshotTests,
    CaseListingTests,
    CaseMessageTests,
    CaseSearchTests,
    CaseTransactionTests,
    CheckpointTests,
    ContractTests,
):
    """A subclass provides the fixture ``repository``: an empty store of its own for each test.

    A durable one also provides ``reopen``: it closes the store and opens another one on the same data. ``close`` is
    replaced where something else than the repository holds the backend open.
    """

    contract = "CaseRepository"

    @pytest.fixture
    def content(self, repository: CaseRepository) -> object:
        """The store, for the tests of what every kind of store may be able to do."""
        return repository

    @pytest.fixture
    def reopen(self) -> Reopen | None:
        """Close the store and open it again; None if it keeps nothing beyond the process."""
        return None

    @pytest.fixture
    def close(self, repository: CaseRepository) -> Callable[[], Awaitable[None]]:
        """Let go of the store."""
        return repository.aclose  # type: ignore[attr-defined, no-any-return]

    async def test_reopen_keeps_everything(self, prepared: CaseRepository, reopen: Reopen | None) -> None:
        """Cases, messages, versions and the search index are there after a restart, and writing goes on from there."""
        if reopen is None:
            pytest.skip("the adapter keeps nothing beyond its process")
        full = a_full_case(9)
        await prepared.save(full)
        await prepared.delete(an_id("case", 2))
        await prepared.update_activity_timestamp(an_id("case", 3), later(500))
        before = await snapshot(prepared)
        found = await prepared.search("checkout")
        again = await reopen()
        assert await snapshot(again) == before
        assert await again.search("checkout") == found
        stored = await again.get(an_id("case", 1))
        assert stored is not None
        assert (await again.save(stored.rename("After the restart", later(9)))).version == 2
        assert await again.add_message(a_message(stored.case_id, 1)) is True
        assert await again.add_message(a_message(stored.case_id, 60)) is True
        assert [message.message_id for message in await again.get_messages(stored.case_id)] == [
            an_id("msg", number) for number in (1, 5, 60)
        ]

    async def test_reopen_forgets_what_was_rolled_back(self, prepared: CaseRepository, reopen: Reopen | None) -> None:
        """A restart brings back committed writes only."""
        if reopen is None:
            pytest.skip("the adapter keeps nothing beyond its process")
        async with prepared.begin_transaction():
            await prepared.save(a_case(7))

        async def fail() -> None:
            async with prepared.begin_transaction():
                await prepared.save(a_case(8))
                raise Abort

        with pytest.raises(Abort):
            await fail()
        again = await reopen()
        assert await again.get(an_id("case", 7)) == a_case(7, version=1)
        assert await again.get(an_id("case", 8)) is None

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS.values(), ids=UNSTORABLE_TEXTS)
    async def test_text_that_cannot_be_stored_is_refused(self, repository: CaseRepository, text: str) -> None:
        """Nothing can have such an id or name, and no error of an engine tells so."""
        operations: list[Callable[[], Awaitable[object]]] = [
            lambda: repository.get(text),
            lambda: repository.delete(text),
            lambda: repository.get_messages(text),
            lambda: repository.update_activity_timestamp(text, AT),
            lambda: repository.get_analytics(text),
            lambda: repository.find_by_session(text),
            lambda: repository.scan(after=text),
            lambda: repository.search(text),
            lambda: repository.list(CaseFilter(user_id=text)),
            lambda: repository.list(CaseFilter(organization_id=text)),
        ]
        for operation in operations:
            with pytest.raises(InvalidInput):
                await operation()

    async def test_close_refuses_every_call(
        self, repository: CaseRepository, close: Callable[[], Awaitable[None]]
    ) -> None:
        """A closed store says so, whatever is asked; closing it again does nothing."""
        await repository.save(a_case())
        await close()
        await close()
        case_id = an_id("case", 1)
        calls: list[tuple[Callable[..., Awaitable[object]], tuple[object, ...]]] = [
            (repository.save, (a_case(2),)),
            (repository.get, (case_id,)),
            (repository.list, ()),
            (repository.delete, (case_id,)),
            (repository.search, ("checkout",)),
            (repository.add_message, (a_message(case_id),)),
            (repository.get_messages, (case_id,)),
            (repository.update_activity_timestamp, (case_id, AT)),
            (repository.get_analytics, (case_id,)),
            (repository.cleanup_expired, (AT,)),
            (repository.find_by_session, ("s1",)),
            (repository.scan, ()),
        ]
        for call, arguments in calls:
            with pytest.raises(StorageUnavailable):
                await call(*arguments)
        with pytest.raises(StorageUnavailable):
            async with repository.begin_transaction():
                pass
        if isinstance(repository, SupportsCaseTransfer):
            with pytest.raises(StorageUnavailable):
                await repository.put_many([a_case(2, version=1)])
            with pytest.raises(StorageUnavailable):
                await repository.add_messages([a_message(case_id)])
