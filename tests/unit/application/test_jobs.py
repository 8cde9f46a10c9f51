"""Work in the background."""

import asyncio
from datetime import timedelta

import pytest

from adapters.memory.sessions import InMemorySessionStore
from application.jobs import JobService, JobStatus
from domain.access import Actor
from domain.user import Role
from ports.errors import NotFound, StorageUnavailable
from tests.fakes import FakeClock, SequentialIds

ADA = Actor(user_id="user_00000000000a", username="ada", roles=(Role.USER,))
BOB = Actor(user_id="user_00000000000b", username="bob", roles=(Role.USER,))


async def settled(jobs: JobService, job_id: str) -> JobStatus:
    for _ in range(1000):
        status = (await jobs.get(ADA, job_id)).status
        if status is not JobStatus.RUNNING:
            return status
        await asyncio.sleep(0.001)
    raise AssertionError("the job does not end")


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = InMemorySessionStore(self.clock)
        self.jobs = JobService(cache=self.cache, ids=SequentialIds())
        self.gate = asyncio.Event()

    async def work(self) -> str:
        await self.gate.wait()
        return '{"done": true}'

    async def fail(self) -> str:
        raise StorageUnavailable("10.0.0.1 does not answer")

    async def settled(self, job_id: str) -> JobStatus:
        return await settled(self.jobs, job_id)


@pytest.fixture
async def world():
    world = World()
    yield world
    await world.jobs.aclose()


async def test_a_job_runs_then_keeps_its_result_for_an_hour(world: World) -> None:
    job = await world.jobs.start(ADA, world.work, str)
    assert (await world.jobs.get(ADA, job.job_id)).status is JobStatus.RUNNING
    world.gate.set()
    assert await world.settled(job.job_id) is JobStatus.COMPLETED
    world.clock.advance(timedelta(minutes=59))
    assert (await world.jobs.get(ADA, job.job_id)).result == '{"done": true}'
    world.clock.advance(timedelta(minutes=1))
    with pytest.raises(NotFound):
        await world.jobs.get(ADA, job.job_id)


async def test_a_failure_is_told_in_the_words_of_the_caller(world: World) -> None:
    job = await world.jobs.start(ADA, world.fail, lambda error: f"a {type(error).__name__}")
    assert await world.settled(job.job_id) is JobStatus.FAILED
    assert (await world.jobs.get(ADA, job.job_id)).error == "a StorageUnavailable"


async def test_nobody_else_sees_it(world: World) -> None:
    job = await world.jobs.start(ADA, world.work, str)
    with pytest.raises(NotFound):
        await world.jobs.get(BOB, job.job_id)
    with pytest.raises(NotFound):
        await world.jobs.get(ADA, "job_" + "0" * 32)


async def test_a_job_whose_process_has_died_counts_as_failed(world: World) -> None:
    job = await world.jobs.start(ADA, world.work, str)
    world.clock.advance(timedelta(seconds=30))
    found = await world.jobs.get(ADA, job.job_id)
    assert found.status is JobStatus.FAILED
    assert found.error is not None


async def test_a_long_job_keeps_its_lease(world: World) -> None:
    jobs = JobService(cache=world.cache, ids=SequentialIds(), lease=timedelta(milliseconds=30))
    job = await jobs.start(ADA, world.work, str)
    for _ in range(5):
        world.clock.advance(timedelta(milliseconds=20))
        await asyncio.sleep(0.03)
        assert (await jobs.get(ADA, job.job_id)).status is JobStatus.RUNNING
    await jobs.aclose()
    assert (await jobs.get(ADA, job.job_id)).status is JobStatus.FAILED


async def test_a_store_that_is_away_for_a_moment_does_not_end_the_job(world: World) -> None:
    class Flaky(InMemorySessionStore):
        refusals = 0

        async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
            if self.refusals:
                self.refusals -= 1
                raise StorageUnavailable("away")
            return await super().set(key, value, ttl)

    cache = Flaky(world.clock)
    jobs = JobService(cache=cache, ids=SequentialIds(), lease=timedelta(milliseconds=15))
    job = await jobs.start(ADA, world.work, str)
    await asyncio.sleep(0)
    cache.refusals = 1
    for _ in range(1000):
        await asyncio.sleep(0.005)
        if not cache.refusals:
            break
    world.gate.set()
    assert await settled(jobs, job.job_id) is JobStatus.COMPLETED


async def test_a_stop_waits_a_moment_for_jobs_that_are_about_to_end(world: World) -> None:
    quick = await world.jobs.start(ADA, world.work, str)
    asyncio.get_running_loop().call_later(0.01, world.gate.set)
    await world.jobs.aclose(timedelta(seconds=5))
    assert (await world.jobs.get(ADA, quick.job_id)).status is JobStatus.COMPLETED
    await world.jobs.aclose(timedelta(seconds=5))
