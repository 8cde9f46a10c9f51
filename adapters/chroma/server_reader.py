"""Reading from a collection on a Chroma server: its records piece by piece, and those that are near."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, TypeVar

import numpy as np
from cachetools import TTLCache
from numpy.typing import NDArray

from adapters.chroma.exact import distances
from adapters.chroma.server_client import ChromaServerClient
from adapters.chroma.server_records import Found, from_answer, from_body
from adapters.chroma.where import necessary
from domain.filter import Filter, matches
from ports.vectors import VectorHit

EXACT_COMPONENTS = 200_000
"""Up to so many components are fetched and compared one by one, in about 0.1 s; the index of Chroma answers for what is
larger. It misses records after some histories, see docs/adr/0006.
"""
MARGIN = 32
"""How many more candidates are taken than wanted: some may be as near as the last one, or be deleted meanwhile."""
NARROW_MARGIN = 3
"""How many more are taken at first: each costs the server time."""
SPARE = 3
"""How many times as many candidates are taken from among all records, if they have to pass a filter."""
MEMORY_SECONDS = 10.0
"""How long a collection that was large is taken for large without being counted, and a filter that let few records pass
for one that does.
"""
MEMORY_FILTERS = 1_000
"""Of so many filters that is known."""
NOISE, NOISE_OF_A_COMPONENT = 8e-7, 6e-9
"""The distances of the index are computed with 32 bits; measured errors are up to 3e-7, and 3e-9 for each component.
Which of two is smaller is certain where they differ by twice as much, and a little more; only for those that do not,
the vectors are fetched: a second request.
"""
PAGE_COMPONENTS = 50_000
"""So many components are fetched at once: more would take too long to decode, even in a thread."""
PAGE_RECORDS = 100
PAGE_IDS = 1000
WHOLE = ("documents", "metadatas", "embeddings")

_Item = TypeVar("_Item")
_Floats = NDArray[np.float32]


class ChromaServerReader:
    """Asks one collection. What is found is checked against the records themselves, see `server_records`."""

    def __init__(self, client: ChromaServerClient, dimension: int) -> None:
        """Both belong to the store."""
        self._client = client
        self._page = max(1, min(PAGE_RECORDS, PAGE_COMPONENTS // dimension))
        self.bound = EXACT_COMPONENTS // dimension
        """Up to so many records are compared one by one."""
        self._noise = NOISE + NOISE_OF_A_COMPONENT * dimension
        self._few: TTLCache[Filter | None, bool] = TTLCache(MEMORY_FILTERS, MEMORY_SECONDS)

    async def nearest(self, vector: _Floats, wanted: int, where: Filter | None) -> tuple[VectorHit, ...]:
        """The nearest records that pass ``where``."""
        native = None if where is None else necessary(where)
        if await self._is_large():
            if where is None:
                hits = await self.by_index(vector, wanted, {}, None)
            else:
                hits = await self._among_the_nearest(vector, wanted, where)
            if len(hits) < wanted and native:
                hits = await self.by_index(vector, wanted, {"where": native}, where)
            if len(hits) >= wanted:
                return hits
        # All are compared, because they are few, or too few of those that Chroma lets pass do pass, or the index misses
        # some.
        ids = await self.ids(native)
        if where is not None and len(ids) > self.bound:
            ids = [record_id async for record_id in self.passing(ids, where)]
            if len(ids) > self.bound:
                hits = await self.by_index(vector, wanted, {"ids": ids}, where)
                if len(hits) >= wanted:
                    return hits
        return await self.by_comparison(vector, wanted, ids, where)

    async def _among_the_nearest(self, vector: _Floats, wanted: int, where: Filter) -> tuple[VectorHit, ...]:
        """Those of the nearest records that pass, perhaps too few; none if that is to be expected.

        For a filter Chroma looks at every record that passes. Where many do, enough of the nearest ones do.
        """
        if self._few.get(where):
            return ()
        hits = await self.by_index(vector, wanted, {}, where, SPARE * wanted)
        if len(hits) < wanted:
            self._few[where] = True
        return hits

    async def by_index(
        self, vector: _Floats, wanted: int, among: Mapping[str, Any], where: Filter | None, spare: int = 0
    ) -> tuple[VectorHit, ...]:
        """The nearest by the index, ``among`` those of a filter or of some ids; perhaps too few. ``spare`` more
        are taken because not all may pass.
        """
        few = wanted + spare + NARROW_MARGIN
        found, rows = await self._ask_index(vector, few, among, where)
        if len(found.ids) == few and _goes_on([found.distances[row] for row in rows], wanted, self._noise):
            found, rows = await self._ask_index(vector, wanted + spare + MARGIN, among, where)
        close = _too_close([found.distances[row] for row in rows], wanted, self._noise)
        hits = [
            VectorHit(found.ids[row], found.document(row), found.metadata(row), found.distances[row])
            for place, row in enumerate(rows)
            if place not in close
        ]
        exact = await self._hits(vector, len(close), [found.ids[rows[place]] for place in sorted(close)], where)
        return _first((*hits, *exact), wanted)

    async def _ask_index(
        self, vector: _Floats, number: int, among: Mapping[str, Any], where: Filter | None
    ) -> tuple[Found, list[int]]:
        """The nearest by the index, and which of them pass."""
        parts = ("documents", "metadatas", "distances")
        body = {"query_embeddings": [vector], "n_results": number, "include": parts, **among}
        found = await self._client.read("query", body, from_answer)
        return found, [row for row in range(len(found.ids)) if where is None or matches(where, found.metadata(row))]

    async def by_comparison(
        self, vector: _Floats, wanted: int, ids: Sequence[str], where: Filter | None
    ) -> tuple[VectorHit, ...]:
        """The nearest of some records, all of which are looked at."""
        if len(ids) > wanted + MARGIN:
            best: list[tuple[float, str]] = []
            parts = ["embeddings"] if where is None else ["embeddings", "metadatas"]
            async for found in self.fetched(ids, parts):
                near = [
                    (distance, record_id)
                    for row, (distance, record_id) in enumerate(
                        zip(distances(found.matrix, vector), found.ids, strict=True)
                    )
                    if where is None or matches(where, found.metadata(row))
                ]
                best = nsmallest(wanted + MARGIN, best + near)
            ids = [record_id for _, record_id in best]
        return await self._hits(vector, wanted, ids, where)

    async def _hits(
        self, vector: _Floats, wanted: int, ids: Sequence[str], where: Filter | None
    ) -> tuple[VectorHit, ...]:
        """Those of some records that pass, by their true distances."""
        hits: list[VectorHit] = []
        async for found in self.fetched(ids, WHOLE):
            for row, distance in enumerate(distances(found.matrix, vector)):
                metadata = found.metadata(row)
                if where is None or matches(where, metadata):
                    hits.append(VectorHit(found.ids[row], found.document(row), metadata, distance))
        return _first(hits, wanted)

    async def passing(self, ids: Sequence[str], where: Filter) -> AsyncIterator[str]:
        """Those of some records that pass."""
        for batch in slices(ids, PAGE_IDS):
            found = await self._client.read("get", {"ids": batch, "include": ["metadatas"]}, from_body)
            for row, record_id in enumerate(found.ids):
                if matches(where, found.metadata(row)):
                    yield record_id

    async def total(self) -> int:
        """How many records there are."""
        return await self._client.read("count", decode=int)

    async def _is_large(self) -> bool:
        if self._few.get(None) is False:
            return True
        if await self.total() <= self.bound:
            return False
        self._few[None] = False
        return True

    def count_again(self) -> None:
        """The collection may be small now."""
        self._few.clear()

    async def ids(self, where: Mapping[str, Any] | None = None, among: Sequence[str] | None = None) -> list[str]:
        """The ids of all records, or of those that Chroma lets pass, or that exist ``among`` some."""
        given = {"where": where, "ids": among}
        body = {name: value for name, value in given.items() if value is not None}
        found: list[str] = (await self._client.read("get", {**body, "include": []}))["ids"]
        return found

    async def fetched(self, ids: Sequence[str], parts: Sequence[str]) -> AsyncIterator[Found]:
        """Parts of these records, some at a time."""
        for batch in slices(ids, self._page):
            found = await self._client.read("get", {"ids": batch, "include": parts}, from_body)
            if found.ids:
                yield found


def _first(hits: Iterable[VectorHit], wanted: int) -> tuple[VectorHit, ...]:
    return tuple(nsmallest(wanted, hits, key=lambda hit: (hit.distance, hit.id)))


def _goes_on(found: Sequence[float], wanted: int, noise: float) -> bool:
    """Whether one that follows on ``found``, which is in order, may be as near as the last one wanted."""
    gaps = (found[place] - found[place - 1] for place in range(wanted, len(found)))
    return len(found) >= wanted and all(gap <= noise for gap in gaps)


def _too_close(found: Sequence[float], wanted: int, noise: float) -> set[int]:
    """The positions, among those that decide which are the first ``wanted``, whose distance the index cannot tell apart
    from a neighbour's; ``found`` is in order.
    """
    close: set[int] = set()
    for place in range(1, len(found)):
        if found[place] - found[place - 1] <= noise:
            close |= {place - 1, place}
        elif place >= wanted:
            break
    return close


def slices(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    """The items in order, at most ``size`` of them at a time."""
    return [items[start : start + size] for start in range(0, len(items), size)]
