"""Moves a whole installation: everything that its stores hold, in the order in which one thing refers to another."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from application.transfer.collections import Collection
from application.transfer.items import Item, Kind
from application.transfer.migrator import CollectionMigrator, MergeRule, Migration, Progress, TransferRefused
from application.transfer.references import dangling_references
from application.transfer.stores import Stores
from application.transfer.verification import Comparison
from application.vector_index import VectorIndex

_SAMPLE = 500
"""Items that a plan looks at to tell size and time."""

_WRITING = 3.0
"""How much longer it takes to read and write than to read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a migration would do with one kind of content. ``size`` in bytes and ``seconds`` are estimates."""

    kind: Kind
    source: str
    target: str
    entities: int
    in_target: int
    size: int
    seconds: float
    action: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """What the comparison of two installations found; ``dangling`` are references that lead nowhere in the target and
    did not do so in the source.
    """

    comparisons: tuple[Comparison, ...]
    dangling: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """True if nothing is wrong."""
        return not self.dangling and all(comparison.is_clean for comparison in self.comparisons)


class SystemMigrator:
    """Moves all content of ``source`` to ``target``. What is in the same place on both sides stays where it is."""

    def __init__(
        self,
        source: Stores,
        target: Stores,
        *,
        merge: MergeRule | None = None,
        on_progress: Progress = lambda *_: None,
    ) -> None:
        """Without a rule to ``merge``, every target that something is moved to has to be empty."""
        self._source = source
        self._target = target
        self._merge = merge
        self._on_progress = on_progress

    async def plan(self) -> list[Plan]:
        """What would be done, kind by kind. Writes nothing."""
        return [await self._plan(mine, theirs) for mine, theirs in self._pairs().values()]

    async def migrate(self) -> list[Migration]:
        """Move what is not there yet; see `CollectionMigrator.migrate`. Nothing is written unless all of it may be.

        Raises:
            TransferRefused: a target is not empty or holds an unfinished copy of something else.
            PortError: a store failed; the next call goes on from there.
        """
        migrators = [
            CollectionMigrator(mine, theirs, merge=self._merge, on_progress=self._on_progress)
            for kind, (mine, theirs) in self._moved().items()
            if kind is not Kind.VECTORS or self._copies_vectors
        ]
        for migrator in migrators:
            await migrator.check()
        done = []
        for migrator in migrators:
            done.append(await migrator.migrate())
            if migrator.kind is Kind.DOCUMENTS and not self._copies_vectors:
                done += await self._embed()
        if self._merge is not None and self._copies_vectors:
            await self._index().repair()
        return done

    async def verify(self) -> Verification:
        """Compare all that was moved, and look for references of the target that lead nowhere."""
        comparisons = []
        for kind, (mine, theirs) in self._moved().items():
            if kind is Kind.VECTORS and (not self._copies_vectors or self._merge):
                continue
            migrator = CollectionMigrator(mine, theirs, merge=self._merge, on_progress=self._on_progress)
            comparisons.append(await migrator.verify())
        dangling = [text async for text in dangling_references(self._target)]
        if dangling:
            known = {text async for text in dangling_references(self._source)}
            dangling = [text for text in dangling if text not in known]
        return Verification(tuple(comparisons), tuple(dangling))

    @property
    def _copies_vectors(self) -> bool:
        """Whether the vectors of source and target can be compared, so that they need not be made again."""
        mine, theirs = self._source.vectors, self._target.vectors
        return mine is not None and theirs is not None and mine.space == theirs.space

    def _pairs(self) -> Mapping[Kind, tuple[Collection, Collection]]:
        mine, theirs = self._source.collections(), self._target.collections()
        return {kind: (mine[kind], theirs[kind]) for kind in mine if kind in theirs}

    def _moved(self) -> Mapping[Kind, tuple[Collection, Collection]]:
        return {kind: pair for kind, pair in self._pairs().items() if pair[0].location != pair[1].location}

    def _index(self) -> VectorIndex:
        target = self._target
        if target.vectors is None or target.embeddings is None:
            raise TransferRefused("the vectors of the target cannot be made: its vector store or model is not open")
        return VectorIndex(documents=target.documents, vectors=target.vectors, embeddings=target.embeddings)

    async def _embed(self) -> list[Migration]:
        """Make the vectors of the target from its documents, which are all there."""
        if self._target.vectors is None or self._source.vectors is None:
            return []
        started = time.monotonic()
        source = self._target.collections()[Kind.DOCUMENTS]
        total = await source.count()
        self._on_progress(Kind.VECTORS, 0, total)
        written = await self._index().repair()
        self._on_progress(Kind.VECTORS, total, total)
        return [
            Migration(
                kind=Kind.VECTORS,
                source=source.location,
                target=self._target.collections()[Kind.VECTORS].location,
                read=total,
                written=written,
                kept=total - written,
                resumed=0,
                seconds=time.monotonic() - started,
            )
        ]

    async def _plan(self, mine: Collection, theirs: Collection) -> Plan:
        entities, in_target = await mine.count(), await theirs.count()
        if mine.location == theirs.location:
            return Plan(mine.kind, mine.location, theirs.location, entities, in_target, 0, 0.0, "stay: the same place")
        size, seconds, warnings = await self._sample(mine, theirs, entities)
        action = "copy"
        if mine.kind is Kind.VECTORS and not self._copies_vectors:
            action = "make again from the documents: another model"
        if self._merge is not None:
            action += f", merge ({self._merge})"
        elif in_target:
            warnings.insert(0, f"the target holds {in_target} already: refused without a merge rule")
        return Plan(
            mine.kind, mine.location, theirs.location, entities, in_target, size, seconds, action, tuple(warnings)
        )

    async def _sample(self, mine: Collection, theirs: Collection, entities: int) -> tuple[int, float, list[str]]:
        """Size, duration and warnings, from the first items."""
        started = time.monotonic()
        weight = items = seen = 0
        warnings = []
        async for item in mine.items():
            items += 1
            seen += item.part == 0
            weight += item.weight
            if item.part == 0 and (there := await self._namesake(item, theirs)):
                warnings.append(f"{item.key} and {there.key} of the target have the same name: rename one first")
            if items >= _SAMPLE:
                break
        scale = entities / seen if seen else 0.0
        return round(weight * scale), (time.monotonic() - started) * scale * _WRITING, warnings

    async def _namesake(self, item: Item, theirs: Collection) -> Item | None:
        if self._merge is None or theirs.kind not in (Kind.USERS, Kind.DOCUMENTS):
            return None
        there = await theirs.in_the_way_of(item)
        return there if there is not None and there.key != item.key else None
