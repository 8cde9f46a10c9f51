"""Several processes on one collection of a Chroma server, what it belongs to, and its index."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from adapters.chroma import server_reader
from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from adapters.chroma.server_reader import ChromaServerReader
from domain.errors import InvalidInput
from domain.filter import parse_filter
from ports.capabilities import SupportsHealth, SupportsIntegrityCheck
from ports.errors import StorageCorrupt, StorageUnavailable
from ports.vectors import EmbeddingSpace, VectorRecord
from tests.adapters.chroma.conftest import OpenOnServer
from tests.contract.vectors.data import (
    DIMENSION,
    SPACE,
    a_record,
    a_vector,
    clusters,
    distances,
    everything,
    ids,
    put,
    put_matrix,
    stored,
)

pytestmark = [pytest.mark.chroma, pytest.mark.asyncio(loop_scope="module")]

ROWS = 1000


class Raw:
    """Chroma itself, without an adapter in between."""

    def __init__(self, url: str, collection: str) -> None:
        self._base = f"{url}/api/v2/tenants/default_tenant/databases/default_database/collections"
        self._collection = collection

    def create(self, **parts: Any) -> None:
        """Make the collection."""
        httpx.post(self._base, json={"name": self._collection, **parts}, trust_env=False).raise_for_status()

    def remove(self) -> None:
        """Delete the collection."""
        httpx.delete(f"{self._base}/{self._collection}", trust_env=False).raise_for_status()

    def ask(self, operation: str, **body: Any) -> dict[str, Any]:
        """What the collection answers."""
        found = httpx.get(f"{self._base}/{self._collection}", trust_env=False).json()["id"]
        answer = httpx.post(f"{self._base}/{found}/{operation}", json=body, trust_env=False)
        result: dict[str, Any] = answer.raise_for_status().json()
        return result


@pytest.fixture
def raw(chroma_url: str, collection: str) -> Raw:
    """The collection of the test."""
    return Raw(chroma_url, collection)


async def test_another_space_is_refused(open_on_server: OpenOnServer) -> None:
    """A collection that was filled from another model is not opened; the message names both, and what to do."""
    await put(await open_on_server(), a_record(1))
    for other in (EmbeddingSpace("other-model", DIMENSION), EmbeddingSpace(SPACE.model_id, 1024)):
        with pytest.raises(InvalidInput, match="CHROMADB_COLLECTION") as refusal:
            await open_on_server(other)
        for name in (SPACE.model_id, str(DIMENSION), other.model_id, str(other.dimension)):
            assert name in str(refusal.value)
    beside = await open_on_server(EmbeddingSpace("other-model", 7), collection="test-of-another-model")
    assert await beside.count() == 0


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"metadata": {"model_id": SPACE.model_id, "dimension": DIMENSION}, "configuration": {"hnsw": {"space": "l2"}}},
    ],
    ids=["foreign", "another-metric"],
)
async def test_collections_of_others_are_refused(open_on_server: OpenOnServer, raw: Raw, parts: dict[str, Any]) -> None:
    """Neither one that says nothing about its vectors, nor one that compares them differently."""
    raw.create(**parts)
    with pytest.raises(InvalidInput, match="CHROMADB_COLLECTION"):
        await open_on_server()


async def test_unknown_database(open_on_server: OpenOnServer) -> None:
    """The message says which."""
    for options in ({"database": "no-such-database"}, {"tenant": "no-such-tenant"}):
        with pytest.raises(InvalidInput, match="no-such"):
            await open_on_server(**options)


async def test_opened_by_several_at_once(open_on_server: OpenOnServer) -> None:
    """They all get the same collection."""
    stores = await asyncio.gather(*(open_on_server() for _ in range(8)))
    await asyncio.gather(*(put(store, a_record(number)) for number, store in enumerate(stores)))
    for store in stores:
        assert ids(await everything(store)) == [a_record(number).id for number in range(8)]


async def test_collection_that_was_removed(open_on_server: OpenOnServer, raw: Raw) -> None:
    """Is told once, and then there again, empty."""
    store = await open_on_server()
    await put(store, a_record(1))
    raw.remove()
    with pytest.raises(StorageUnavailable, match="was removed"):
        await put(store, a_record(2))
    await put(store, a_record(2))
    assert await everything(store) == [a_record(2)]


async def test_health(open_on_server: OpenOnServer, raw: Raw) -> None:
    """A real round trip to the collection."""
    store = await open_on_server()
    assert isinstance(store, SupportsHealth)
    await store.check_health()
    raw.remove()
    with pytest.raises(StorageUnavailable):
        await store.check_health()


@pytest.mark.quirk(
    "Chroma server",
    "an upsert merges the new metadata into the old, and a filter still finds the fields that were left out",
)
async def test_leftovers_match_nothing(open_on_server: OpenOnServer, raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chroma keeps fields that a record no longer has; no filter sees them, with or without the index."""
    store = await open_on_server()
    await put(store, *(a_record(number, scope="old", gone="yes") for number in range(50)))
    await put(store, *(a_record(number, scope=1) for number in range(50)))
    await put(store, a_record(50, gone="yes"))
    assert len(raw.ask("get", where={"gone": "yes"}, include=[])["ids"]) == 51
    for components in (server_reader.EXACT_COMPONENTS, 0):
        monkeypatch.setattr(server_reader, "EXACT_COMPONENTS", components)
        monkeypatch.setattr(store, "_reader", ChromaServerReader(store._client, DIMENSION))
        for where, expected in (
            ({"gone": "yes"}, [a_record(50).id]),
            ({"scope": "old"}, []),
            ({"$and": [{"gone": "yes"}, {"scope": {"$ne": 2}}]}, []),
            ({"$or": [{"gone": "yes"}, {"scope": "old"}]}, [a_record(50).id]),
        ):
            condition = parse_filter(where)
            assert ids(await store.query(a_vector(1.0), 10, condition)) == expected, where
            assert await store.count(condition) == len(expected)
    assert await store.get([a_record(7).id]) == (a_record(7, scope=1),)


async def test_two_writers_of_one_record(open_on_server: OpenOnServer) -> None:
    """One of them wins: text, vector and metadata belong together, and filters agree with what is read."""
    stores = [await open_on_server() for _ in range(2)]
    versions = [
        [VectorRecord(f"r{number}", writer, stored(vector), {writer: "yes", "by": writer}) for number in range(20)]
        for writer, vector in (("one", a_vector(1.0)), ("two", a_vector(0.0, 1.0)))
    ]
    for _ in range(5):
        await asyncio.gather(
            *(put(store, record) for store, records in zip(stores, versions, strict=True) for record in records)
        )
        records = await everything(stores[0])
        assert all(
            record in (versions[0][row], versions[1][row]) for row, record in enumerate(sorted_by_number(records))
        )
        for writer in ("one", "two"):
            written = {record.id for record in records if record.document == writer}
            for where in ({writer: "yes"}, {"by": writer}):
                assert set(ids(await stores[1].query(a_vector(1.0), 100, parse_filter(where)))) == written


def sorted_by_number(records: list[VectorRecord]) -> list[VectorRecord]:
    """r0, r1, ... r19."""
    return sorted(records, key=lambda record: int(record.id[1:]))


async def test_updates_by_two_do_not_undo_each_other(open_on_server: OpenOnServer) -> None:
    """Each sends the part that it changes, nothing else."""
    stores = [await open_on_server() for _ in range(3)]
    names = [a_record(number).id for number in range(20)]
    await put(stores[0], *(a_record(number) for number in range(20)))
    await asyncio.gather(
        *(stores[0].update([name], documents=["New"]) for name in names),
        *(stores[1].update([name], metadatas=[{"new": True}]) for name in names),
        *(stores[2].update([name], embeddings=[a_vector(0.0, 0.0, 2.0)]) for name in names),
    )
    vector = stored(a_vector(0.0, 0.0, 2.0))
    assert await everything(stores[1]) == [VectorRecord(name, "New", vector, {"new": True}) for name in names]


async def test_update_does_not_bring_back_what_another_deletes(open_on_server: OpenOnServer) -> None:
    """A record that is deleted in the middle of an update stays away."""
    one, other = await open_on_server(), await open_on_server()
    for _ in range(10):
        await put(one, a_record(1))
        await asyncio.gather(
            one.update([a_record(1).id], documents=["New"]), other.delete([a_record(1).id]), return_exceptions=True
        )
        assert await other.count() == 0


async def test_record_of_somebody_else(open_on_server: OpenOnServer, raw: Raw) -> None:
    """Is not guessed at, and the check of the collection finds it."""
    store = await open_on_server()
    await put(store, a_record(1))
    assert isinstance(store, SupportsIntegrityCheck)
    assert await store.check_integrity() == []
    raw.ask("upsert", ids=["foreign"], embeddings=[a_vector(1.0)], metadatas=[{"a": 1}])
    for call in (store.get(["foreign"]), store.scan(), store.query(a_vector(1.0))):
        with pytest.raises(StorageCorrupt, match="foreign"):
            await call
    (problem,) = await store.check_integrity()
    assert "foreign" in problem
    assert await store.delete(["foreign"]) == 1
    assert await store.check_integrity() == []


class TestLargeCollection:
    """With a limit of nothing, any collection is a large one, for which the index of Chroma answers."""

    @pytest.fixture(autouse=True)
    def small_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_reader, "EXACT_COMPONENTS", 0)

    @pytest.mark.parametrize(
        ("where", "is_allowed"),
        [
            (None, lambda row: True),
            ({"owner": "owner1"}, lambda row: row % 4 == 1),
            ({"small": "yes"}, lambda row: row % 100 == 0),
            ({"row": {"$gte": 500}}, lambda row: row >= 500),
            ({"owner": "owner1", "row": {"$gte": 800}}, lambda row: row % 4 == 1 and row >= 800),
            ({"owner": {"$ne": "owner1"}}, lambda row: row % 4 != 1),
        ],
        ids=["all", "by-text", "few", "by-number", "by-both", "by-others"],
    )
    async def test_index(self, open_on_server: OpenOnServer, where: dict[str, Any] | None, is_allowed: Any) -> None:
        """Nearly everything near is found, all of it is allowed, and the distances are exact."""
        store, matrix = await open_on_server(), clusters(seed=9, groups=25, size=40)
        owners: list[dict[str, Any]] = [
            {"owner": f"owner{row % 4}", "row": row} | ({} if row % 100 else {"small": "yes"}) for row in range(ROWS)
        ]
        await put_matrix(store, matrix, owners)
        found = 0
        for query in matrix[:20].tolist():
            true = distances(matrix, query)
            hits = await store.query(query, 10, parse_filter(where) if where else None)
            rows = [int(record_id.removeprefix("row_")) for record_id in ids(hits)]
            assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)
            assert [hit.distance for hit in hits] == pytest.approx([true[row] for row in rows], abs=1e-5)
            assert len(rows) == 10
            assert all(map(is_allowed, rows))
            found += len(set(rows) & set([row for row in np.argsort(true) if is_allowed(row)][:10]))
        assert found >= 0.95 * 200
        assert await store.check_integrity() == []

    async def test_what_is_known_is_not_asked_again(
        self, open_on_server: OpenOnServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For some seconds, the size is not counted, and a filter that lets few pass is left to Chroma at once."""
        store = await open_on_server()
        names = await put_matrix(store, clusters(seed=9, groups=10, size=20), [{"n": str(row)} for row in range(200)])
        asked: list[str] = []
        read = store._client.read

        async def noted(operation: str, *arguments: Any, **named: Any) -> Any:
            asked.append(operation)
            return await read(operation, *arguments, **named)

        monkeypatch.setattr(store._client, "read", noted)

        async def operations(where: dict[str, Any] | None = None) -> list[str]:
            asked.clear()
            await store.query(a_vector(1.0, 0.2), 1, parse_filter(where) if where else None)
            return [operation for operation in asked if operation != "get"]

        assert await operations() == ["count", "query"]
        assert await operations() == ["query"]
        rare = {"n": "7"}
        assert await operations(rare) == ["query", "query"]
        assert await operations(rare) == ["query"]
        await store.delete(names[:1])
        assert await operations(rare) == ["count", "query", "query"]

    async def test_more_are_equally_near_than_are_taken_at_first(self, open_on_server: OpenOnServer) -> None:
        """The first ids are found all the same."""
        store = await open_on_server()
        await put(store, *(replace(a_record(number), embedding=a_vector(1.0)) for number in range(20)))
        hits = await store.query(a_vector(1.0), 2)
        assert ids(hits) == [a_record(number).id for number in range(2)]

    async def test_index_that_finds_too_little(
        self, open_on_server: OpenOnServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody gets fewer records than there are, and the check of the collection tells it."""
        store = await open_on_server()
        names = await put_matrix(store, clusters(seed=9, groups=10, size=20), [{"a": "b"}] * 200)

        async def nothing(*_: Any) -> tuple[()]:
            return ()

        monkeypatch.setattr(ChromaServerReader, "by_index", nothing)
        assert sorted(ids(await store.query(a_vector(1.0), 1000))) == names
        assert sorted(ids(await store.query(a_vector(1.0), 1000, parse_filter({"a": "b"})))) == names
        (problem,) = await store.check_integrity()
        assert "finds 0%" in problem
        assert "CHROMADB_COLLECTION" in problem

    async def test_more_than_the_index_is_asked_for(self, open_on_server: OpenOnServer) -> None:
        """All of a small collection, and all that pass."""
        store = await open_on_server()
        names = await put_matrix(store, clusters(seed=9, groups=10, size=20), [{"n": row % 2} for row in range(200)])
        assert sorted(ids(await store.query(a_vector(1.0), 1000))) == names
        assert sorted(ids(await store.query(a_vector(1.0), 1000, parse_filter({"n": 1})))) == names[1::2]


async def test_batches_fit_the_dimension(open_on_server: OpenOnServer) -> None:
    """Wide vectors are written fewer at a time, so that no request takes too long, but at least one."""
    assert (await open_on_server())._batch == 100
    assert (await open_on_server(batch=7, collection="test-batches"))._batch == 7
    for dimension, expected in ((384, 100), (1024, 37), (60_000, 1)):
        space = EmbeddingSpace("wide", dimension)
        store: ChromaServerVectorStore = await open_on_server(space, collection=f"test-wide-{dimension}")
        assert store._batch == expected


async def test_processes_share_checkpoints(open_on_server: OpenOnServer, chroma_url: str, collection: str) -> None:
    """They say so by their location; another collection has others."""
    first, second, other = await open_on_server(), await open_on_server(), await open_on_server(collection="x" * 512)
    assert first.location == second.location == f"chromadb:{chroma_url}/default_tenant/default_database#{collection}"
    assert other.location != first.location
    await asyncio.gather(first.write_checkpoint("one", "1"), second.write_checkpoint("two", "2"))
    assert (await second.read_checkpoint("one"), await first.read_checkpoint("two")) == ("1", "2")
    assert await other.read_checkpoint("one") is None
    with pytest.raises(InvalidInput, match=f"{SPACE.model_id} with {DIMENSION}"):
        await open_on_server(EmbeddingSpace("other", DIMENSION))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://host:8000/", "http://host:8000"),
        ("http://HOST", "http://host:80"),
        ("https://host/prefix/", "https://host:443/prefix"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
async def test_location_is_the_same_however_the_url_is_written(url: str, place: str) -> None:
    options = ChromaServerOptions(url, "knowledge", api_key="secret", tenant="a/b")
    assert options.location == f"chromadb:{place}/a%2Fb/default_database#knowledge"
