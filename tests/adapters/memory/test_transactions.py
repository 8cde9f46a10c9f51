"""A layer over a dictionary is a dictionary of its own until it is applied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.transactions import Layer

keys = st.integers(0, 5)
changes = st.lists(st.tuples(keys, st.none() | st.integers()))


@given(below=st.dictionaries(keys, st.integers()), steps=changes)
def test_layer_behaves_as_a_changed_copy(below: dict[int, int], steps: list[tuple[int, int | None]]) -> None:
    """Reading the layer gives what a changed copy gives; the dictionary below changes by `apply` alone."""
    before, copy, layer = dict(below), dict(below), Layer(below)
    for key, value in steps:
        if value is not None:
            copy[key] = layer[key] = value
        elif key in copy:
            del copy[key]
            del layer[key]
        else:
            with pytest.raises(KeyError):
                del layer[key]
        assert dict(layer) == copy
        assert len(layer) == len(copy)
        assert [layer.get(each) for each in range(6)] == [copy.get(each) for each in range(6)]
    assert below == before
    layer.apply()
    assert below == copy
