"""Users in a snapshot."""

import pytest

from ports.transfer import SupportsUserTransfer
from ports.users import UserRepository
from tests.builders import a_user, an_id
from tests.contract.transfer.snapshots import Change, Read, SnapshotTests, Writes


class UserSnapshotTests(SnapshotTests):
    """See `SnapshotTests`."""

    @pytest.fixture
    def change(self, repository: UserRepository) -> Change:
        """Saves a user anew, changes the one before and deletes the one before that."""

        async def change(number: int) -> None:
            await repository.save(a_user(number))
            if number:
                user = await repository.get(an_id("user", number - 1))
                assert user is not None
                await repository.save(user.replace(display_name=f"Changed {number}", username=f"changed{number}"))
            if number > 1:
                await repository.delete(an_id("user", number - 2))

        return change

    @pytest.fixture
    def everything(self, repository: UserRepository) -> Read:
        """Every way of reading."""

        async def read() -> object:
            return (
                await repository.scan(),
                await repository.list(),
                [await repository.get(an_id("user", number)) for number in range(6)],
                [await repository.get_by_username(f"user{number}") for number in range(6)],
                [await repository.get_by_email(f"user{number}@example.org") for number in range(6)],
            )

        return read

    @pytest.fixture
    def writes(self, repository: UserRepository) -> Writes:
        """Every write."""
        assert isinstance(repository, SupportsUserTransfer)
        put_many = repository.put_many
        return {
            "save": lambda: repository.save(a_user(9)),
            "save over another": lambda: repository.save(a_user(0, version=1)),
            "delete": lambda: repository.delete(an_id("user", 0)),
            "put_many": lambda: put_many([a_user(9, version=2)]),
        }
