"""The engine in its process: the index that serves large collections, and errors on their way to the parent."""

import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.api.shared_system_client import SharedSystemClient

from adapters.chroma import worker
from adapters.chroma.frames import pack, read
from adapters.chroma.where import to_json
from adapters.chroma.worker import Engine, Refusal
from domain.filter import parse_filter
from tests.contract.vectors.data import DIMENSION, SPACE, Matrix, clusters, distances

pytestmark = pytest.mark.chroma

ROWS = 1000


@pytest.fixture
def matrix() -> Matrix:
    """The vectors that are stored."""
    return clusters(seed=9, groups=25, size=40)


@pytest.fixture
def engine(tmp_path: Path, matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine that takes any collection for a large one."""
    monkeypatch.setattr(worker, "EXACT_COMPONENTS", 0)
    engine = Engine(tmp_path, "knowledge", SPACE.model_id, DIMENSION)
    header = {
        "ids": [f"row_{row:05}" for row in range(ROWS)],
        "documents": ["x"] * ROWS,
        "metadatas": [{"owner": f"owner{row % 4}", "row": row} for row in range(ROWS)],
    }
    engine.add(header, np.asarray(matrix, dtype=np.float32).tobytes())
    yield engine
    SharedSystemClient.clear_system_cache()


def ask(
    engine: Engine, vector: list[float], wanted: int, where: dict[str, Any] | None
) -> tuple[list[int], list[float]]:
    """Rows and distances of the hits."""
    written = to_json(parse_filter(where)) if where else None
    answer, _ = engine.query(
        {"n_results": wanted, "where": written, "known": None}, np.asarray(vector, dtype=np.float32).tobytes()
    )
    return [int(record_id.removeprefix("row_")) for record_id in answer["ids"]], answer["distances"]


@pytest.mark.parametrize(
    ("where", "is_allowed"),
    [
        (None, lambda row: True),
        ({"owner": "owner1"}, lambda row: row % 4 == 1),
        ({"row": {"$gte": 500}}, lambda row: row >= 500),
    ],
    ids=["all", "by-text", "by-number"],
)
def test_large_collection(engine: Engine, matrix: Matrix, where: dict[str, Any] | None, is_allowed: Any) -> None:
    """Nearly everything near is found, all of it is allowed, and the distances are exact."""
    found = 0
    for query in matrix[:20].tolist():
        true = distances(matrix, query)
        rows, given = ask(engine, query, 10, where)
        assert given == sorted(given) == pytest.approx([true[row] for row in rows], abs=1e-5)
        assert len(rows) == 10
        assert all(map(is_allowed, rows))
        allowed = [row for row in np.argsort(true) if is_allowed(row)]
        found += len(set(rows) & set(allowed[:10]))
    assert found >= 0.95 * 200


@pytest.mark.quirk("Chroma", "deleted vectors stay in the graph of the index, which falls apart (docs/adr/0005)")
def test_index_that_finds_too_little(engine: Engine, matrix: Matrix) -> None:
    """If the index leaves some out, numbers are compared: nobody gets fewer records than there are."""
    rows, _ = ask(engine, matrix[0].tolist(), 1000, {"owner": "owner2"})
    assert sorted(rows) == list(range(2, ROWS, 4))


def test_reopened_engine_knows_its_records(engine: Engine, tmp_path: Path, matrix: Matrix) -> None:
    """Ids and vectors come back from the folder, page by page."""
    SharedSystemClient.clear_system_cache()
    again = Engine(tmp_path, "knowledge", SPACE.model_id, DIMENSION)
    assert again.count({"where": None}, b"") == ({"count": ROWS}, b"")
    header, _ = again.scan({"after": "row_00997", "limit": 9}, b"")
    assert header["ids"] == ["row_00998", "row_00999"]
    assert ask(again, matrix[7].tolist(), 1, None)[0] == [7]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Refusal("space", "another model"), "space"),
        (OSError(errno.ENOSPC, "No space left on device"), "full"),
        (OSError(errno.EIO, "Input/output error"), "failed"),
        (chromadb.errors.InternalError("broken"), "failed"),
    ],
)
def test_errors_for_the_parent(error: Exception, kind: str) -> None:
    """Each comes with its kind, and with words."""
    described = worker._describe(error)
    assert described["error"] == kind
    assert described["message"]


def test_frames_that_break_off() -> None:
    """A message that ends too early is the end."""
    message = pack({"number": 1}, b"1234")
    assert read(io.BytesIO(message)) == ({"number": 1}, b"1234")
    for length in range(len(message)):
        assert read(io.BytesIO(message[:length])) is None


def test_answer_in_the_middle_of_a_change_has_no_mark(engine: Engine, matrix: Matrix) -> None:
    """Its filter and its distances may be of different states, so it must not be taken for that of either."""
    floats = np.asarray(matrix[0], dtype=np.float32).tobytes()
    header = {"n_results": 3, "where": None, "known": None}
    before, _ = engine.query(header, floats)
    assert engine.query({**header, "known": before["mark"]}, floats) == ({"mark": before["mark"]}, b"")
    nearest = engine._catalogue.nearest

    def nearest_and_change(*given: Any) -> Any:
        engine.delete({"ids": ["row_00999"]}, b"")
        return nearest(*given)

    engine._catalogue.nearest = nearest_and_change  # type: ignore[method-assign]
    amid, _ = engine.query(header, floats)
    assert amid["mark"] is None
    assert len(amid["ids"]) == 3
    assert engine.query(header, floats)[0]["mark"] not in (None, before["mark"])
