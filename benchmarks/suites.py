"""Everything that is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.growth import cases as growth_cases
from benchmarks.growth import sessions as growth_sessions
from benchmarks.growth import vectors as growth_vectors
from benchmarks.overhead import bulk
from benchmarks.overhead import cases as overhead_cases
from benchmarks.overhead import sessions as overhead_sessions
from benchmarks.overhead import users as overhead_users
from benchmarks.overhead import vectors as overhead_vectors
from benchmarks.running import Suite

PORTS = ("cases", "users", "sessions", "vectors")
PARTS = ("overhead", "growth")

OVERHEAD = (
    *overhead_cases.SUITES,
    *bulk.SUITES,
    *overhead_users.SUITES,
    *overhead_sessions.SUITES,
    *overhead_vectors.SUITES,
)
GROWTH = (*growth_cases.SUITES, *growth_sessions.SUITES, *growth_vectors.SUITES)

SMOKE = {
    "overhead": (
        ("cases", "sqlite"),
        ("cases", "postgres"),
        ("users", "postgres"),
        ("sessions", "memory"),
        ("sessions", "redis"),
        ("vectors", "chroma"),
        ("vectors", "pgvector"),
    ),
    "growth": (
        ("cases", "memory"),
        ("cases", "sqlite"),
        ("cases", "postgres"),
        ("sessions", "memory"),
        ("sessions", "sqlite"),
        ("sessions", "redis"),
    ),
}
"""What a build has the time for."""


def of(part: str, port: str) -> Iterator[Suite]:
    """The suites of a part that concern a port."""
    suites: Sequence[Suite] = OVERHEAD if part == "overhead" else GROWTH
    return (suite for suite in suites if suite.port == port)


def smoke() -> Iterator[Suite]:
    """The suites that a build runs."""
    for part, chosen in SMOKE.items():
        for port, adapter in chosen:
            yield from (suite for suite in of(part, port) if suite.adapter == adapter)


def baselines() -> Mapping[str, Sequence[str]]:
    """The modules of the baselines, by port."""
    return {port: [suite.baseline_source for suite in OVERHEAD if suite.port == port] for port in PORTS}
