"""Operations at the same time."""

import asyncio

from ports.sessions import SessionStore
from tests.contract.sessions.fixtures import KeyValueFixtures


class SessionConcurrencyTests(KeyValueFixtures):
    """Single operations are atomic, and a cancelled one does no harm."""

    async def test_concurrent_writes_leave_one_of_the_values(self, store: SessionStore) -> None:
        values = [str(number) * 1000 for number in range(50)]
        await asyncio.gather(*(store.set("key", value) for value in values))
        assert await store.get("key") in values

    async def test_one_of_many_deletes_finds_the_value(self, store: SessionStore) -> None:
        await store.set("key", "value")
        assert sorted(await asyncio.gather(*(store.delete("key") for _ in range(50)))) == [False] * 49 + [True]

    async def test_cancelled_operations_leave_the_store_whole(self, store: SessionStore) -> None:
        tasks = [asyncio.create_task(store.set(f"key:{number % 5}", "x" * 1000)) for number in range(100)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for number in range(5):
            assert await store.get(f"key:{number}") in (None, "x" * 1000)
            await store.set(f"key:{number}", str(number))
        assert [await store.get(f"key:{number}") for number in range(5)] == [str(number) for number in range(5)]
