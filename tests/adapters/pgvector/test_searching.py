"""Searches in a collection that is large enough for its index."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from adapters.pgvector import statements, vectors
from adapters.pgvector.statements import EXACT_ROWS, Statements
from adapters.pgvector.vectors import PgVectorStore
from adapters.postgres.sql import Sql
from domain.filter import Filter, parse_filter
from ports.vectors import MAX_RESULTS, EmbeddingSpace
from tests.adapters.pgvector.conftest import Open, options_of
from tests.contract.vectors.data import SPACE, Matrix, a_vector, clusters, distances, everything, ids, put_matrix

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

ROWS = 4000
SMALL = 200
"""Every so manieth record belongs to a small tenant."""


def owner(row: int) -> str:
    """Half of the records have one owner; 0.5 % the small one."""
    if row % SMALL == 0:
        return "small"
    return "large" if row % 2 else "others"


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """The vectors that are stored."""
    return clusters(seed=9, groups=ROWS // 50, size=50)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def large(module_dsn: str, matrix: Matrix) -> AsyncIterator[PgVectorStore]:
    """A collection of which most filters leave many records."""
    store = await PgVectorStore.open(options_of(module_dsn), "large", SPACE)
    await put_matrix(store, matrix, [{"owner": owner(row), "row": row} for row in range(ROWS)])
    yield store
    assert store._database.checked_out == 0
    await store.aclose()


def row_of(record_id: str) -> int:
    """The row of a record."""
    return int(record_id.removeprefix("row_"))


def compare_up_to(rows: int, store: PgVectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """More records than that are many for the store. It forgets the texts that it has made for another number."""
    monkeypatch.setattr(statements, "EXACT_ROWS", rows)
    monkeypatch.setattr(store, "_statements", Statements(store._collection))
    store._few.clear()


def note_counts(store: PgVectorStore, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each statement that the store sends from now on, whether it counts the records that pass."""
    read = store._database.read
    counted: list[bool] = []

    async def noted(sql: Sql, *arguments: Any) -> Any:
        counted.append("passing" in sql.text)
        return await read(sql, *arguments)

    monkeypatch.setattr(store._database, "read", noted)
    return counted


async def explain(store: PgVectorStore, limit: int, where: Filter | None) -> str:
    """How the server walks."""
    sql, values = store._statements.search(vectors._encode(a_vector(1.0)), limit, where)
    rows = await store._database.read(Sql(f"EXPLAIN {sql.text}", sql.names), values)
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("wanted", [1, 10, 100])
@pytest.mark.parametrize(
    ("where", "is_allowed"),
    [
        (None, lambda row: True),
        ({"owner": {"$in": ["large", "small"]}}, lambda row: owner(row) in ("large", "small")),
        ({"row": {"$gte": 1000}}, lambda row: row >= 1000),
        ({"owner": {"$ne": "large"}, "row": {"$gte": 0}}, lambda row: owner(row) != "large"),
    ],
    ids=["all", "by-text", "by-number", "by-difference"],
)
async def test_recall(
    large: PgVectorStore,
    matrix: Matrix,
    where: dict[str, Any] | None,
    is_allowed: Callable[[int], bool],
    wanted: int,
) -> None:
    """At least 95 % of the nearest are found; each is allowed, and order and distances are exact."""
    condition = parse_filter(where) if where else None
    mask = np.asarray([is_allowed(row) for row in range(ROWS)])
    assert await large.count(condition) == mask.sum()
    found = 0
    queries = matrix[:: ROWS // 20].tolist()
    for query in queries:
        true = distances(matrix, query)
        hits = await large.query(query, wanted, condition)
        assert len(hits) == wanted
        assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)
        assert [hit.distance for hit in hits] == pytest.approx([true[row_of(hit.id)] for hit in hits], abs=1e-6)
        assert all(mask[row_of(hit.id)] for hit in hits)
        true[~mask] = np.inf
        found += len({row_of(hit.id) for hit in hits} & set(np.argsort(true)[:wanted].tolist()))
    assert found >= 0.95 * wanted * len(queries)


async def test_the_index_is_asked(large: PgVectorStore) -> None:
    """Without a filter or with one, also where the server has no statistics."""
    where = parse_filter({"owner": "small", "row": {"$gt": 3}})
    for limit, condition in ((42, None), (42, where), (132, where)):
        plan = await explain(large, limit, condition)
        assert "Index Scan using ix_vectors_large_embedding" in plan, plan
        assert "One-Time Filter" in plan, plan


async def test_only_one_way_is_gone(large: PgVectorStore) -> None:
    """The number of records that pass decides before the first one is looked at."""
    for condition, walked in (({"owner": "small"}, False), ({"owner": "others"}, False), (None, True)):
        where = parse_filter(condition) if condition else None
        sql, values = large._statements.search(vectors._encode(a_vector(1.0)), 42, where)
        rows = await large._database.read(Sql(f"EXPLAIN (ANALYZE, COSTS OFF) {sql.text}", sql.names), values)
        (walk,) = [row[0] for row in rows if "Index Scan using ix_vectors_large_embedding" in row[0]]
        *_, sort = [row[0] for row in rows if row[0].strip().startswith("->  Sort")]
        assert ("never executed" in walk) is not walked, walk
        assert ("rows=0" in sort) is walked, sort


async def test_what_is_known_is_not_counted_again(
    large: PgVectorStore, matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For some seconds it is remembered whether few records pass, until some are deleted here."""
    counted = note_counts(large, monkeypatch)
    large._few.clear()
    for condition in (None, parse_filter({"owner": "small"}), parse_filter({"row": {"$gte": 1500}})):
        found = []
        for again in (False, True):
            counted.clear()
            found.append(await large.query(matrix[7].tolist(), 10, condition))
            assert counted[0] is not again
        assert found[0] == found[1]
    await large.delete(["nobody"])
    counted.clear()
    await large.query(matrix[7].tolist(), 10)
    assert counted[0]


@pytest.mark.quirk(
    "pgvector", "an HNSW index finds first and filters then: with a filter it gives too few records, or none"
)
async def test_the_walk_goes_on_until_there_are_enough(large: PgVectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that leaves one record in 40 still gets as many as are asked for; an ordinary scan gives less."""
    compare_up_to(0, large, monkeypatch)
    where = parse_filter({"row": {"$lt": 100}})
    sql, values = large._statements.search(vectors._encode(a_vector(1.0)), 42, where)
    assert len(await large._database.read(sql, values)) == 42
    text = sql.text.replace("relaxed_order", "off")
    assert len(await large._database.read(Sql(text, sql.names), values)) < 42


@pytest.mark.quirk("pgvector", "settings of a search stay on the connection for whoever has it next")
async def test_settings_end_with_the_statement(large: PgVectorStore) -> None:
    """The next user of the connection, behind a pooler somebody else, finds it as it was."""
    names = ("hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples", "hnsw.scan_mem_multiplier")
    shown = Sql(f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}")
    async with large._database.transaction():
        _ = await large._database.read(Sql("SELECT '[1]'::vector <=> '[1]'::vector"))
        before = await large._database.read(shown)
    async with large._database.atomic() as connection:
        sql, values = large._statements.search(vectors._encode(a_vector(1.0)), 42, None)
        assert len(await connection.fetch(sql.text, *sql.arguments(values))) == 42
        assert [tuple(row) for row in await connection.fetch(shown.text)] != [tuple(row) for row in before]
    for _ in range(3):
        await large.query(a_vector(1.0))
        assert await large._database.read(shown) == before


async def test_small_tenant(large: PgVectorStore, matrix: Matrix) -> None:
    """All records of 0.5 % are found, wherever they lie: they are compared one by one."""
    small = {row for row in range(ROWS) if owner(row) == "small"}
    assert len(small) == ROWS * 0.005
    for query in matrix[:10].tolist():
        hits = await large.query(query, 10, parse_filter({"owner": "small"}))
        true = distances(matrix, query)
        assert [row_of(hit.id) for hit in hits] == sorted(small, key=lambda row: true[row])[:10]
        everyone = await large.query(query, MAX_RESULTS, parse_filter({"owner": "small"}))
        assert {row_of(hit.id) for hit in everyone} == small


@pytest.mark.parametrize("where", [None, {"owner": "large"}, {"row": {"$gte": 1500}}], ids=["all", "text", "number"])
async def test_as_many_as_possible(large: PgVectorStore, matrix: Matrix, where: dict[str, Any] | None) -> None:
    """A thousand are a thousand."""
    for query in matrix[:3].tolist():
        hits = await large.query(query, MAX_RESULTS, parse_filter(where) if where else None)
        assert len(set(ids(hits))) == MAX_RESULTS


async def test_a_walk_that_ends_early(large: PgVectorStore, matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the index finds too little, all are compared: nobody gets fewer records than there are."""
    monkeypatch.setattr("adapters.pgvector.statements._STEPS", 1)
    compare_up_to(0, large, monkeypatch)
    where = parse_filter({"row": {"$lt": 60}})
    hits = await large.query(matrix[0].tolist(), 60, where)
    assert {row_of(hit.id) for hit in hits} == set(range(60))


async def test_the_server_has_statistics(large: PgVectorStore, matrix: Matrix) -> None:
    """What the planner knows about the data changes nothing."""
    _ = await large._database.write(Sql(f"ANALYZE {large._collection.table}"))
    where = parse_filter({"owner": "large"})
    plan = await explain(large, 42, where)
    assert "Index Scan using ix_vectors_large_embedding" in plan, plan
    assert "ix_vectors_large_metadata" in await explain(large, 42, parse_filter({"owner": "small"}))
    assert len(await large.query(matrix[0].tolist(), 10, where)) == 10


async def test_records_that_come_and_go(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index most of whose records were replaced, twice, finds what is there now."""
    store = await open_store()
    compare_up_to(0, store, monkeypatch)
    found = 0
    for seed in range(3):
        matrix = clusters(seed=seed, groups=16, size=50)
        await store.delete(ids(await everything(store))[: 700 if seed else 0])
        names = await put_matrix(store, matrix)
        for query in matrix[:10].tolist():
            true = distances(matrix, query)
            hits = await store.query(query, 10)
            found += len(set(ids(hits)) & {names[row] for row in np.argsort(true)[:10]})
    assert found >= 0.95 * 3 * 100


async def test_many_equal_vectors(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more records at one place than the first candidates, those with the lowest ids come, and the rest is found."""
    store = await open_store()
    names = [f"tie_{number:03}" for number in range(300)]
    shuffled = [names[number * 7 % 300] for number in range(300)]
    embeddings = [a_vector(1.0 + number % 5) for number in range(300)] + [a_vector(0.0, 1.0)] * 3
    await store.add_documents(["x"] * 303, embeddings, [{}] * 303, [*shuffled, "far_1", "far_2", "far_3"])
    for rows in (EXACT_ROWS, 0):
        compare_up_to(rows, store, monkeypatch)
        assert ids(await store.query(a_vector(2.0), 5)) == names[:5]
        assert ids(await store.query(a_vector(2.0), 302)) == [*names, "far_1", "far_2"]


async def test_more_candidates_are_not_counted_anew(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first candidates are too few to tell, the next ones are fetched with what is known by then."""
    store = await open_store()
    await store.add_documents(["x"] * 300, [a_vector(1.0)] * 300, [{}] * 300, [f"tie_{row:03}" for row in range(300)])
    compare_up_to(0, store, monkeypatch)
    counted = note_counts(store, monkeypatch)
    await store.query(a_vector(1.0), 5)
    assert len(counted) > 1
    assert [place for place, counts in enumerate(counted) if counts] == [0]


@pytest.mark.quirk(
    "pgvector", "distances are computed with 32 bits: of two that are almost equal, the wrong one may win"
)
async def test_order_of_what_is_almost_equally_near(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distances that the server cannot tell apart are told apart, among others that it can."""
    random = np.random.default_rng(5)
    store = await open_store(EmbeddingSpace("close", 384), collection="close")
    centres = random.normal(size=(6, 384))
    matrix = np.concatenate([centres + 1e-6 * random.normal(size=(6, 384)) for _ in range(10)]).astype(np.float32)
    names = await put_matrix(store, matrix)
    for rows in (EXACT_ROWS, 0):
        compare_up_to(rows, store, monkeypatch)
        for query in (centres + random.normal(size=(6, 384))).astype(np.float32).tolist():
            true = distances(matrix.astype(np.float64), query).round(9)
            expected = sorted(range(60), key=lambda row: (true[row], names[row]))
            assert [row_of(hit.id) for hit in await store.query(query, 15)] == expected[:15]


@pytest.mark.parametrize(
    ("dimension", "index"),
    [
        (1, "vector_cosine_ops"),
        (2000, "vector_cosine_ops"),
        (2001, "halfvec_cosine_ops"),
        (4000, "halfvec_cosine_ops"),
        (4001, None),
    ],
)
@pytest.mark.quirk("pgvector", "an HNSW index takes at most 2,000 dimensions, 4,000 in 16-bit floats")
async def test_dimensions(open_store: Open, monkeypatch: pytest.MonkeyPatch, dimension: int, index: str | None) -> None:
    """Long vectors are indexed in 16-bit floats, and the longest not at all; distances are exact all the same."""
    monkeypatch.setattr(statements, "EXACT_ROWS", 0)
    store = await open_store(EmbeddingSpace("long", dimension), collection=f"long{dimension}")
    definitions = "".join(store._collection.indexes().values())
    assert ("_cosine_ops" in definitions) == (index is not None)
    assert index is None or index in definitions
    random = np.random.default_rng(4)
    matrix = random.normal(size=(40, dimension)) * np.logspace(-12, 12, 40)[:, None]
    names = await put_matrix(store, matrix)
    if index is not None:
        async with store._database.atomic() as connection:
            # So few records are read faster without it.
            await connection.execute("SET LOCAL enable_seqscan = off")
            sql, values = store._statements.search(vectors._encode(matrix[0].tolist()), 40, None)
            plan = await connection.fetch(f"EXPLAIN {sql.text}", *sql.arguments(values))
            assert "Index Scan using ix_vectors_long" in "".join(row[0] for row in plan)
            assert {row["id"] for row in await connection.fetch(sql.text, *sql.arguments(values))} == set(names)
    for query in matrix[::13].tolist():
        true = distances(matrix, query).round(9)
        expected = sorted(range(40), key=lambda row: (max(true[row], 0.0), names[row]))
        hits = await store.query(query, 5)
        assert [row_of(hit.id) for hit in hits] == expected[:5]
    assert (await store.get(names[:1]))[0].embedding == tuple(np.asarray(matrix[0], dtype=np.float32).tolist())
    assert await store.check_integrity() == []


async def test_margins() -> None:
    """Wherever the index is asked, more records pass than candidates are wanted, so too few of them are a miss."""
    assert MAX_RESULTS + vectors.MARGINS[-1] <= EXACT_ROWS
