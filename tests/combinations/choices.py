"""The stores that can be chosen, and which of their combinations a run tries."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from tests.stateful.profiles import NIGHTLY

STORES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "cases": {kind: {"CASE_STORAGE_TYPE": kind} for kind in ("inmemory", "sqlite", "postgres")},
    "users": {kind: {"USER_STORAGE_TYPE": kind} for kind in ("inmemory", "sqlite", "postgres")},
    "sessions": {kind: {"SESSION_STORAGE_TYPE": kind} for kind in ("inmemory", "file", "sqlite", "redis")},
    "vectors": {
        "inmemory": {"VECTOR_STORAGE_TYPE": "inmemory"},
        "chroma": {"VECTOR_STORAGE_TYPE": "chromadb", "CHROMADB_URL": ""},
        "chroma_server": {"VECTOR_STORAGE_TYPE": "chromadb"},
        "pgvector": {"VECTOR_STORAGE_TYPE": "pgvector"},
    },
}

Choice = tuple[str, ...]
"""One kind for each of `STORES`, in their order."""

ALL: tuple[Choice, ...] = tuple(itertools.product(*STORES.values()))


def variables(choice: Choice) -> dict[str, str]:
    """The settings that make the choice."""
    kinds = zip(STORES.values(), choice, strict=True)
    return {name: value for options, kind in kinds for name, value in options[kind].items()}


def pairs(choice: Choice) -> set[tuple[int, str, int, str]]:
    """Each two stores of the choice."""
    return {(i, choice[i], j, choice[j]) for i, j in itertools.combinations(range(len(choice)), 2)}


def pairwise(choices: Sequence[Choice] = ALL) -> tuple[Choice, ...]:
    """A few of the choices in which every two stores meet at least once."""
    left = set().union(*map(pairs, choices))
    taken = []
    while left:
        best = max(choices, key=lambda choice: len(pairs(choice) & left))
        taken.append(best)
        left -= pairs(best)
    return tuple(taken)


def chosen() -> tuple[Choice, ...]:
    """All of them at night, else pairwise."""
    return ALL if NIGHTLY else pairwise()
