"""The table of times that was asked for, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.growth.growth import Growth
from benchmarks.overhead.comparison import OURS, Overhead

_US, _MS = 1e3, 1e6
SEARCHED = 1_000
"""Among so many cases a search is taken for the table."""


@dataclass(frozen=True)
class Line:
    """A time that was asked for, in nanoseconds; where one number stood, both are the same."""

    port: str
    adapter: str
    operation: str
    from_: float
    to: float


def _lines(port: str, adapter: str, unit: float, times: Mapping[str, tuple[float, float] | float]) -> Iterator[Line]:
    for operation, asked in times.items():
        low, high = asked if isinstance(asked, tuple) else (asked, asked)
        yield Line(port, adapter, operation, low * unit, high * unit)


TABLE = (
    *_lines("cases", "memory", _US, {"save": 10, "get": 5, "list(100)": 100, "search": (1_000, 5_000)}),
    *_lines("cases", "postgres", _MS, {"save": (2, 5), "get": (1, 2), "list(100)": (10, 20), "search": (10, 30)}),
    *_lines("cases", "sqlite", _MS, {"save": (1, 3), "get": (0.5, 1), "list(100)": (5, 10), "search": (5, 15)}),
    *_lines("sessions", "memory", _US, {"set": 1, "get": 1, "delete": 1, "expire": 1}),
    *_lines("sessions", "redis", _MS, {"set": (0.5, 1), "get": (0.5, 1), "delete": (0.5, 1), "expire": (1, 2)}),
    *_lines("sessions", "file", _MS, {"set": (1, 5), "get": (1, 5), "delete": (1, 5), "expire": (5, 10)}),
    *_lines("vectors", "chroma", _MS, {"add_documents(100)": (50, 200), "query": (10, 50), "get": (5, 20)}),
    *_lines("vectors", "chroma server", _MS, {"add_documents(100)": (100, 500), "query": (20, 100), "get": (10, 50)}),
)


def measured_times(overheads: Iterable[Overhead], growths: Iterable[Growth]) -> dict[tuple[str, str, str], float]:
    """Nanoseconds by port, adapter and operation: those of the middle round where there are several."""
    found = {
        (growth.port, growth.adapter, growth.operation): growth.least[SEARCHED]
        for growth in growths
        if growth.operation == "search" and SEARCHED in growth.least
    }
    return found | {
        (overhead.port, overhead.adapter, overhead.operation): overhead.times[OURS].middle for overhead in overheads
    }


def verdict(line: Line, measured: float) -> str:
    """How a time stands to the one that was asked for."""
    if measured <= line.from_:
        return "as fast or faster"
    return "within" if measured <= line.to else "**slower**"
