"""The optional ability of a `ports.users.UserRepository` to take users as they are, many at once."""

from datetime import datetime

import pytest

from domain.errors import InvalidInput
from domain.user import Role, User
from ports.errors import AlreadyExists
from ports.paging import Page
from ports.transfer import SupportsCheckpoints, SupportsTransactions, SupportsUserTransfer
from ports.users import UserRepository
from tests.builders import a_user, an_id, later
from tests.contract.data import INSTANTS, LEGAL_TEXTS
from tests.contract.transfer.checkpoints import Abort


def transfer(repository: UserRepository) -> SupportsUserTransfer:
    """The repository, if it takes users as they are."""
    if not isinstance(repository, SupportsUserTransfer):
        pytest.skip("the adapter takes no users as they are")
    return repository


class UserPutTests:
    """Users are stored as they are, all or none; who is behind stays behind."""

    async def test_put_many(self, repository: UserRepository) -> None:
        """Users keep their versions and every part, and are found like others."""
        users = [a_user(number, version=number) for number in range(1, 301)]
        full = a_user(
            999,
            version=7,
            display_name="Zoë \U0001f525 'quoted'",
            password_hash="$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
            roles=(Role.ADMIN, Role.USER),
            is_active=False,
            updated_at=later(3),
            last_login_at=later(2),
            tokens_valid_from=later(4),
        )
        await transfer(repository).put_many([*reversed(users), full])
        assert (await repository.list()).total == 301
        assert await repository.scan(limit=200) == tuple(users[:200])
        assert await repository.get(full.user_id) == full
        assert await repository.get_by_username("USER42") == users[41]
        assert await repository.get_by_email("USER42@example.org") == users[41]
        assert (await repository.save(full.replace(display_name="Later"))).version == 8

    async def test_put_many_of_none(self, repository: UserRepository) -> None:
        """Nothing to store is no error."""
        await transfer(repository).put_many([])
        assert await repository.list() == Page((), 0)

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_put_many_keeps_hostile_text(self, repository: UserRepository, text: str) -> None:
        """Text is text, beside other texts."""
        users = [
            a_user(1, version=1),
            a_user(2, version=3, display_name=text, password_hash=text),
            a_user(3, version=1),
        ]
        await transfer(repository).put_many(users)
        assert await repository.scan() == tuple(users)

    @pytest.mark.parametrize("at", INSTANTS.values(), ids=INSTANTS.keys())
    async def test_put_many_keeps_instants_to_the_microsecond(self, repository: UserRepository, at: datetime) -> None:
        """Any instant of the calendar is the same instant as that of a user who was saved, also for the order."""
        values = {"created_at": at, "updated_at": at, "last_login_at": at, "tokens_valid_from": at}
        saved = await repository.save(a_user(2, **values))
        users = [a_user(number, version=1, **values) for number in (1, 3)]
        await transfer(repository).put_many(users)
        assert (await repository.list()).items == (users[0], saved, users[1])

    async def test_put_many_over_other_versions(self, repository: UserRepository) -> None:
        """A lower version is replaced and its names are free; the same and a higher one stay."""
        await repository.save(a_user(1))
        second = await repository.save(a_user(2))
        third = await repository.save(await repository.save(a_user(3)))
        newer = a_user(1, version=4, username="renamed", email="renamed@example.org")
        await transfer(repository).put_many(
            [
                newer,
                a_user(2, version=1, username="equal"),
                a_user(3, version=1, username="older"),
                a_user(4, version=1),
            ]
        )
        assert await repository.scan() == (newer, second, third, a_user(4, version=1))
        for name in ("user1", "equal", "older"):
            assert await repository.get_by_username(name) is None
        assert await repository.get_by_username("renamed") == newer
        assert (await repository.save(a_user(5, username="user1", email="user1@example.org"))).version == 1

    async def test_put_many_with_exchanged_names(self, repository: UserRepository) -> None:
        """Users of one call may have exchanged names and addresses, in a ring too."""
        for number in (1, 2, 3):
            await repository.save(a_user(number))
        ring = [
            a_user(number, version=2, username=f"user{number % 3 + 1}", email=f"user{(number + 1) % 3 + 1}@example.org")
            for number in (1, 2, 3)
        ]
        await transfer(repository).put_many(ring)
        assert await repository.scan() == tuple(ring)
        for user in ring:
            assert await repository.get_by_username(user.username) == user
            assert await repository.get_by_email(user.email) == user

    @pytest.mark.parametrize("field", ["username", "email"])
    @pytest.mark.parametrize("whose", ["a stranger's", "one that stays", "twice"])
    async def test_put_many_with_a_taken_name(self, repository: UserRepository, field: str, whose: str) -> None:
        """A name that somebody else keeps, or two get, keeps all of them out."""
        await repository.save(a_user(1))
        await repository.save(a_user(2))
        before = await repository.scan()
        taken = {field: getattr(a_user(2), field).upper()}
        batch: list[User] = [a_user(1, version=3, display_name="Changed"), a_user(4, version=1, **taken)]
        if whose == "one that stays":
            batch.append(a_user(2, version=1, username="elsewhere", email="elsewhere@example.org"))
        elif whose == "twice":
            batch += [a_user(2, version=2, username="other", email="other@example.org"), a_user(5, version=1, **taken)]
        with pytest.raises(AlreadyExists) as error:
            await transfer(repository).put_many(batch)
        assert (error.value.kind, error.value.field) == ("user", field)
        assert await repository.scan() == before
        assert await repository.get_by_username("user2") == before[1]

    @pytest.mark.parametrize(
        "batch",
        [
            [a_user(1, version=2), a_user(2), a_user(3, version=1)],
            [a_user(1, version=2), a_user(4, version=1), a_user(4, version=2)],
        ],
        ids=["version 0", "twice"],
    )
    async def test_put_many_is_all_or_none(self, repository: UserRepository, batch: list[User]) -> None:
        """One user that was never stored, or stands twice, keeps all of them out."""
        known = await repository.save(a_user(1))
        with pytest.raises(InvalidInput):
            await transfer(repository).put_many(batch)
        assert await repository.list() == Page((known,), 1)

    async def test_put_many_in_a_transaction(self, repository: UserRepository) -> None:
        """Users and a checkpoint are committed, or rolled back, together; a refused call leaves the block as it is."""
        target = transfer(repository)
        if not isinstance(repository, SupportsCheckpoints) or not isinstance(repository, SupportsTransactions):
            pytest.skip("the adapter has no transactions")
        first = await repository.save(a_user(1))

        async def copy(*, fail: bool) -> None:
            async with repository.begin_transaction():
                await target.put_many([a_user(1, version=2), a_user(2, version=1)])
                with pytest.raises(AlreadyExists):
                    await target.put_many([a_user(3, version=1), a_user(4, version=1, username="user2")])
                await repository.write_checkpoint("copy", "2 users")
                if fail:
                    raise Abort

        with pytest.raises(Abort):
            await copy(fail=True)
        assert await repository.scan() == (first,)
        assert await repository.read_checkpoint("copy") is None
        await copy(fail=False)
        assert await repository.scan() == (a_user(1, version=2), a_user(2, version=1))
        assert await repository.read_checkpoint("copy") == "2 users"
        assert await repository.get(an_id("user", 3)) is None
