"""Vector stores of the factory: which embedding space they take, and the two short forms."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bootstrap.stores import InvalidStoreConfiguration, StoreFactory
from bootstrap.stores.configurations import UNSPECIFIED_MODEL
from bootstrap.stores.deferred_vectors import DeferredVectorStore
from domain.errors import InvalidInput
from domain.filter import parse_filter
from ports.errors import NotFound, StorageUnavailable
from ports.ids import IdSource
from ports.vectors import EmbeddingSpace

VECTORS = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
KINDS = [
    "inmemory",
    pytest.param("chroma", marks=pytest.mark.chroma),
    pytest.param("chroma_server", marks=pytest.mark.chroma),
    pytest.param("pgvector", marks=pytest.mark.postgres),
]
DURABLE = KINDS[1:]
SERVERS = KINDS[2:]


@dataclass
class Stores:
    """Makes stores for one place, closes them at the end."""

    place: dict[str, object]
    made: list[DeferredVectorStore]

    def __call__(self, **more: object) -> DeferredVectorStore:
        self.made.append(StoreFactory.create_vector_store({**self.place, **more}))
        return self.made[-1]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    """Where the stores of the test are."""
    match request.param:
        case "chroma":
            return {"type": "chromadb", "path": str(tmp_path / "chroma")}
        case "chroma_server":
            url = request.getfixturevalue("chroma_url")
            return {"type": "chromadb", "url": url, "collection": f"test-{uuid.uuid4().hex}"}
        case "pgvector":
            dsn = request.getfixturevalue("new_database")()
            return {"type": "pgvector", "connection": dsn, "pool_size": 2, "max_overflow": 0}
    return {"type": request.param}


@pytest.fixture
async def stores(place: dict[str, object]) -> AsyncIterator[Stores]:
    stores = Stores(place, [])
    yield stores
    for store in stores.made:
        await store.aclose()


@pytest.mark.parametrize("place", KINDS, indirect=True)
async def test_the_first_vectors_decide_the_dimension(stores: Stores) -> None:
    store = stores()
    assert await store.add_vectors([]) == ()
    assert await store.search(VECTORS[0]) == await store.scan() == await store.get(["a"]) == ()
    assert (await store.count(), await store.delete(["a"])) == (0, 0)
    await store.update([])
    with pytest.raises(NotFound):
        await store.update(["a"], documents=["text"])
    with pytest.raises(InvalidInput, match="known once it is open"):
        _ = store.space
    ids = await store.add_vectors(VECTORS, [{"n": n} for n in range(3)])
    assert len(set(ids)) == 3
    assert store.space == EmbeddingSpace(UNSPECIFIED_MODEL, 3)
    hits = await store.search((1.0, 0.1, 0.0), k=2)
    assert [(hit.id, hit.metadata, hit.document) for hit in hits] == [(ids[0], {"n": 0}, ""), (ids[1], {"n": 1}, "")]
    with pytest.raises(InvalidInput, match="this store holds vectors of 3"):
        await store.add_vectors([(1.0, 2.0)])
    with pytest.raises(InvalidInput, match="this store holds vectors of 3"):
        await store.search((1.0, 2.0))


@pytest.mark.parametrize("place", DURABLE, indirect=True)
async def test_what_is_stored_decides_the_space(stores: Stores) -> None:
    async with stores(model_id="minilm", dimension=3) as first:
        assert first.space == EmbeddingSpace("minilm", 3)
        await first.add_vectors(VECTORS, ids=["a", "b", "c"], documents=["A", "B", "C"])
    async with stores() as second:
        (hit,) = await second.search(VECTORS[1], k=1)
        assert (hit.id, hit.document) == ("b", "B")
        assert second.space == EmbeddingSpace("minilm", 3)
        with pytest.raises(InvalidInput, match="this store holds vectors of 3"):
            await second.add_vectors([(1.0, 2.0)])


@pytest.mark.parametrize("place", SERVERS, indirect=True)
async def test_looking_for_what_is_stored_makes_nothing(stores: Stores) -> None:
    async with stores() as looking:
        assert await looking.search(VECTORS[0]) == ()
    async with stores(model_id="minilm", dimension=7) as first:
        assert (await first.count(), (await first.opened()).space) == (0, EmbeddingSpace("minilm", 7))


async def test_looking_into_a_folder_that_is_missing_makes_none(tmp_path: Path) -> None:
    async with StoreFactory.create_vector_store({"type": "chromadb", "path": str(tmp_path / "chroma")}) as looking:
        assert await looking.search(VECTORS[0]) == ()
    assert not (tmp_path / "chroma").exists()


@pytest.mark.parametrize("place", SERVERS, indirect=True)
async def test_a_space_other_than_that_of_what_is_stored_is_refused(stores: Stores) -> None:
    async with stores(model_id="minilm", dimension=3) as first:
        await first.add_vectors(VECTORS)
        for other in ({"dimension": 4}, {"model_id": "bge"}, {"model_id": "bge", "dimension": 3}):
            async with stores(**other) as refused:
                with pytest.raises(InvalidInput, match="holds vectors of minilm with 3"):
                    await refused.count()
        for same in ({"dimension": 3}, {"model_id": "minilm"}):
            async with stores(**same) as accepted:
                assert await accepted.count() == 3


@pytest.mark.parametrize("place", ["inmemory", pytest.param("pgvector", marks=pytest.mark.postgres)], indirect=True)
async def test_a_new_store_is_made_for_the_space_that_is_offered(stores: Stores) -> None:
    store = stores()
    with pytest.raises(InvalidInput, match="names no dimension"):
        await store.opened()
    assert (await store.opened(EmbeddingSpace("minilm", 3))).space == EmbeddingSpace("minilm", 3)
    assert (await store.opened(EmbeddingSpace("bge", 4))).space == EmbeddingSpace("minilm", 3)
    await store.aclose()
    with pytest.raises(StorageUnavailable):
        await store.opened(EmbeddingSpace("minilm", 3))


async def test_a_configuration_says_more_than_an_offer() -> None:
    for given, space in (
        ({"model_id": "bge"}, EmbeddingSpace("bge", 3)),
        ({"dimension": 5}, EmbeddingSpace("minilm", 5)),
        ({"model_id": "bge", "dimension": 5}, EmbeddingSpace("bge", 5)),
    ):
        async with StoreFactory.create_vector_store({"type": "inmemory", **given}) as store:
            assert (await store.opened(EmbeddingSpace("minilm", 3))).space == space
    async with StoreFactory.create_vector_store({"type": "inmemory", "dimension": 5}) as store:
        assert (await store.opened()).space == EmbeddingSpace(UNSPECIFIED_MODEL, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"embeddings": [()]},
        {"embeddings": [(0.0, 0.0)]},
        {"embeddings": [(1.0, 0.0), (1.0,)]},
        {"embeddings": [(1.0, 0.0)], "metadata": []},
        {"embeddings": [(1.0, 0.0)], "metadata": [{"": 1}]},
        {"embeddings": [(1.0, 0.0)], "ids": ["a", "b"]},
        {"embeddings": [(1.0, 0.0)] * 2, "ids": ["a", "a"]},
        {"embeddings": [(1.0, 0.0)], "documents": []},
        {"embeddings": [], "ids": ["a"]},
    ],
)
async def test_vectors_that_are_refused_decide_nothing(wrong: dict[str, list[object]]) -> None:
    async with StoreFactory.create_vector_store({"type": "inmemory"}) as store:
        with pytest.raises(InvalidInput):
            await store.add_vectors(**wrong)  # type: ignore[arg-type]
        await store.add_vectors(VECTORS)
        assert store.space.dimension == 3


async def test_an_empty_store_refuses_what_every_store_refuses() -> None:
    async with StoreFactory.create_vector_store({"type": "inmemory"}) as store:
        for wrong in ({"query_vector": ()}, {"query_vector": (1.0,), "k": 0}, {"query_vector": (1.0,), "where": {}}):
            with pytest.raises(InvalidInput):
                await store.search(**wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            await store.scan(limit=-1)
        with pytest.raises(InvalidInput):
            await store.update(["a", "a"])


async def test_a_filter_may_be_written_or_parsed() -> None:
    async with StoreFactory.create_vector_store({"type": "inmemory"}) as store:
        ids = await store.add_vectors(VECTORS, [{"n": n} for n in range(3)])
        written = await store.search(VECTORS[0], where={"n": {"$gte": 2}})
        assert [hit.id for hit in written] == [ids[2]]
        assert await store.search(VECTORS[0], where=parse_filter({"n": {"$gte": 2}})) == written


async def test_vectors_may_be_a_matrix_and_ids_from_a_source() -> None:
    class Numbers(IdSource):
        def new(self, prefix: str, digits: int = 12) -> str:
            self.last = getattr(self, "last", 0) + 1
            return f"{prefix}_{self.last}"

        def secret(self) -> str:
            raise NotImplementedError

    async with StoreFactory.create_vector_store({"type": "inmemory"}, ids=Numbers()) as store:
        assert await store.add_vectors(np.eye(3)) == ("vec_1", "vec_2", "vec_3")  # type: ignore[arg-type]
        (hit,) = await store.search(np.eye(3)[1], k=1)  # type: ignore[arg-type]
        assert hit.id == "vec_2"


@pytest.mark.parametrize(
    "away",
    [
        {"type": "chromadb", "url": "http://127.0.0.1:1"},
        {"type": "pgvector", "connection": "postgresql://me:sesame@127.0.0.1:1/vectors"},
    ],
    ids=lambda away: str(away["type"]),
)
@pytest.mark.parametrize("more", [{}, {"model_id": "minilm", "dimension": 3}], ids=["open", "settled"])
async def test_a_backend_that_is_away_is_told_by_the_first_operation(
    away: dict[str, str], more: dict[str, object]
) -> None:
    async with StoreFactory.create_vector_store({**away, **more}) as store:
        with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1") as refused:
            await store.search(VECTORS[0], k=10)
    assert "sesame" not in str(refused.value)


def test_the_dimension_has_bounds() -> None:
    with pytest.raises(InvalidStoreConfiguration, match="from 1 to 16000"):
        StoreFactory.create_vector_store({"type": "inmemory", "dimension": 0})
