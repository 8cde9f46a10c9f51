"""The records that the child process keeps in memory, against a plain list of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adapters.chroma.catalogue import MARGIN, Catalogue
from domain.filter import And, Comparison, Filter, MetadataValue, Operator, Or, matches

DIMENSION = 3
IDS = [f"id{number:03}" for number in range(6)]


@dataclass(frozen=True)
class Known:
    """What the catalogue has to know of a record."""

    vector: tuple[float, ...]
    document: str
    metadata: Mapping[str, MetadataValue]


values = st.sampled_from(["a", "b", "1", 1, 2, 1.5, True])
records = st.builds(
    Known,
    st.tuples(*[st.sampled_from([1.0, -1.0, 0.5])] * DIMENSION),
    st.sampled_from(["first", "second"]),
    st.dictionaries(st.sampled_from(["f", "g"]), values),
)
changes = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from(IDS), records, min_size=1),
        st.sets(st.sampled_from(IDS), min_size=1),
    )
)
comparisons = st.one_of(
    st.builds(
        Comparison, st.sampled_from(["f", "g"]), st.sampled_from([Operator.IN, Operator.NIN]), st.tuples(values, values)
    ),
    st.builds(Comparison, st.sampled_from(["f", "g"]), st.sampled_from([Operator.EQ, Operator.NE]), st.tuples(values)),
    st.builds(Comparison, st.sampled_from(["f", "g"]), st.just(Operator.GT), st.tuples(st.sampled_from([1, 1.2]))),
)
filters: st.SearchStrategy[Filter] = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)


@given(changes, filters)
def test_catalogue_is_a_list_of_records(steps: list[dict[str, Known] | set[str]], condition: Filter) -> None:
    catalogue, model = Catalogue(DIMENSION), dict[str, Known]()
    for step in steps:
        if isinstance(step, dict):
            given = list(step.values())
            vectors = np.array([record.vector for record in given], dtype=np.float32)
            documents, metadatas = [record.document for record in given], [record.metadata for record in given]
            catalogue.put(list(step), vectors, documents, metadatas)
            model.update(step)
        else:
            gone = sorted(step & model.keys())
            catalogue.remove(gone)
            for record_id in gone:
                del model[record_id]
    assert len(catalogue) == len(model)
    assert catalogue.page(None, 100) == sorted(model)
    assert catalogue.page("id002", 2) == [record_id for record_id in sorted(model) if record_id > "id002"][:2]
    allowed = {record_id for record_id, record in model.items() if matches(condition, record.metadata)}
    passing = catalogue.passing(condition)
    assert set(passing) == allowed
    assert len(passing) == len(allowed)
    found = catalogue.nearest(np.ones(DIMENSION, dtype=np.float32), 10, passing)
    assert {record_id for record_id, *_ in found} == allowed
    for record_id, document, metadata, _ in found:
        assert (document, metadata) == (model[record_id].document, model[record_id].metadata)
    assert [distance for *_, distance in found] == sorted(distance for *_, distance in found)
    assert {record_id for record_id, *_ in catalogue.nearest(np.ones(DIMENSION, dtype=np.float32), 10, None)} == set(
        model
    )


def test_nearest_of_many_are_the_nearest() -> None:
    """More of them than are compared exactly; equal ones come by id, whatever the order in which they came."""
    rows = 4 * MARGIN
    generator = np.random.default_rng(7)
    vectors = generator.standard_normal((rows, DIMENSION)).astype(np.float32)
    vectors[rows // 2 :] = vectors[: rows // 2]
    names = [f"row{number:04}" for number in generator.permutation(rows)]
    catalogue = Catalogue(DIMENSION)
    catalogue.put(names, vectors, [""] * rows, [{}] * rows)
    question = np.array([0.3, -2.0, 1.0], dtype=np.float32)
    wide, direction = vectors.astype(np.float64), question.astype(np.float64)
    true = 1 - wide @ direction / np.linalg.norm(wide, axis=1) / np.linalg.norm(direction)
    expected = sorted(range(rows), key=lambda row: (true[row].round(9), names[row]))[:10]
    found = catalogue.nearest(question, 10, None)
    assert [record_id for record_id, *_ in found] == [names[row] for row in expected]
    np.testing.assert_allclose([distance for *_, distance in found], true[expected], atol=1e-8)


def test_unknown_ids_are_no_candidates() -> None:
    """A record may be deleted between the look for candidates and the comparison."""
    catalogue = Catalogue(DIMENSION)
    catalogue.put(["here"], np.ones((1, DIMENSION), dtype=np.float32), ["text"], [{}])
    question = np.ones(DIMENSION, dtype=np.float32)
    assert [record_id for record_id, *_ in catalogue.nearest(question, 10, ["gone", "here"])] == ["here"]
    assert catalogue.nearest(question, 10, ["gone"]) == []
