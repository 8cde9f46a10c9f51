"""Examines a collection on a Chroma server: whether its records can be read, and whether its index finds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adapters.chroma.exact import distances
from adapters.chroma.server_reader import ChromaServerReader
from ports.errors import StorageCorrupt

SAMPLES = 30
NEIGHBOURS = 10
RECALL = 0.95
"""What `ports.vectors` promises."""
TOLERANCE = 1e-6


async def problems(reader: ChromaServerReader) -> list[str]:
    """What is wrong with the collection, in words. Reads every vector."""
    ids = sorted(await reader.ids())
    questions: list[NDArray[np.float32]] = []
    async for found in reader.fetched(ids[:: max(1, len(ids) // SAMPLES)], ["embeddings"]):
        questions.extend(found.matrix)
    unreadable: list[str] = []
    nearest: list[list[float]] = [[] for _ in questions]
    async for found in reader.fetched(ids, ["embeddings", "metadatas"]):
        for row, record_id in enumerate(found.ids):
            try:
                found.metadata(row)
            except StorageCorrupt:
                unreadable.append(record_id)
        for number, question in enumerate(questions):
            nearest[number] = sorted(nearest[number] + distances(found.matrix, question))[:NEIGHBOURS]
    if unreadable:
        return [f"{len(unreadable)} records were not written by this program, or were changed, e.g. {unreadable[0]!r}"]
    if len(ids) <= reader.bound:
        # No query relies on the index.
        return []
    recall = await _recall(reader, questions, nearest)
    if recall >= RECALL:
        return []
    problem = f"the index of Chroma finds {recall:.0%} of the nearest records, but should find {RECALL:.0%}"
    advice = "name another collection (CHROMADB_COLLECTION) and run `faultmaven knowledge reindex`"
    return [f"{problem}; that happens after many deletions: {advice}"]


async def _recall(
    reader: ChromaServerReader, questions: list[NDArray[np.float32]], nearest: list[list[float]]
) -> float:
    found = expected = 0
    for question, true in zip(questions, nearest, strict=True):
        hits = await reader.by_index(question, len(true), {}, None)
        found += sum(hit.distance <= true[-1] + TOLERANCE for hit in hits)
        expected += len(true)
    return found / expected if expected else 1.0
