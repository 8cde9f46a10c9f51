"""Sessions of users on clients."""

import asyncio
from datetime import timedelta

import pytest
from pydantic import ValidationError

from adapters.memory.sessions import InMemorySessionStore
from application.sessions import SessionPolicy, SessionService
from domain.access import Actor
from domain.errors import InvalidInput
from domain.user import Role
from ports.errors import NotFound
from tests.fakes import FakeClock, SequentialIds

ADA = Actor(user_id="user_00000000000a", username="ada", roles=(Role.USER,))
BOB = Actor(user_id="user_00000000000b", username="bob", roles=(Role.USER, Role.ADMIN))
HOUR = timedelta(hours=1)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = InMemorySessionStore(self.clock)
        self.service = SessionService(
            cache=self.cache, clock=self.clock, ids=SequentialIds(), policy=SessionPolicy(max_per_user=3)
        )


@pytest.fixture
def world() -> World:
    return World()


async def test_the_same_client_of_the_same_user_resumes(world: World) -> None:
    first = await world.service.open_session(ADA, client_id="browser", metadata={"tab": 1})
    assert not first.resumed
    world.clock.advance(HOUR)
    second = await world.service.open_session(ADA, client_id="browser")
    assert second.resumed
    assert second.session.session_id == first.session.session_id
    assert second.session.last_activity_at == world.clock.now()
    assert dict(second.session.metadata) == {"tab": 1}


async def test_another_user_never_resumes_it(world: World) -> None:
    first = await world.service.open_session(ADA, client_id="browser")
    second = await world.service.open_session(BOB, client_id="browser")
    assert not second.resumed
    assert second.session.session_id != first.session.session_id


@pytest.mark.parametrize("operation", ["get_session", "heartbeat", "end_session"])
async def test_a_foreign_session_looks_like_a_missing_one(world: World, operation: str) -> None:
    session_id = (await world.service.open_session(ADA)).session.session_id
    messages = []
    for wanted in (session_id, "sess_" + "f" * 32):
        with pytest.raises(NotFound) as refused:
            await getattr(world.service, operation)(BOB, wanted)
        messages.append(str(refused.value).replace(wanted, "X"))
    assert messages[0] == messages[1]
    assert (await world.service.get_session(ADA, session_id)).session_id == session_id


async def test_a_session_slides_with_its_own_idle_time(world: World) -> None:
    session_id = (await world.service.open_session(ADA, timeout=HOUR)).session.session_id
    world.clock.advance(HOUR - timedelta(seconds=1))
    assert (await world.service.heartbeat(ADA, session_id)).expires_at == world.clock.now() + HOUR
    world.clock.advance(HOUR)
    with pytest.raises(NotFound):
        await world.service.get_session(ADA, session_id)


async def test_no_heartbeat_leads_beyond_the_lifetime(world: World) -> None:
    opened = (await world.service.open_session(ADA)).session
    world.clock.advance(timedelta(days=20))
    assert (await world.service.heartbeat(ADA, opened.session_id)).expires_at == opened.created_at + timedelta(days=30)
    world.clock.advance(timedelta(days=10))
    with pytest.raises(NotFound):
        await world.service.heartbeat(ADA, opened.session_id)


async def test_a_client_whose_session_is_over_gets_a_new_one(world: World) -> None:
    first = await world.service.open_session(ADA, client_id="browser", timeout=HOUR)
    world.clock.advance(2 * HOUR)
    second = await world.service.open_session(ADA, client_id="browser")
    assert not second.resumed
    assert second.session.session_id != first.session.session_id
    assert [item.session_id for item in await world.service.list_sessions(ADA)] == [second.session.session_id]


async def test_one_too_many_ends_the_one_opened_longest_ago(world: World) -> None:
    opened = [(await world.service.open_session(ADA, client_id=f"c{number}")).session for number in range(4)]
    with pytest.raises(NotFound):
        await world.service.get_session(ADA, opened[0].session_id)
    assert [item.client_id for item in await world.service.list_sessions(ADA)] == ["c3", "c2", "c1"]


async def test_an_ended_session_is_gone_and_its_client_starts_anew(world: World) -> None:
    session_id = (await world.service.open_session(ADA, client_id="browser")).session.session_id
    await world.service.end_session(ADA, session_id)
    with pytest.raises(NotFound):
        await world.service.get_session(ADA, session_id)
    assert await world.service.list_sessions(ADA) == ()
    assert not (await world.service.open_session(ADA, client_id="browser")).resumed


async def test_without_a_client_id_each_session_is_new(world: World) -> None:
    first, second = await world.service.open_session(ADA), await world.service.open_session(ADA)
    assert first.session.session_id != second.session.session_id
    assert not second.resumed


async def test_the_same_client_twice_at_once_gets_one_session(world: World) -> None:
    class Interrupted(InMemorySessionStore):
        async def get(self, key: str) -> str | None:
            value = await super().get(key)
            await asyncio.sleep(0)
            return value

    service = SessionService(cache=Interrupted(world.clock), clock=world.clock, ids=SequentialIds())
    opened = await asyncio.gather(*(service.open_session(ADA, client_id="browser") for _ in range(5)))
    assert len({item.session.session_id for item in opened}) == 1
    assert sum(not item.resumed for item in opened) == 1
    assert len(await service.list_sessions(ADA)) == 1


@pytest.mark.parametrize("idle", [timedelta(minutes=59), timedelta(minutes=481), timedelta(0)])
async def test_an_odd_timeout_is_refused(world: World, idle: timedelta) -> None:
    with pytest.raises(InvalidInput, match="60 to 480"):
        await world.service.open_session(ADA, timeout=idle)


@pytest.mark.parametrize("client_id", ["x" * 256, "a\0b", "   "])
async def test_a_malformed_client_id_is_refused_and_nothing_is_kept(world: World, client_id: str) -> None:
    with pytest.raises(ValidationError):
        await world.service.open_session(ADA, client_id=client_id)
    assert await world.cache.keys("*") == []


async def test_two_heartbeats_at_once_both_count(world: World) -> None:
    session_id = (await world.service.open_session(ADA, timeout=HOUR)).session.session_id

    class Contested(InMemorySessionStore):
        losses = 1

        async def compare_and_set(self, key, expected, value, ttl=None) -> bool:
            if self.losses:
                self.losses -= 1
                return False
            return await super().compare_and_set(key, expected, value, ttl)

    contested = Contested(world.clock)
    contested.__dict__.update(world.cache.__dict__)
    service = SessionService(cache=contested, clock=world.clock, ids=SequentialIds())
    assert (await service.heartbeat(ADA, session_id)).session_id == session_id
    assert contested.losses == 0


async def test_a_store_that_keeps_too_long_does_not_prolong_a_session(world: World) -> None:
    slow = FakeClock()
    cache = InMemorySessionStore(slow)
    service = SessionService(cache=cache, clock=world.clock, ids=SequentialIds())
    opened = (await service.open_session(ADA, client_id="browser", timeout=HOUR)).session
    world.clock.advance(HOUR)
    with pytest.raises(NotFound):
        await service.get_session(ADA, opened.session_id)
    again = await service.open_session(ADA, client_id="browser")
    assert not again.resumed
    assert again.session.session_id != opened.session_id
