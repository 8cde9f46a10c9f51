"""The optional ability to give and take values with their expiries."""

from datetime import timedelta

import pytest

from ports.capabilities import SupportsSweep
from ports.errors import InvalidInput
from ports.sessions import MAX_VALUE_BYTES, CacheStore
from ports.transfer import MAX_EXPIRY, StoredValue, SupportsCheckpoints, SupportsTransactions, SupportsValueTransfer
from tests.contract.data import UNSTORABLE_TEXTS
from tests.contract.sessions.data import HOSTILE_KEYS, HOSTILE_VALUES, REFUSED_KEYS
from tests.contract.sessions.fixtures import Advance, KeyValueFixtures, Now

LATER = MAX_EXPIRY
"""An expiry that no test lives to see."""


def transfer(store: object) -> SupportsValueTransfer:
    """The store, if its values can be moved."""
    if not isinstance(store, SupportsValueTransfer):
        pytest.skip("the values of the adapter cannot be moved")
    return store


async def everything(store: SupportsValueTransfer, limit: int = 7) -> list[StoredValue]:
    """All values, page by page."""
    found: list[StoredValue] = []
    while page := await store.scan(after=found[-1].key if found else None, limit=limit):
        assert len(page) <= limit
        found.extend(page)
    return found


class ValueTransferTests(KeyValueFixtures):
    """What one store gives, another one takes, and holds the same then."""

    async def test_hostile_values_and_keys_are_moved_as_they_are(
        self, store: CacheStore, neighbour: CacheStore
    ) -> None:
        """In the order of code points, whatever order the backend has."""
        for number, key in enumerate(HOSTILE_KEYS):
            await store.set(key, HOSTILE_VALUES[number % len(HOSTILE_VALUES)])
        given = await everything(transfer(store))
        assert [each.key for each in given] == sorted(HOSTILE_KEYS)
        assert {each.expires_at for each in given} == {None}
        await transfer(neighbour).put_many(given)
        assert await everything(transfer(neighbour)) == given
        for number, key in enumerate(HOSTILE_KEYS):
            assert await neighbour.get(key) == HOSTILE_VALUES[number % len(HOSTILE_VALUES)]

    async def test_one_value_is_given_with_its_expiry(self, store: CacheStore, advance: Advance, now: Now) -> None:
        """Until it expires or is deleted."""
        assert await transfer(store).stored_value("a") is None
        moment = await now()
        given = [StoredValue("a", "1", None), StoredValue("b", "2", moment + 3_600_000)]
        await transfer(store).put_many(given)
        assert [await transfer(store).stored_value(each.key) for each in given] == given
        await store.expire("a", timedelta(seconds=1))
        await advance(timedelta(seconds=2))
        assert await transfer(store).stored_value("a") is None
        await store.delete("b")
        assert await transfer(store).stored_value("b") is None
        for key in REFUSED_KEYS:
            with pytest.raises(InvalidInput):
                await transfer(store).stored_value(key)

    async def test_expiries_are_moved_as_they_are(self, store: CacheStore, neighbour: CacheStore, now: Now) -> None:
        """To the millisecond, and again on the way back."""
        moment = await now()
        given = [StoredValue(f"{number:02}", "value", moment + 3_600_000 + number) for number in range(50)]
        given += [StoredValue("endless", "", None), StoredValue("far", "value", LATER)]
        await transfer(store).put_many(given)
        assert await everything(transfer(store), 50) == given
        await transfer(neighbour).put_many(await everything(transfer(store)))
        assert await everything(transfer(neighbour)) == given

    async def test_a_time_to_live_becomes_an_instant(self, store: CacheStore, now: Now) -> None:
        """What other operations have written expires when they said."""
        before = await now()
        await store.set("key", "value", self.ttl)
        await store.set("moved", "value")
        await store.expire("moved", 2 * self.ttl)
        await store.increment("counted", 1, self.ttl)
        after = await now()
        found = {each.key: each.expires_at for each in await everything(transfer(store))}
        length = self.ttl // timedelta(milliseconds=1)
        for key, times in (("key", 1), ("moved", 2), ("counted", 1)):
            expires_at = found[key]
            assert expires_at is not None
            assert before <= expires_at - times * length <= after

    async def test_a_moved_value_is_there_until_exactly_its_expiry(
        self, store: CacheStore, neighbour: CacheStore, advance: Advance
    ) -> None:
        await store.set("key", "value", self.ttl)
        await store.set("later", "value", 2 * self.ttl)
        await transfer(neighbour).put_many(await everything(transfer(store)))
        await advance(self.ttl - self.tick)
        assert await neighbour.keys("*") == ["key", "later"]
        assert [each.key for each in await everything(transfer(neighbour))] == ["key", "later"]
        await advance(self.tick)
        assert await neighbour.keys("*") == ["later"]
        for either in (store, neighbour):
            assert [each.key for each in await everything(transfer(either))] == ["later"]

    async def test_what_has_expired_is_not_stored_and_removes_what_is_there(self, store: CacheStore, now: Now) -> None:
        """The instant of the expiry is too late already."""
        moment = await now()
        await store.set_many({"past": "old", "now": "old", "begin": "old", "other": "old"})
        await transfer(store).put_many(
            [
                StoredValue("past", "new", moment - 1),
                StoredValue("now", "new", moment),
                StoredValue("begin", "new", 0),
                StoredValue("first", "new", 1),
                StoredValue("never-there", "new", 2),
                StoredValue("last", "new", LATER),
            ]
        )
        assert await store.keys("*") == ["last", "other"]
        assert await everything(transfer(store)) == [
            StoredValue("last", "new", LATER),
            StoredValue("other", "old", None),
        ]
        if isinstance(store, SupportsSweep):
            assert await store.sweep() == 0
        assert await store.clear() == 2

    async def test_values_replace_what_is_there(self, store: CacheStore, advance: Advance) -> None:
        """Value and expiry both, so that doing it again changes nothing."""
        await store.set("endless", "old", self.ttl)
        await store.set("limited", "old")
        given = [StoredValue("endless", "new", None), StoredValue("limited", "new", LATER)]
        for _ in range(2):
            await transfer(store).put_many(given)
            assert await everything(transfer(store)) == given
        await advance(self.ttl)
        assert await store.get_many(["endless", "limited"]) == {"endless": "new", "limited": "new"}

    async def test_keys_are_normalised(self, store: CacheStore) -> None:
        composed, decomposed = "\N{LATIN SMALL LETTER U WITH DIAERESIS}", "u\N{COMBINING DIAERESIS}"
        await transfer(store).put_many([StoredValue(decomposed, decomposed, None)])
        assert await everything(transfer(store)) == [StoredValue(composed, decomposed, None)]
        assert await transfer(store).scan(after=decomposed) == ()

    async def test_pages_go_on_after_keys_that_need_not_exist(self, store: CacheStore) -> None:
        await store.set_many({f"{number:03}": str(number) for number in range(0, 250, 2)})
        source = transfer(store)
        for limit in (1, 100, 124, 125, 200):
            assert [each.value for each in await source.scan(limit=limit)] == [
                str(number) for number in range(0, 2 * min(limit, 125), 2)
            ]
        assert [each.key for each in await source.scan(after="121", limit=2)] == ["122", "124"]
        assert [each.key for each in await source.scan(after="122", limit=2)] == ["124", "126"]
        assert [each.key for each in await source.scan(after="", limit=1)] == ["000"]
        assert await source.scan(after="248") == ()
        assert await source.scan(limit=0) == ()
        for limit in (-1, 201):
            with pytest.raises(InvalidInput):
                await source.scan(limit=limit)
        with pytest.raises(InvalidInput):
            await source.scan(after="\0")

    async def test_what_is_there_all_the_time_is_met_once(self, store: CacheStore) -> None:
        """Whatever comes and goes meanwhile."""
        await store.set_many({f"stays:{number:02}": "value" for number in range(40)})
        await store.set_many({f"goes:{number:02}": "value" for number in range(40)})
        met: list[str] = []
        while page := await transfer(store).scan(after=met[-1] if met else None, limit=9):
            met += [each.key for each in page]
            await store.delete(f"goes:{len(met):02}")
            await store.set(f"comes:{len(met):02}", "value")
        assert [key for key in met if key.startswith("stays:")] == [f"stays:{number:02}" for number in range(40)]
        assert met == sorted(set(met))

    async def test_namespaces_are_moved_alone(self, store: CacheStore, neighbour: CacheStore) -> None:
        await store.set("key", "mine")
        await neighbour.set("other", "theirs")
        assert await everything(transfer(store)) == [StoredValue("key", "mine", None)]
        await transfer(store).put_many([StoredValue("other", "mine", None)])
        assert await neighbour.get("other") == "theirs"

    async def test_one_malformed_value_keeps_all_out(self, store: CacheStore) -> None:
        good = StoredValue("good", "new", None)
        await store.set("good", "old")
        refused = [StoredValue(key, "value", None) for key in REFUSED_KEYS]
        refused += [
            StoredValue("key", value, None) for value in (*UNSTORABLE_TEXTS.values(), "x" * (MAX_VALUE_BYTES + 1))
        ]
        refused += [StoredValue("key", "value", expires_at) for expires_at in (-1, MAX_EXPIRY + 1, 2**63)]
        refused += [StoredValue("good", "value", None)]
        for value in refused:
            with pytest.raises(InvalidInput):
                await transfer(store).put_many([good, value])
        with pytest.raises(InvalidInput, match="twice"):
            await transfer(store).put_many([StoredValue("u\u0308", "", None), StoredValue("\u00fc", "", None)])
        assert await everything(transfer(store)) == [StoredValue("good", "old", None)]

    async def test_moving_nothing_does_nothing(self, store: CacheStore) -> None:
        await transfer(store).put_many([])
        assert await transfer(store).scan() == ()

    async def test_checkpoints_are_no_values(self, store: CacheStore, neighbour: CacheStore) -> None:
        """Nothing that lists, counts or removes values meets them; each namespace has its own."""
        if not isinstance(store, SupportsCheckpoints) or not isinstance(neighbour, SupportsCheckpoints):
            pytest.skip("the adapter keeps no checkpoints")
        await store.write_checkpoint("copy", "mine")
        await neighbour.write_checkpoint("copy", "theirs")
        assert store.location != neighbour.location
        assert await store.keys("*") == []
        assert await store.exists("copy") is False
        assert await transfer(store).scan() == ()
        assert await store.clear() == 0
        await store.set("copy", "value")
        assert await store.keys("*") == ["copy"]
        assert await store.clear() == 1
        assert await store.read_checkpoint("copy") == "mine"
        assert await neighbour.read_checkpoint("copy") == "theirs"

    async def test_values_belong_to_the_transaction(self, store: CacheStore) -> None:
        if not isinstance(store, SupportsTransactions):
            pytest.skip("the adapter has no transactions")
        await store.set("key", "old")

        async def fail() -> None:
            async with store.begin_transaction():
                await transfer(store).put_many([StoredValue("key", "new", None), StoredValue("other", "new", LATER)])
                assert len(await transfer(store).scan()) == 2
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await everything(transfer(store)) == [StoredValue("key", "old", None)]
