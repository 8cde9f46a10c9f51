"""Rate limits."""

import asyncio
from datetime import timedelta

import pytest

from adapters.memory.sessions import InMemorySessionStore
from application.errors import RateLimited
from application.rate_limit import RateLimit, RateLimiter
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limiter(clock: FakeClock) -> RateLimiter:
    limits = {"turns": RateLimit(3, timedelta(minutes=1)), "logins": RateLimit(1, timedelta(minutes=1))}
    return RateLimiter(cache=InMemorySessionStore(clock), clock=clock, limits=limits)


async def test_one_too_many_is_refused_until_the_next_window(limiter: RateLimiter, clock: FakeClock) -> None:
    clock.advance(timedelta(seconds=15, milliseconds=500))
    for _ in range(3):
        await limiter.check("turns", "ada")
    with pytest.raises(RateLimited) as refused:
        await limiter.check("turns", "ada")
    assert refused.value.retry_after_seconds == 45
    clock.advance(timedelta(seconds=refused.value.retry_after_seconds))
    await limiter.check("turns", "ada")


async def test_each_actor_and_each_kind_counts_alone(limiter: RateLimiter) -> None:
    await limiter.check("logins", "ada")
    await limiter.check("logins", "bob")
    await limiter.check("turns", "ada")
    with pytest.raises(RateLimited):
        await limiter.check("logins", "ada")


async def test_what_has_no_limit_is_not_counted(limiter: RateLimiter) -> None:
    for _ in range(100):
        await limiter.check("anything", "ada")


async def test_requests_at_once_are_all_counted(limiter: RateLimiter) -> None:
    answers = await asyncio.gather(*(limiter.check("turns", "ada") for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 7


async def test_a_hostile_name_is_no_problem(limiter: RateLimiter) -> None:
    await limiter.check("turns", "\0" + "x" * 10_000 + "\ud800")
