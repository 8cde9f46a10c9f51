"""Nearest neighbours, pages, and reading while others write."""

import asyncio

import numpy as np
import pytest

from domain.errors import InvalidInput
from domain.filter import parse_filter
from ports.vectors import MAX_RESULTS, VectorStore
from tests.contract.data import LEGAL_TEXTS
from tests.contract.vectors.data import (
    DIMENSION,
    MALFORMED_VECTORS,
    a_record,
    a_vector,
    clusters,
    distances,
    everything,
    ids,
    put,
    put_matrix,
)


class VectorSearchTests:
    """A query finds what is nearest, in order, with its true distance."""

    async def test_query_nearest_first(self, store: VectorStore) -> None:
        """Each hit brings its text and metadata."""
        await put(store, *(a_record(number) for number in range(20)))
        hits = await store.query(a_record(12).embedding, 3)
        assert hits[0].id == a_record(12).id
        assert set(ids(hits[1:])) == {a_record(11).id, a_record(13).id}
        assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)
        assert all(hit.document == f"Document {hit.metadata['number']}" for hit in hits)

    async def test_query_distances(self, store: VectorStore) -> None:
        """0 in the same direction, 1 across, 2 opposite, whatever the lengths are."""
        vectors = [a_vector(5.0), a_vector(0.0, 0.001), a_vector(-70.0), a_vector(3.0, 4.0)]
        await store.add_documents(["x"] * 4, vectors, [{}] * 4, ["same", "across", "opposite", "between"])
        found = {hit.id: hit.distance for hit in await store.query(a_vector(0.2))}
        assert list(found) == ["same", "between", "across", "opposite"]
        assert found == pytest.approx({"same": 0.0, "between": 0.4, "across": 1.0, "opposite": 2.0}, abs=1e-5)
        assert all(0 <= distance <= 2 for distance in found.values())

    async def test_query_orders_ties_by_id(self, store: VectorStore) -> None:
        """Also where some of the equally near ones do not fit in."""
        names = [f"tie_{number:02}" for number in range(30)]
        shuffled = [names[number * 7 % 30] for number in range(30)]
        vectors = [a_vector(*[0.1 * (number + 1)] * DIMENSION) for number in range(30)]
        await store.add_documents(["x"] * 30, vectors, [{}] * 30, shuffled)
        await store.add_documents(["y"], [a_vector(*[1.0] * (DIMENSION - 1))], [{}], ["a_farther_one"])
        query = a_vector(*[0.3] * DIMENSION)
        assert ids(await store.query(query, 31)) == [*names, "a_farther_one"]
        assert ids(await store.query(query, 4)) == names[:4]

    @pytest.mark.parametrize("number", [0, -1, MAX_RESULTS + 1])
    async def test_query_refuses_numbers_out_of_bounds(self, store: VectorStore, number: int) -> None:
        """Neither none nor too many."""
        with pytest.raises(InvalidInput):
            await store.query(a_vector(1.0), number)

    async def test_query_more_than_there_are(self, store: VectorStore) -> None:
        """All come, once each."""
        await put(store, *(a_record(number) for number in range(7)))
        assert ids(await store.query(a_record(0).embedding, MAX_RESULTS)) == [
            a_record(number).id for number in range(7)
        ]

    @pytest.mark.parametrize("vector", MALFORMED_VECTORS.values(), ids=MALFORMED_VECTORS.keys())
    @pytest.mark.quirk("Chroma", "a question with NaN in it is answered, and a vector of zeros has a distance of 1")
    async def test_query_refuses_malformed_vectors(self, store: VectorStore, vector: list[float]) -> None:
        """A question has to fit the space too."""
        await put(store, a_record(1))
        with pytest.raises(InvalidInput):
            await store.query(vector)

    async def test_query_on_clustered_data(self, store: VectorStore) -> None:
        """Of the 10 nearest of 2,000 records at least 95 % are found; distances and order are exact."""
        matrix = clusters(seed=2, groups=40, size=50)
        names = await put_matrix(store, matrix)
        queries = clusters(seed=2, groups=40, size=1)
        found = 0
        for query in queries.tolist():
            true = distances(matrix, query)
            hits = await store.query(query, 10)
            assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)
            assert [hit.distance for hit in hits] == pytest.approx(
                [true[names.index(hit.id)] for hit in hits], abs=1e-5
            )
            found += len(set(ids(hits)) & {names[row] for row in np.argsort(true)[:10]})
        assert found >= 0.95 * 10 * len(queries)

    @pytest.mark.quirk(
        "pgvector", "an HNSW index finds first and filters then: with a filter it gives too few records, or none"
    )
    async def test_query_for_a_small_tenant(self, store: VectorStore) -> None:
        """A filter that leaves 10 of 2,000 records still finds all 10, even where others are nearer."""
        matrix = clusters(seed=3, groups=40, size=50)
        small = set(range(0, 2000, 200))
        owners: list[dict[str, str | int]] = [{"owner": "small" if row in small else "large"} for row in range(2000)]
        names = await put_matrix(store, matrix, owners)
        expected = {names[row] for row in small}
        for where in ({"owner": "small"}, {"owner": {"$ne": "large"}}, {"$or": [{"owner": "small"}, {"owner": "x"}]}):
            for query in matrix[:5].tolist():
                hits = await store.query(query, 10, parse_filter(where))
                assert set(ids(hits)) == expected
                true = distances(matrix, query)
                assert [hit.distance for hit in hits] == pytest.approx(sorted(true[row] for row in small), abs=1e-5)

    async def test_query_for_a_large_tenant(self, store: VectorStore) -> None:
        """A filter that leaves half of 2,000 records finds as many as are asked for, near and allowed."""
        matrix = clusters(seed=4, groups=40, size=50)
        names = await put_matrix(store, matrix, [{"half": "even" if row % 2 == 0 else "odd"} for row in range(2000)])
        found = 0
        for query in matrix[:20].tolist():
            hits = await store.query(query, 10, parse_filter({"half": "odd"}))
            true = distances(matrix, query)
            true[::2] = np.inf
            assert len(hits) == 10
            assert all(hit.metadata == {"half": "odd"} for hit in hits)
            found += len(set(ids(hits)) & {names[row] for row in np.argsort(true)[:10]})
        assert found >= 0.95 * 10 * 20
        assert len(await store.query(matrix[0].tolist(), MAX_RESULTS, parse_filter({"half": "odd"}))) == 1000

    @pytest.mark.quirk("Chroma", "deleted vectors stay in the graph of the index, which falls apart (docs/adr/0005)")
    async def test_query_after_most_was_deleted(self, store: VectorStore) -> None:
        """An index full of holes finds what is left."""
        matrix = clusters(seed=5, groups=40, size=50)
        names = await put_matrix(store, matrix)
        kept = set(range(0, 2000, 3))
        await store.delete([name for row, name in enumerate(names) if row not in kept])
        for query in matrix[:10].tolist():
            hits = await store.query(query, 50)
            assert len(hits) == 50
            assert {names.index(hit.id) for hit in hits} <= kept
        assert len(await store.query(matrix[0].tolist(), MAX_RESULTS)) == len(kept)

    async def test_query_asked_again(self, store: VectorStore) -> None:
        """The same question follows each change of the records, and each question is a question of its own."""
        where = parse_filter({"number": {"$lt": 9}})

        async def asked() -> tuple[list[tuple[str, str]], list[str]]:
            found = await store.query(a_vector(1.0), 3)
            return [(hit.id[-1], hit.document) for hit in found], ids(await store.query(a_vector(1.0), 3, where))

        await put(store, a_record(1), a_record(2))
        first, second = a_record(1).id, a_record(2).id
        assert await asked() == await asked() == ([("1", "Document 1"), ("2", "Document 2")], [first, second])
        await store.update([first], documents=["changed"])
        assert await asked() == await asked() == ([("1", "changed"), ("2", "Document 2")], [first, second])
        await store.update([first], metadatas=[{"number": 99}])
        assert await asked() == await asked() == ([("1", "changed"), ("2", "Document 2")], [second])
        await store.update([first], embeddings=[a_vector(0.0, 1.0)])
        assert await asked() == await asked() == ([("2", "Document 2"), ("1", "changed")], [second])
        await store.delete([second])
        assert await asked() == await asked() == ([("1", "changed")], [])
        await put(store, a_record(2))
        assert await asked() == await asked() == ([("2", "Document 2"), ("1", "changed")], [second])
        assert len(await store.query(a_vector(1.0), 1)) == 1
        assert ids(await store.query(a_vector(0.0, 1.0), 3)) == [first, second]

    async def test_query_with_filters_that_python_takes_for_equal(self, store: VectorStore) -> None:
        """The number 1 and true are equal in Python, and as keys of a dictionary."""
        await put(store, a_record(1, flag=True), a_record(2, flag=1))
        for _ in range(2):
            assert ids(await store.query(a_vector(1.0), 3, parse_filter({"flag": True}))) == [a_record(1).id]
            assert ids(await store.query(a_vector(1.0), 3, parse_filter({"flag": 1}))) == [a_record(2).id]
            assert ids(await store.query(a_vector(1.0), 3, parse_filter({"flag": 1.0}))) == [a_record(2).id]
        await store.update([a_record(2).id], metadatas=[{"flag": True}])
        found = await store.query(a_vector(1.0), 3, parse_filter({"flag": True}))
        assert [hit.metadata["flag"] is True for hit in found] == [True, True]

    async def test_queries_while_records_are_added(self, store: VectorStore) -> None:
        """Every hit of a running query is a record as it was written, with its true distance."""
        matrix = clusters(seed=6, groups=20, size=30)
        names = [f"row_{row:05}" for row in range(600)]
        adding = asyncio.ensure_future(put_matrix(store, matrix))
        asked = 0
        while not adding.done() or not asked:
            query = matrix[asked % 600].tolist()
            true = distances(matrix, query)
            hits = await store.query(query, 20, parse_filter({"row": {"$gte": 100}}) if asked % 2 else None)
            for hit in hits:
                row = names.index(hit.id)
                assert (hit.document, hit.metadata) == (f"Text of {hit.id}", {"row": row})
                assert hit.distance == pytest.approx(true[row], abs=1e-5)
                assert row >= 100 or asked % 2 == 0
            asked += 1
            await asyncio.sleep(0)
        await adding
        assert await store.count() == 600


class VectorScanTests:
    """Pages by id."""

    @pytest.mark.parametrize("size", [1, 3, 7, 100])
    async def test_scan_visits_every_record_once(self, store: VectorStore, size: int) -> None:
        """In one order, whatever the size of a page."""
        await put(store, *(a_record(number * 5 % 12) for number in range(12)))
        records = []
        while page := await store.scan(after=records[-1].id if records else None, limit=size):
            assert len(page) <= size
            assert page[0] not in records
            records += page
        assert records == [a_record(number) for number in range(12)]

    @pytest.mark.quirk(
        "PostgreSQL", "text is ordered by the locale of the database, so pages by id would differ from those of others"
    )
    async def test_scan_orders_by_code_point(self, store: VectorStore) -> None:
        """Whatever languages the ids are in."""
        names = [text for text in LEGAL_TEXTS.values() if len(text) < 500] + ["A", "a", "B", "\U0001f600", "\uff5e"]
        await store.add_documents(["x"] * len(names), [a_vector(1.0)] * len(names), [{}] * len(names), names)
        assert ids(await everything(store)) == sorted(names)
        assert ids(await store.scan(after="a", limit=200)) == sorted(name for name in names if name > "a")

    async def test_scan_after_an_id_that_is_gone(self, store: VectorStore) -> None:
        """The next page begins behind the place where it was."""
        await put(store, a_record(1), a_record(3), a_record(5))
        await store.delete([a_record(3).id])
        assert await store.scan(after=a_record(3).id) == (a_record(5),)

    async def test_scan_while_records_come_and_go(self, store: VectorStore) -> None:
        """What is there all the time is visited exactly once."""
        await put(store, *(a_record(number) for number in range(100, 200)))

        async def disturb() -> None:
            for number in range(50):
                await put(store, a_record(number), a_record(250 + number))
                await store.delete([a_record(number).id])

        disturbing = asyncio.ensure_future(disturb())
        visited: list[str] = []
        while page := await store.scan(after=visited[-1] if visited else None, limit=7):
            assert page[0].id not in visited
            visited += ids(page)
        await disturbing
        assert len(visited) == len(set(visited))
        assert [name for name in visited if "rec_00100" <= name < "rec_00200"] == [
            a_record(number).id for number in range(100, 200)
        ]

    @pytest.mark.parametrize("limit", [-1, 201])
    async def test_scan_refuses_limits_out_of_bounds(self, store: VectorStore, limit: int) -> None:
        """As every page has."""
        with pytest.raises(InvalidInput):
            await store.scan(limit=limit)
