"""What every `ports.users.UserRepository` must do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import pytest

from domain.errors import InvalidInput
from domain.user import Role, User
from ports.errors import AlreadyExists, Conflict, StorageUnavailable
from ports.paging import MAX_LIMIT, MAX_OFFSET, Page
from ports.users import UserRepository
from tests.builders import a_user, an_id, later
from tests.contract.data import COMPOSED, DECOMPOSED, INSTANTS, LEGAL_TEXTS, UNSTORABLE_TEXTS
from tests.contract.guard import ContractTests
from tests.contract.transfer.checkpoints import CheckpointTests
from tests.contract.transfer.user_snapshots import UserSnapshotTests
from tests.contract.transfer.users import UserPutTests

Reopen = Callable[[], Awaitable[UserRepository]]


def ids(users: Sequence[User]) -> list[str]:
    """The ids of the users, in order."""
    return [user.user_id for user in users]


class UserRepositoryContractTests(UserPutTests, UserSnapshotTests, CheckpointTests, ContractTests):
    """A subclass provides the fixture ``repository``: an empty store of its own for each test.

    A durable one also provides ``reopen``: it closes the store and opens another one on the same data. ``close`` is
    replaced where something else than the repository holds the backend open.
    """

    contract = "UserRepository"

    @pytest.fixture
    def content(self, repository: UserRepository) -> object:
        """The store, for the tests of what every kind of store may be able to do."""
        return repository

    @pytest.fixture
    def reopen(self) -> Reopen | None:
        """Close the store and open it again; None if it keeps nothing beyond the process."""
        return None

    @pytest.fixture
    def close(self, repository: UserRepository) -> Callable[[], Awaitable[None]]:
        """Let go of the store."""
        return repository.aclose  # type: ignore[attr-defined, no-any-return]

    async def test_empty_at_start(self, repository: UserRepository) -> None:
        """A new store has no user."""
        assert await repository.get(an_id("user", 1)) is None
        assert await repository.list() == Page((), 0)
        assert await repository.scan() == ()

    async def test_save_and_get(self, repository: UserRepository) -> None:
        """What was saved is read back equal, by id, name and address."""
        user = a_user()
        saved = await repository.save(user)
        assert saved == user.replace(version=1)
        assert await repository.get(user.user_id) == saved
        assert await repository.get_by_username(user.username) == saved
        assert await repository.get_by_email(user.email) == saved

    async def test_save_keeps_every_part(self, repository: UserRepository) -> None:
        """No field is lost or changed on the way."""
        user = a_user(
            display_name="Zoë \U0001f525 'quoted'",
            password_hash="$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
            roles=(Role.ADMIN, Role.USER),
            is_active=False,
            timezone="Europe/Zurich",
            updated_at=later(3),
            last_login_at=later(2),
            last_password_change_at=later(1),
            tokens_valid_from=later(4),
        )
        await repository.save(user)
        assert await repository.get(user.user_id) == user.replace(version=1)

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_save_keeps_hostile_text(self, repository: UserRepository, text: str) -> None:
        """Text is text, whatever it means to some engine."""
        saved = await repository.save(a_user(display_name=text, password_hash=text))
        assert saved.display_name == text
        assert await repository.get(saved.user_id) == saved

    @pytest.mark.parametrize("at", INSTANTS.values(), ids=INSTANTS.keys())
    async def test_save_keeps_instants_to_the_microsecond(self, repository: UserRepository, at: datetime) -> None:
        """Any instant of the calendar comes back as the same instant."""
        saved = await repository.save(a_user(created_at=at, updated_at=at, last_login_at=at, tokens_valid_from=at))
        assert (saved.created_at, saved.last_login_at) == (at, at)
        assert await repository.get(saved.user_id) == saved
        assert (await repository.list()).items == (saved,)

    async def test_save_does_not_change_its_argument(self, repository: UserRepository) -> None:
        """A user once read is not touched by later writes."""
        user = a_user()
        first = await repository.save(user)
        await repository.save(first.replace(display_name="Other"))
        assert user == a_user()
        assert first == a_user(version=1)

    async def test_get_unknown(self, repository: UserRepository) -> None:
        """What nobody has is None and no error."""
        await repository.save(a_user())
        for text in (an_id("user", 2), "", "%", "user%", "user_", "' OR 1=1 --"):
            assert await repository.get(text) is None
            assert await repository.get_by_username(text) is None
            assert await repository.get_by_email(text) is None

    async def test_save_counts_versions(self, repository: UserRepository) -> None:
        """Each save adds exactly 1."""
        user = a_user()
        for version in range(1, 5):
            user = await repository.save(user.replace(display_name=f"Name {version}"))
            assert user.version == version
        assert await repository.get(user.user_id) == user

    async def test_save_new_user_twice(self, repository: UserRepository) -> None:
        """The second insert of an id is a conflict that says what is stored."""
        await repository.save(a_user())
        with pytest.raises(Conflict) as conflict:
            await repository.save(a_user(username="another", email="another@example.org"))
        assert (conflict.value.key, conflict.value.expected, conflict.value.actual) == (an_id("user", 1), 0, 1)
        assert await repository.get(an_id("user", 1)) == a_user(version=1)
        assert await repository.get_by_username("another") is None

    async def test_save_stale_version(self, repository: UserRepository) -> None:
        """Who has read an older version cannot write, and a name that was asked for stays free."""
        old = await repository.save(a_user())
        new = await repository.save(old.replace(display_name="New"))
        with pytest.raises(Conflict) as conflict:
            await repository.save(old.replace(username="stale"))
        assert (conflict.value.expected, conflict.value.actual) == (1, 2)
        assert await repository.get(old.user_id) == new
        assert await repository.get_by_username("stale") is None

    async def test_save_deleted_user(self, repository: UserRepository) -> None:
        """An update does not bring a deleted user back."""
        saved = await repository.save(a_user())
        await repository.delete(saved.user_id)
        with pytest.raises(Conflict) as conflict:
            await repository.save(saved)
        assert (conflict.value.expected, conflict.value.actual) == (1, None)
        assert await repository.get_by_username(saved.username) is None

    async def test_save_same_version_at_once(self, repository: UserRepository) -> None:
        """Of many writers of the same version exactly one wins."""
        base = await repository.save(a_user())
        results = await asyncio.gather(
            *(repository.save(base.replace(display_name=f"Writer {number}")) for number in range(8)),
            return_exceptions=True,
        )
        winners = [result for result in results if isinstance(result, User)]
        assert len(winners) == 1
        assert [type(result) for result in results if not isinstance(result, User)] == [Conflict] * 7
        assert await repository.get(base.user_id) == winners[0]

    @pytest.mark.parametrize(
        ("taken", "asked"),
        [
            ("alice", "alice"),
            ("alice", "ALICE"),
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            (f"caf{COMPOSED}", f"CAF{DECOMPOSED}"),
            ("al.ice@x", "AL.ICE@X"),
        ],
    )
    @pytest.mark.quirk("SQLite", "NOCASE folds ASCII only, so two names that people take for the same are different")
    async def test_save_taken_username(self, repository: UserRepository, taken: str, asked: str) -> None:
        """Names that fold alike are one name, in every script; the second user is not stored."""
        await repository.save(a_user(1, username=taken))
        with pytest.raises(AlreadyExists) as error:
            await repository.save(a_user(2, username=asked))
        assert error.value.field == "username"
        assert await repository.get(an_id("user", 2)) is None
        assert await repository.get_by_email("user2@example.org") is None
        found = await repository.get_by_username(asked)
        assert found is not None
        assert found.user_id == an_id("user", 1)

    @pytest.mark.parametrize(
        ("taken", "asked"),
        [
            ("a@example.org", "a@example.org"),
            ("a@example.org", "A@EXAMPLE.ORG"),
            ("jörg@example.org", "JÖRG@example.org"),
        ],
    )
    async def test_save_taken_email(self, repository: UserRepository, taken: str, asked: str) -> None:
        """Addresses that fold alike are one address; the second user is not stored."""
        await repository.save(a_user(1, email=taken))
        with pytest.raises(AlreadyExists) as error:
            await repository.save(a_user(2, email=asked))
        assert error.value.field == "email"
        assert await repository.get(an_id("user", 2)) is None
        assert await repository.get_by_username("user2") is None
        found = await repository.get_by_email(asked)
        assert found is not None
        assert found.user_id == an_id("user", 1)

    @pytest.mark.parametrize("field", ["username", "email"])
    async def test_save_takes_no_name_by_an_update(self, repository: UserRepository, field: str) -> None:
        """A change cannot take what another user has, and changes nothing."""
        first = await repository.save(a_user(1))
        second = await repository.save(a_user(2))
        with pytest.raises(AlreadyExists) as error:
            await repository.save(second.replace(display_name="Other", **{field: getattr(first, field).upper()}))
        assert error.value.field == field
        assert await repository.get(second.user_id) == second
        assert await repository.get_by_username("user1") == first

    async def test_save_taken_name_at_once(self, repository: UserRepository) -> None:
        """Of many users who take one name at once exactly one gets it."""
        results = await asyncio.gather(
            *(repository.save(a_user(number, username="wanted")) for number in range(1, 9)), return_exceptions=True
        )
        winners = [result for result in results if isinstance(result, User)]
        assert len(winners) == 1
        assert [type(result) for result in results if not isinstance(result, User)] == [AlreadyExists] * 7
        assert await repository.list() == Page((winners[0],), 1)
        assert await repository.get_by_username("wanted") == winners[0]

    async def test_save_own_name_in_other_letters(self, repository: UserRepository) -> None:
        """A user may change upper and lower case of the own name and address."""
        saved = await repository.save(a_user())
        changed = await repository.save(saved.replace(username="USER1", email="User1@Example.org"))
        assert await repository.get_by_username("user1") == changed
        assert await repository.get_by_email("user1@example.org") == changed

    async def test_save_frees_the_old_names(self, repository: UserRepository) -> None:
        """A name that was given up finds nobody, and another user may take it."""
        saved = await repository.save(a_user(1))
        await repository.save(saved.replace(username="renamed", email="renamed@example.org"))
        assert await repository.get_by_username("user1") is None
        assert await repository.get_by_email("user1@example.org") is None
        heir = await repository.save(a_user(2, username="user1", email="user1@example.org"))
        assert await repository.get_by_username("user1") == heir

    async def test_get_by_name_is_exact(self, repository: UserRepository) -> None:
        """No character of a name is a wildcard, and a piece of a name is not the name."""
        await repository.save(a_user(1, username="ab_c", email="ab_c@example.org"))
        for text in ("abxc", "ab%", "ab_", "ab*", "b_c"):
            assert await repository.get_by_username(text) is None
            assert await repository.get_by_email(f"{text}@example.org") is None

    async def test_get_by_name_trims(self, repository: UserRepository) -> None:
        """Space around a name does not matter, as when it is saved."""
        saved = await repository.save(a_user())
        assert await repository.get_by_username("  User1 ") == saved
        assert await repository.get_by_email(" USER1@example.org\n") == saved

    async def test_list_newest_first(self, repository: UserRepository) -> None:
        """The newest account comes first, equal ones by id."""
        for number, created in ((3, 1), (1, 1), (2, 9), (4, 0)):
            await repository.save(a_user(number, created_at=later(created), updated_at=later(created)))
        page = await repository.list()
        assert (ids(page.items), page.total) == ([an_id("user", number) for number in (2, 1, 3, 4)], 4)

    async def test_list_follows_a_saved_creation_time(self, repository: UserRepository) -> None:
        """An account that is saved with another creation time moves."""
        first = await repository.save(a_user(1, created_at=later(0), updated_at=later(3)))
        await repository.save(a_user(2, created_at=later(1), updated_at=later(3)))
        await repository.save(first.replace(created_at=later(2)))
        assert ids((await repository.list()).items) == [an_id("user", number) for number in (1, 2)]

    @pytest.mark.parametrize("limit", [1, 3, 7, 20])
    async def test_list_pages_fit_together(self, repository: UserRepository, limit: int) -> None:
        """With many equal instants, pages of any size meet each user once."""
        for number in range(1, 16):
            await repository.save(a_user(number, created_at=later(number % 2), updated_at=later(5)))
        whole = await repository.list(limit=200)
        pages = [await repository.list(limit=limit, offset=offset) for offset in range(0, 15, limit)]
        assert [user for page in pages for user in page] == list(whole)
        assert {page.total for page in pages} == {15}
        assert await repository.list(offset=15) == await repository.list(limit=0) == Page((), 15)

    @pytest.mark.parametrize(("limit", "offset"), [(-1, 0), (MAX_LIMIT + 1, 0), (10, -1), (10, MAX_OFFSET + 1)])
    async def test_list_refuses_bad_pages(self, repository: UserRepository, limit: int, offset: int) -> None:
        """A page outside the bounds is refused."""
        with pytest.raises(InvalidInput):
            await repository.list(limit=limit, offset=offset)
        if offset == 0:
            with pytest.raises(InvalidInput):
                await repository.scan(limit=limit)

    async def test_delete(self, repository: UserRepository) -> None:
        """A deleted user is found in no way; others stay."""
        kept = await repository.save(a_user(1))
        gone = await repository.save(a_user(2))
        assert await repository.delete(gone.user_id) is True
        assert await repository.delete(gone.user_id) is False
        assert await repository.delete("%") is False
        assert await repository.get(gone.user_id) is None
        assert await repository.get_by_username(gone.username) is None
        assert await repository.get_by_email(gone.email) is None
        assert await repository.list() == Page((kept,), 1)

    async def test_delete_frees_the_names(self, repository: UserRepository) -> None:
        """Another user may take name and address, and the id begins again at version 1."""
        saved = await repository.save(await repository.save(a_user()))
        await repository.delete(saved.user_id)
        heir = await repository.save(a_user(2, username=saved.username, email=saved.email))
        assert await repository.get_by_email(saved.email) == heir
        await repository.delete(heir.user_id)
        assert await repository.save(a_user()) == a_user(version=1)

    @pytest.mark.parametrize("limit", [1, 3, 100])
    async def test_scan_meets_every_user_once(self, repository: UserRepository, limit: int) -> None:
        """All users in the order of their ids, though others come and go between the pages."""
        for number in (50, 30, 160, 10, 90):
            await repository.save(a_user(number))
        await repository.save(a_user(11))
        met: list[str] = []
        while page := await repository.scan(after=met[-1] if met else None, limit=limit):
            assert len(page) <= limit
            assert page[0].user_id not in met
            met.extend(ids(page))
            await repository.delete(an_id("user", 11))
            if await repository.get(an_id("user", 5)) is None:
                await repository.save(a_user(5))
        assert met == sorted(set(met))
        assert {an_id("user", number) for number in (10, 30, 50, 90, 160)} <= set(met)

    async def test_scan_after_an_id_that_does_not_exist(self, repository: UserRepository) -> None:
        """The position is a place in the order and need not be a user."""
        for number in (2, 4):
            await repository.save(a_user(number))
        assert ids(await repository.scan(after=an_id("user", 3))) == [an_id("user", 4)]
        assert await repository.scan(after=an_id("user", 4)) == ()

    async def test_reopen_keeps_everything(self, repository: UserRepository, reopen: Reopen | None) -> None:
        """Users, versions and taken names are there after a restart."""
        if reopen is None:
            pytest.skip("the adapter keeps nothing beyond its process")
        first = await repository.save(await repository.save(a_user(1)))
        await repository.save(a_user(2))
        await repository.delete(an_id("user", 2))
        again = await reopen()
        assert await again.list() == Page((first,), 1)
        assert await again.get_by_username("USER1") == first
        with pytest.raises(AlreadyExists):
            await again.save(a_user(3, username="User1"))
        assert (await again.save(first)).version == 3

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS.values(), ids=UNSTORABLE_TEXTS)
    async def test_text_that_cannot_be_stored_is_refused(self, repository: UserRepository, text: str) -> None:
        """Nothing can have such an id or name, and no error of an engine tells so."""
        operations: list[Callable[[], Awaitable[object]]] = [
            lambda: repository.get(text),
            lambda: repository.get_by_username(text),
            lambda: repository.get_by_email(text),
            lambda: repository.delete(text),
            lambda: repository.scan(after=text),
        ]
        for operation in operations:
            with pytest.raises(InvalidInput):
                await operation()

    async def test_close_refuses_every_call(
        self, repository: UserRepository, close: Callable[[], Awaitable[None]]
    ) -> None:
        """A closed store says so, whatever is asked; closing it again does nothing."""
        await repository.save(a_user())
        await close()
        await close()
        calls: list[tuple[Callable[..., Awaitable[object]], tuple[object, ...]]] = [
            (repository.save, (a_user(2),)),
            (repository.get, (an_id("user", 1),)),
            (repository.get_by_username, ("user1",)),
            (repository.get_by_email, ("user1@example.org",)),
            (repository.list, ()),
            (repository.delete, (an_id("user", 1),)),
            (repository.scan, ()),
        ]
        for call, arguments in calls:
            with pytest.raises(StorageUnavailable):
                await call(*arguments)
