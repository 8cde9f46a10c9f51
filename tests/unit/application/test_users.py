"""Accounts, sign-in and tokens."""

import asyncio
from datetime import timedelta

import pytest
from pydantic import ValidationError

from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.users import InMemoryUserRepository
from application import passwords as password_module
from application.errors import Forbidden, TokenExpired, Unauthenticated
from application.passwords import Passwords
from application.tokens import MAX_TOKENS
from application.users import SignInPolicy, UserService
from domain.errors import InvalidInput
from domain.user import Role, User
from ports.errors import AlreadyExists, Conflict, NotFound
from tests.fakes import FakeClock, SequentialIds

PASSWORD = "correct horse"


class ContestedUsers(InMemoryUserRepository):
    """Somebody else is faster the first few times."""

    conflicts = 0

    async def save(self, user: User) -> User:
        if self.conflicts:
            self.conflicts -= 1
            raise Conflict("user", user.user_id, user.version, user.version + 1)
        return await super().save(user)


class World:
    def __init__(self, policy: SignInPolicy, memory_kib: int = 64) -> None:
        self.clock = FakeClock()
        self.users = ContestedUsers()
        self.cache = InMemorySessionStore(self.clock)
        self.ids = SequentialIds()
        self.policy = policy
        self.service = self.with_memory(memory_kib)

    def with_memory(self, memory_kib: int) -> UserService:
        return UserService(
            users=self.users,
            cache=self.cache,
            passwords=Passwords(memory_kib),
            clock=self.clock,
            ids=self.ids,
            policy=self.policy,
        )


@pytest.fixture
def world():
    world = World(SignInPolicy(dev_login=True))
    yield world
    world.service.close()


async def test_a_password_signs_in_whatever_the_case_of_the_name_and_the_unicode_form(world: World) -> None:
    user = await world.service.create_user(username="Ada", password="cafe\u0301 noir")
    signed_in = await world.service.sign_in("aDA", "caf\u00e9 noir")
    assert signed_in.user.user_id == user.user_id
    assert signed_in.user.last_login_at == world.clock.now()
    actor = await world.service.authenticate(signed_in.tokens.access_token)
    assert (actor.user_id, actor.username, actor.roles) == (user.user_id, "Ada", (Role.USER,))


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", "wrong password"), ("nobody", PASSWORD), ("ada", ""), ("ada", "x" * 500), ("\0", "x")],
)
async def test_wrong_credentials_are_refused_in_the_same_words(world: World, name: str, password: str) -> None:
    await world.service.create_user(username="ada", password=PASSWORD)
    with pytest.raises(Unauthenticated, match="Unknown user name or wrong password"):
        await world.service.sign_in(name, password)


async def test_an_unknown_user_costs_one_hash_like_a_known_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.service.create_user(username="ada", password=PASSWORD)
    await world.service.create_user(username="bob", password=None)
    calls: list[str] = []
    original = Passwords._verify
    monkeypatch.setattr(Passwords, "_verify", lambda self, *args: calls.append("x") or original(self, *args))
    for name in ("ada", "nobody", "bob"):
        with pytest.raises(Unauthenticated):
            await world.service.sign_in(name, "not this one")
    assert len(calls) == 3


@pytest.mark.parametrize("password", ["1234567", "x" * 129, "abcdefg\0"])
async def test_a_bad_new_password_is_refused(world: World, password: str) -> None:
    with pytest.raises(InvalidInput):
        await world.service.create_user(username="ada", password=password)
    assert await world.service.find_user("ada") is None


async def test_the_stored_hash_is_argon2id_of_46_mib(world: World) -> None:
    service = world.with_memory(password_module.MEMORY_KIB)
    user = await service.create_user(username="ada", password=PASSWORD)
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    service.close()


async def test_a_hash_of_old_parameters_is_renewed_at_sign_in(world: World) -> None:
    await world.service.create_user(username="ada", password=PASSWORD)
    stronger = world.with_memory(128)
    signed_in = await stronger.sign_in("ada", PASSWORD)
    assert "m=128," in (signed_in.user.password_hash or "")
    assert (await stronger.sign_in("ada", PASSWORD)).user.user_id == signed_in.user.user_id
    stronger.close()


async def test_names_and_addresses_are_unique(world: World) -> None:
    await world.service.create_user(username="ada", email="ada@example.org")
    with pytest.raises(AlreadyExists):
        await world.service.create_user(username="ADA")
    with pytest.raises(AlreadyExists):
        await world.service.create_user(username="bob", email="Ada@Example.org")
    with pytest.raises(ValidationError):
        await world.service.create_user(username="x")
    assert (await world.service.list_users()).total == 1
    with pytest.raises(NotFound):
        await world.service.get_user("user_000000000000")


async def test_registration_signs_in_needs_a_password_and_can_be_switched_off(world: World) -> None:
    signed_in = await world.service.register(
        username="ada", email="ada@example.org", display_name="Ada L.", password=PASSWORD
    )
    assert signed_in.user.display_name == "Ada L."
    assert (await world.service.authenticate(signed_in.tokens.access_token)).user_id == signed_in.user.user_id
    with pytest.raises(InvalidInput, match="password"):
        await world.service.register(username="bob", email=None, display_name=None, password=None)
    world.policy = SignInPolicy(registration=False)
    closed = world.with_memory(64)
    with pytest.raises(Forbidden):
        await closed.register(username="bob", email=None, display_name=None, password=PASSWORD)
    with pytest.raises(Forbidden):
        await closed.dev_sign_in("ada")
    closed.close()


async def test_dev_sign_in_creates_the_user_once(world: World) -> None:
    first, second = await asyncio.gather(world.service.dev_sign_in("ada"), world.service.dev_sign_in("ada"))
    assert first.user.user_id == second.user.user_id
    assert first.user.roles == (Role.USER, Role.ADMIN)


async def test_an_access_token_ends_with_its_time_and_a_refresh_token_is_none(world: World) -> None:
    tokens = (await world.service.dev_sign_in("ada")).tokens
    assert tokens.expires_at == world.clock.now() + timedelta(hours=1)
    with pytest.raises(Unauthenticated):
        await world.service.authenticate(tokens.refresh_token)
    with pytest.raises(Unauthenticated):
        await world.service.refresh(tokens.access_token)
    world.clock.advance(timedelta(minutes=59))
    await world.service.authenticate(tokens.access_token)
    world.clock.advance(timedelta(minutes=1))
    with pytest.raises(Unauthenticated):
        await world.service.authenticate(tokens.access_token)


@pytest.mark.parametrize("token", ["", "fm_at_", "fm_at_nothing", "\ud800", "x" * 10_000])
async def test_a_made_up_token_is_refused(world: World, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await world.service.authenticate(token)


async def test_no_token_is_stored_as_it_is(world: World) -> None:
    tokens = (await world.service.dev_sign_in("ada")).tokens
    for key in await world.cache.keys("*"):
        stored = key + (await world.cache.get(key) or "")
        assert tokens.access_token not in stored
        assert tokens.refresh_token not in stored


async def test_refresh_rotates_and_the_spent_token_works_for_ten_seconds_more(world: World) -> None:
    tokens = (await world.service.dev_sign_in("ada")).tokens
    renewed = await world.service.refresh(tokens.refresh_token)
    assert renewed.refresh_token != tokens.refresh_token
    await world.service.authenticate(renewed.access_token)
    world.clock.advance(timedelta(seconds=9))
    await world.service.refresh(tokens.refresh_token)
    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        await world.service.refresh(tokens.refresh_token)
    await world.service.refresh(renewed.refresh_token)


async def test_sign_out_revokes_every_token_of_the_user_and_counts_them(world: World) -> None:
    one = (await world.service.dev_sign_in("ada")).tokens
    two = (await world.service.dev_sign_in("ada")).tokens
    other = (await world.service.dev_sign_in("bob")).tokens
    world.clock.advance(timedelta(minutes=61))
    three = (await world.service.dev_sign_in("ada")).tokens
    # Two access tokens have run out; three refresh tokens and one access token are left.
    assert await world.service.sign_out(three.access_token) == 4
    for tokens in (one, two, three):
        with pytest.raises(Unauthenticated):
            await world.service.authenticate(tokens.access_token)
        with pytest.raises(Unauthenticated):
            await world.service.refresh(tokens.refresh_token)
    await world.service.refresh(other.refresh_token)
    with pytest.raises(Unauthenticated):
        await world.service.sign_out(three.access_token)
    # A sign-in in the same instant is not caught by the sign-out.
    again = (await world.service.dev_sign_in("ada")).tokens
    await world.service.authenticate(again.access_token)


async def test_the_user_record_revokes_a_token_that_the_cache_still_holds(world: World) -> None:
    signed_in = await world.service.dev_sign_in("ada")
    user = await world.service.get_user(signed_in.user.user_id)
    await world.users.save(user.replace(tokens_valid_from=world.clock.now() + timedelta(seconds=1)))
    with pytest.raises(TokenExpired):
        await world.service.authenticate(signed_in.tokens.access_token)


async def test_a_new_password_signs_out_everywhere(world: World) -> None:
    user = await world.service.create_user(username="ada", password=PASSWORD)
    tokens = (await world.service.sign_in("ada", PASSWORD)).tokens
    await world.service.set_password(user.user_id, "another one")
    with pytest.raises(Unauthenticated):
        await world.service.authenticate(tokens.access_token)
    with pytest.raises(Unauthenticated):
        await world.service.sign_in("ada", PASSWORD)
    await world.service.sign_in("ada", "another one")


async def test_an_inactive_account_cannot_enter(world: World) -> None:
    user = await world.service.create_user(username="ada", password=PASSWORD)
    tokens = (await world.service.sign_in("ada", PASSWORD)).tokens
    await world.users.save((await world.service.get_user(user.user_id)).replace(is_active=False))
    with pytest.raises(Unauthenticated):
        await world.service.authenticate(tokens.access_token)
    with pytest.raises(Unauthenticated):
        await world.service.sign_in("ada", PASSWORD)
    with pytest.raises(Unauthenticated):
        await world.service.dev_sign_in("ada")


async def test_a_user_has_a_bounded_number_of_tokens(world: World) -> None:
    first = (await world.service.dev_sign_in("ada")).tokens
    for _ in range(MAX_TOKENS // 2):
        last = (await world.service.dev_sign_in("ada")).tokens
    with pytest.raises(Unauthenticated):
        await world.service.authenticate(first.access_token)
    assert await world.service.sign_out(last.access_token) == MAX_TOKENS


async def test_a_change_that_lost_against_another_is_repeated(world: World) -> None:
    user = await world.service.create_user(username="ada", password=PASSWORD)
    world.users.conflicts = 5
    await world.service.set_password(user.user_id, "another one")
    await world.service.sign_in("ada", "another one")
    world.users.conflicts = 1000
    with pytest.raises(Conflict):
        await world.service.set_password(user.user_id, "a third one")


async def test_many_sign_ins_at_once_all_succeed(world: World) -> None:
    signed_in = await asyncio.gather(*(world.service.dev_sign_in("ada") for _ in range(20)))
    for one in signed_in:
        await world.service.authenticate(one.tokens.access_token)
    assert await world.service.sign_out(signed_in[0].tokens.access_token) == 40


async def test_the_same_new_name_twice_at_once_is_one_user(world: World) -> None:
    class Interrupted(InMemoryUserRepository):
        async def get_by_username(self, username: str) -> User | None:
            user = await super().get_by_username(username)
            await asyncio.sleep(0)
            return user

    world.users = Interrupted()
    service = world.with_memory(64)
    first, second = await asyncio.gather(service.dev_sign_in("ada"), service.dev_sign_in("ADA"))
    assert first.user.user_id == second.user.user_id
    assert (await service.list_users()).total == 1
    service.close()
