"""Values that an adapter keeps decoded.

A baseline decodes each time, so the adapter is made to do the same; what it gains by keeping them is shown beside that.
How a cost grows is measured without them, too: among few cases more of those that are asked for would be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from adapters.sql import documents
from benchmarks.harness.timing import Operation
from benchmarks.overhead.comparison import Comparison

_KEPT = {name: getattr(documents, name) for name in ("_decode_case", "_decode_user")}
_ANEW = {name: function.__wrapped__ for name, function in _KEPT.items()}


def decoding_anew(comparison: Comparison) -> Comparison:
    """The comparison with an adapter that keeps nothing; with what it read a moment ago, as the context.

    Both sides are switched the same way, which takes some hundred nanoseconds.
    """
    ours, theirs = comparison.adapter, comparison.baseline
    assert isinstance(ours, Operation)
    assert isinstance(theirs, Operation)
    return replace(
        comparison,
        adapter=_using(_ANEW, ours),
        baseline=_using(_ANEW, theirs),
        context={"read before": _using(_KEPT, ours), **comparison.context},
    )


@contextmanager
def keeping_nothing() -> Iterator[None]:
    """Cases and users are decoded each time until the block ends."""
    vars(documents).update(_ANEW)
    try:
        yield
    finally:
        vars(documents).update(_KEPT)


def _using(functions: Mapping[str, object], operation: Operation) -> Operation:
    async def call(argument: object) -> object:
        vars(documents).update(functions)
        return await operation.call(argument)

    return Operation(call, operation.prepare)
