"""Requests that come twice."""

import asyncio
from datetime import timedelta

import pytest

from adapters.memory.sessions import InMemorySessionStore
from application.errors import InvalidIdempotencyKey
from application.idempotency import Idempotency, IdempotencyPolicy, StoredAnswer
from domain.access import Actor
from domain.user import Role
from ports.errors import OutcomeUnknown, StorageUnavailable
from tests.fakes import FakeClock, SequentialIds

ADA = Actor(user_id="user_00000000000a", username="ada", roles=(Role.USER,))
BOB = Actor(user_id="user_00000000000b", username="bob", roles=(Role.USER,))
KEY = "opt_case_1795300218654_1"
FAST = IdempotencyPolicy(lease=timedelta(seconds=5), patience=timedelta(seconds=5), poll=timedelta(milliseconds=1))


class Counted:
    """An operation that counts its calls, waits for ``gate``, and fails while ``failing``."""

    def __init__(self, status: int = 201) -> None:
        self.calls = 0
        self.status = status
        self.failing = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def __call__(self) -> StoredAnswer:
        self.calls += 1
        self.entered.set()
        await self.gate.wait()
        if self.failing:
            raise StorageUnavailable("down")
        return StoredAnswer(self.status, f"answer {self.calls}", {"Location": f"/jobs/{self.calls}"})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cache(clock: FakeClock) -> InMemorySessionStore:
    return InMemorySessionStore(clock)


@pytest.fixture
def service(cache: InMemorySessionStore) -> Idempotency:
    return Idempotency(cache=cache, ids=SequentialIds(), policy=FAST)


async def test_a_repeat_gets_the_first_answer_for_a_day(service: Idempotency, clock: FakeClock) -> None:
    operation = Counted()
    first = await service.run(ADA, "POST", "/cases", KEY, operation)
    clock.advance(timedelta(hours=23, minutes=59))
    assert await service.run(ADA, "POST", "/cases", KEY, operation) == first
    assert first == StoredAnswer(201, "answer 1", {"Location": "/jobs/1"})
    clock.advance(timedelta(minutes=1))
    assert (await service.run(ADA, "POST", "/cases", KEY, operation)).body == "answer 2"


async def test_user_method_path_and_key_each_make_another_request(service: Idempotency) -> None:
    operation = Counted()
    for actor, method, path, key in [
        (ADA, "POST", "/cases", KEY),
        (BOB, "POST", "/cases", KEY),
        (ADA, "PUT", "/cases", KEY),
        (ADA, "POST", "/cases/x/turns", KEY),
        (ADA, "POST", "/cases", KEY + "1"),
    ]:
        await service.run(actor, method, path, key, operation)
    assert operation.calls == 5


@pytest.mark.parametrize("key", ["", "1234567", "x" * 256, "with space", "ümlaut-key", "semi;colon", "12345678\n"])
async def test_a_malformed_key_is_refused(service: Idempotency, key: str) -> None:
    operation = Counted()
    with pytest.raises(InvalidIdempotencyKey):
        await service.run(ADA, "POST", "/cases", key, operation)
    assert operation.calls == 0


async def test_a_failure_is_not_kept(service: Idempotency) -> None:
    operation = Counted()
    operation.failing = True
    with pytest.raises(StorageUnavailable):
        await service.run(ADA, "POST", "/cases", KEY, operation)
    operation.failing = False
    operation.status = 422
    assert (await service.run(ADA, "POST", "/cases", KEY, operation)).status == 422
    operation.status = 201
    assert (await service.run(ADA, "POST", "/cases", KEY, operation)).body == "answer 3"
    assert (await service.run(ADA, "POST", "/cases", KEY, operation)).body == "answer 3"


async def test_a_repeat_waits_for_the_running_one_also_in_another_process(
    service: Idempotency, cache: InMemorySessionStore
) -> None:
    operation = Counted()
    operation.gate.clear()
    other_process = Idempotency(cache=cache, ids=RandomLike(), policy=FAST)
    first = asyncio.create_task(service.run(ADA, "POST", "/cases", KEY, operation))
    await operation.entered.wait()
    second = asyncio.create_task(other_process.run(ADA, "POST", "/cases", KEY, operation))
    await asyncio.sleep(0.02)
    assert not second.done()
    operation.gate.set()
    assert await first == await second
    assert operation.calls == 1


async def test_a_repeat_takes_over_when_the_running_one_fails(service: Idempotency) -> None:
    operation = Counted()
    operation.gate.clear()
    operation.failing = True
    first = asyncio.create_task(service.run(ADA, "POST", "/cases", KEY, operation))
    await operation.entered.wait()
    good = Counted()
    second = asyncio.create_task(service.run(ADA, "POST", "/cases", KEY, good))
    await asyncio.sleep(0.01)
    assert good.calls == 0
    operation.gate.set()
    with pytest.raises(StorageUnavailable):
        await first
    assert (await second).body == "answer 1"
    assert good.calls == 1


async def test_a_repeat_takes_over_when_the_process_of_the_first_has_died(
    service: Idempotency, cache: InMemorySessionStore, clock: FakeClock
) -> None:
    claims: list[str] = []

    async def die() -> StoredAnswer:
        claims.extend(await cache.keys("*"))
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await service.run(ADA, "POST", "/cases", KEY, die)
    (record,) = claims
    await cache.set(record, "running:of a dead process", FAST.lease)
    operation = Counted()
    waiting = asyncio.create_task(service.run(ADA, "POST", "/cases", KEY, operation))
    await asyncio.sleep(0.01)
    assert operation.calls == 0
    clock.advance(FAST.lease)
    assert (await waiting).body == "answer 1"


async def test_a_long_request_keeps_its_claim(cache: InMemorySessionStore, clock: FakeClock) -> None:
    service = Idempotency(cache=cache, ids=SequentialIds(), policy=IdempotencyPolicy(lease=timedelta(milliseconds=30)))
    operation = Counted()
    operation.gate.clear()
    first = asyncio.create_task(service.run(ADA, "POST", "/cases", KEY, operation))
    await operation.entered.wait()
    for _ in range(6):
        clock.advance(timedelta(milliseconds=20))
        await asyncio.sleep(0.03)
        assert len(await cache.keys("*")) == 1
    operation.gate.set()
    assert (await first).body == "answer 1"


async def test_patience_ends(cache: InMemorySessionStore) -> None:
    policy = IdempotencyPolicy(patience=timedelta(milliseconds=20), poll=timedelta(milliseconds=1))
    service = Idempotency(cache=cache, ids=SequentialIds(), policy=policy)
    operation = Counted()
    operation.gate.clear()
    first = asyncio.create_task(service.run(ADA, "POST", "/cases", KEY, operation))
    await operation.entered.wait()
    with pytest.raises(OutcomeUnknown):
        await service.run(ADA, "POST", "/cases", KEY, operation)
    operation.gate.set()
    await first


async def test_a_forgotten_answer_is_made_anew(service: Idempotency) -> None:
    operation = Counted()
    await service.run(ADA, "POST", "/cases", KEY, operation)
    await service.forget(ADA, "POST", "/cases", KEY)
    assert (await service.run(ADA, "POST", "/cases", KEY, operation)).body == "answer 2"


async def test_an_answer_that_cannot_be_kept_is_still_given(clock: FakeClock) -> None:
    class Failing(InMemorySessionStore):
        async def compare_and_set(self, key, expected, value, ttl=None) -> bool:
            raise StorageUnavailable("down")

    service = Idempotency(cache=Failing(clock), ids=SequentialIds(), policy=FAST)
    assert (await service.run(ADA, "POST", "/cases", KEY, Counted())).body == "answer 1"


class RandomLike(SequentialIds):
    def secret(self) -> str:
        return "other-" + super().secret()
