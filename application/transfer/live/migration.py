"""A live migration: from the first copied entity to the switch, each step of which can be undone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from application.transfer.collections import Collection
from application.transfer.items import Kind
from application.transfer.live.changes import Changes
from application.transfer.live.layers import Layers
from application.transfer.live.note import NOTE, LiveNote, Phase, place
from application.transfer.live.replica import PATIENCE_SECONDS, Replica
from application.transfer.live.shadow import SHARE, Shadow, ShadowReads
from application.transfer.live.status import KindStatus, LiveStatus
from application.transfer.migrator import TransferRefused, is_empty
from application.transfer.stores import Stores
from domain.errors import DomainError
from ports.errors import PortError
from ports.transfer import SupportsCheckpoints

LONGEST_PAUSE = 1.0
"""Seconds that writes may be held up by a switch; one that takes longer is called off."""

CALM_SECONDS = 30.0
"""How long a switch waits for a moment at which little is going on, before it holds up anything."""

NARROW = 2
"""So many writes of a kind may be under way just before the pause."""

LITTLE = 20
"""So many changed entities are copied within the pause."""

_LOOK_SECONDS = 0.05

_SHARE_OF_REST = 0.8
"""How much of the pause may pass until nothing is under way; the rest is for writing down the switch."""

_CALLED_OFF = "called off, nothing has changed:"

log = logging.getLogger("faultmaven")


def moved_kinds(source: Stores, target: Stores) -> dict[Kind, tuple[Collection, Collection]]:
    """The collections of both sides that are in different places.

    Raises:
        NotSupported: a store lacks an ability that is needed to move its content.
        TransferRefused: the vectors of both sides cannot be compared, or everything is in the same place.
    """
    mine, theirs = source.collections(), target.collections()
    pairs = {kind: (mine[kind], theirs[kind]) for kind in mine if kind in theirs}
    moved = {kind: pair for kind, pair in pairs.items() if pair[0].location != pair[1].location}
    if not moved:
        raise TransferRefused("the settings of the target name the places where everything is already")
    if Kind.VECTORS in moved and source.vectors and target.vectors and source.vectors.space != target.vectors.space:
        raise TransferRefused(
            f"the vectors of the target belong to the model {target.vectors.space.model_id}, those of the source to "
            f"{source.vectors.space.model_id}; a live migration keeps the model: give EMBEDDING_TYPE of the source, "
            "and change the model at another time"
        )
    return moved


class LiveMigration:
    """Makes the target follow the source while both are in use, and lets them change places.

    Made by `start` or `resume`; both return with the copying under way, and `aclose` ends it without deciding anything.
    The commands are refused (`TransferRefused`) where they do not fit the phase.
    """

    def __init__(
        self,
        layers: Layers,
        target: Stores,
        note: LiveNote,
        moved: Mapping[Kind, tuple[Collection, Collection]],
        *,
        longest_pause: float = LONGEST_PAUSE,
        shadow_share: int = SHARE,
    ) -> None:
        self.note = note
        self.pause_ms: float | None = None
        self.problem = ""
        self._layers = {kind: layers.by_kind[kind] for kind in moved}
        self._traffic = layers.traffic
        self._moved = moved
        self._note_stores: list[SupportsCheckpoints] = []
        for store in (layers.cases.store, target.cases):
            if not isinstance(store, SupportsCheckpoints):
                raise TransferRefused(f"{type(store).__name__} keeps no checkpoints")
            if all(store.location != other.location for other in self._note_stores):
                self._note_stores.append(store)
        self._longest_pause = longest_pause
        self._shadow_share = shadow_share
        self._replicas: dict[Kind, Replica] = {}
        self._passes: dict[Kind, int] = {}
        self._found: dict[Kind, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._command = asyncio.Lock()

    @classmethod
    async def start(
        cls,
        layers: Layers,
        target: Stores,
        *,
        to: str,
        at: str,
        longest_pause: float = LONGEST_PAUSE,
        shadow_share: int = SHARE,
    ) -> LiveMigration:
        """Begin to copy, or go on with a copy of the same source that was aborted.

        Raises:
            TransferRefused: the target is not empty, or what is asked for cannot be done.
            PortError: a store failed.
        """
        moved = moved_kinds(layers.stores, target)
        note = LiveNote(
            phase=Phase.COPYING,
            to=to,
            source={kind: place(pair[0]) for kind, pair in moved.items()},
            target={kind: place(pair[1]) for kind, pair in moved.items()},
            started_at=at,
        )
        migration = cls(layers, target, note, moved, longest_pause=longest_pause, shadow_share=shadow_share)
        await migration._check_target()
        # The target first: from then on nobody takes it for something complete.
        for store in reversed(migration._note_stores):
            await store.write_checkpoint(NOTE, note.to_json())
        migration._follow()
        return migration

    @classmethod
    async def resume(
        cls,
        layers: Layers,
        target: Stores,
        note: LiveNote,
        *,
        longest_pause: float = LONGEST_PAUSE,
        shadow_share: int = SHARE,
    ) -> LiveMigration:
        """Go on after the end of a process. ``layers`` stand on the stores of the source; if it had been switched, they
        stand on those of the target afterwards.

        Raises:
            TransferRefused: the stores are not those of the note.
        """
        moved = moved_kinds(layers.stores, target)
        places = ({kind: place(pair[side]) for kind, pair in moved.items()} for side in (0, 1))
        if list(places) != [note.source, note.target]:
            raise TransferRefused(
                f"the settings in {note.to} or those of this process have changed since the live migration began: "
                f"it moves from {note.places_of_source} to {note.places_of_target}"
            )
        migration = cls(layers, target, note, moved, longest_pause=longest_pause, shadow_share=shadow_share)
        if note.phase is Phase.SWITCHED:
            migration._exchange()
        elif note.phase is not Phase.COPYING:
            # What has been written since the last comparison may not have been copied.
            await migration._write_note(Phase.CATCHING_UP)
        migration._follow()
        return migration

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self.note.phase

    @property
    def is_clean(self) -> bool:
        """True if the last comparison of every kind found no difference."""
        return all(self._found.get(kind) == 0 for kind in self._moved)

    def status(self) -> LiveStatus:
        """How it stands."""
        return LiveStatus(
            phase=self.phase,
            to=self.note.to,
            started_at=self.note.started_at,
            is_clean=self.is_clean,
            kinds=tuple(self._kind_status(kind, replica) for kind, replica in self._replicas.items()),
            pause_ms=self.pause_ms,
            problem=self.problem,
            examples=tuple(text for layer in self._layers.values() if layer.shadow for text in layer.shadow.examples),
        )

    async def switch(self) -> float:
        """Let the target answer and the source follow; returns for how many seconds writes were held up.

        Raises:
            TransferRefused: it is not the time for it, or it would have taken too long; nothing has changed.
        """
        async with self._command:
            if self.phase is not Phase.SHADOWING:
                raise TransferRefused(f"nothing can be switched while the migration is {self.phase}")
            return await self._switch(Phase.SWITCHED)

    async def finish(self) -> None:
        """Stop to keep the source up to date, and mark it as outdated.

        Raises:
            TransferRefused: it has not been switched.
        """
        async with self._command:
            if self.phase is not Phase.SWITCHED:
                raise TransferRefused(f"there is nothing to finish while the migration is {self.phase}: switch first")
            await self._write_note(Phase.FINISHED)
            await self._stop()
            log.info("live_migration_finished", extra={"to": self.note.to})

    async def abort(self) -> None:
        """Let the source answer by itself, as complete as it has been all the time; after a switch, it is switched back
        first. The target stays as it is, marked as unfinished.

        Raises:
            TransferRefused: it cannot be switched back now; nothing has changed.
        """
        async with self._command:
            if self.phase.is_over:
                raise TransferRefused(f"the migration is {self.phase} already")
            if self.phase is Phase.SWITCHED:
                if not self.is_clean:
                    raise TransferRefused("the source is not up to date yet; repeat this once it is (see status)")
                await self._switch(Phase.CATCHING_UP)
            # The comparison writes notes too, and this is the last word.
            await self._stop()
            try:
                await self._write_note(Phase.ABORTED)
            except PortError:
                self._follow()
                raise
            log.info("live_migration_aborted", extra={"to": self.note.to})

    async def aclose(self) -> None:
        """End the copying; what the note says stays."""
        await self._stop()

    # ---------------------------------------------------------------- copying

    def _follow(self) -> None:
        """Note what is written from now on, and copy it and everything that differs."""
        for kind, layer in self._layers.items():
            layer.changes = Changes()
            mine, theirs = self._moved[kind] if self.phase is not Phase.SWITCHED else self._moved[kind][::-1]
            self._replicas[kind] = Replica(mine, theirs, layer.changes)
        self._passes = dict.fromkeys(self._moved, 0)
        self._found = {}
        work = [self._compare, *(replica.follow for replica in self._replicas.values())]
        self._tasks = [asyncio.create_task(self._kept_up(each)) for each in work]

    async def _kept_up(self, work: Callable[[], Awaitable[None]]) -> None:
        """Nothing may end in silence what a later switch relies on."""
        try:
            await work()
        except Exception as error:
            self.problem = f"the copying has ended: {type(error).__name__}: {error}"
            self._found = {}
            log.exception("live_migration_failed")
            raise

    async def _stop(self) -> None:
        for layer in self._layers.values():
            layer.changes = None
            if layer.shadow is not None:
                await layer.shadow.aclose()
                layer.shadow = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _compare(self) -> None:
        """Compare both sides until nothing differs; then the shadow reads begin."""
        while not self.is_clean:
            for kind, replica in self._replicas.items():
                try:
                    self._found[kind] = await replica.sweep()
                except (PortError, DomainError) as error:
                    self._found.pop(kind, None)
                    self.problem = f"{kind}: {error}"
                    log.warning("comparison_failed", extra={"kind": kind, "reason": str(error)})
                    await asyncio.sleep(PATIENCE_SECONDS)
                else:
                    self._passes[kind] += 1
            if self.phase is Phase.COPYING and len(self._found) == len(self._moved):
                await self._write_note(Phase.CATCHING_UP)
        self.problem = ""
        if self.phase is not Phase.SWITCHED:
            await self._write_note(Phase.SHADOWING)
            self._shadow()

    def _shadow(self) -> None:
        for kind, layer in self._layers.items():
            replica = self._replicas[kind]
            source, target = replica.source.store, replica.target.store
            layer.shadow = Shadow(kind, source, target, replica.changes, share=self._shadow_share)

    # ---------------------------------------------------------------- changing places

    async def _switch(self, phase: Phase) -> float:
        """Let both sides change places, and write down the phase that this leads to."""
        changing = asyncio.create_task(self._change_places(phase))
        try:
            return await asyncio.shield(changing)
        except asyncio.CancelledError:
            # Half of it would leave a note that is not true.
            await asyncio.wait([changing])
            raise

    async def _change_places(self, phase: Phase) -> float:
        shadows = [layer.shadow for layer in self._layers.values() if layer.shadow]
        for shadow in shadows:
            shadow.is_paused = True
        try:
            await self._calm()
            began = _now()
            await self._come_to_rest()
            await self._note_switch(phase, self._longest_pause - (_now() - began))
            await self._turn_round()
        finally:
            self._traffic.release()
            for shadow in shadows:
                shadow.is_paused = False
        seconds = _now() - began
        self.pause_ms = seconds * 1000
        log.info("live_migration_switched", extra={"phase": phase, "pause_ms": round(self.pause_ms, 1)})
        return seconds

    async def _calm(self) -> None:
        """Wait for a moment at which little is under way and little is left to be copied; writes go on.

        Raises:
            TransferRefused: there is none.
        """
        replicas = self._replicas.values()
        try:
            async with asyncio.timeout(CALM_SECONDS):
                # Doubts end by themselves.
                while not self.is_clean or any(replica.changes.doubtful for replica in replicas):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_SECONDS)
                await self._traffic.restrict(NARROW)
                while sum(replica.changes.waiting for replica in replicas) > LITTLE:
                    await self._drain()
        except TimeoutError:
            problems = "; ".join(filter(None, (self.problem, *(replica.copied.problem for replica in replicas))))
            waiting = sum(replica.changes.waiting for replica in replicas)
            late = ", ".join(self._traffic.under_way)
            raise TransferRefused(
                f"{_CALLED_OFF} for {CALM_SECONDS:g} s there was no moment at which little was under way ({waiting} "
                f"changes wait to be copied; being written: {late or 'nothing'}{'; ' + problems if problems else ''})"
            ) from None
        except (PortError, DomainError) as error:
            raise TransferRefused(f"{_CALLED_OFF} {error}") from error

    async def _come_to_rest(self) -> None:
        """Wait, with the gate closed, until nothing is under way and both sides are equal.

        Raises:
            TransferRefused: it takes too long, or cannot be known.
        """
        try:
            async with asyncio.timeout(self._longest_pause * _SHARE_OF_REST):
                await self._traffic.restrict(0)
                await self._drain()
        except TimeoutError:
            late = ", ".join(self._traffic.under_way)
            what = f"writes of {late} were still under way" if late else "the last changes were not copied yet"
            raise TransferRefused(f"{_CALLED_OFF} {what} when the time for the pause was over") from None
        except (PortError, DomainError) as error:
            raise TransferRefused(f"{_CALLED_OFF} {error}") from error
        if any(replica.changes.doubtful for replica in self._replicas.values()):
            raise TransferRefused(f"{_CALLED_OFF} a write has just ended without an answer; repeat this in a moment")

    async def _drain(self) -> None:
        await asyncio.gather(*(replica.drain() for replica in self._replicas.values()))

    async def _note_switch(self, phase: Phase, within: float) -> None:
        before = self.note
        try:
            async with asyncio.timeout(within):
                await self._write_note(phase)
        except (TimeoutError, PortError) as error:
            await self._insist(before)
            raise TransferRefused(f"{_CALLED_OFF} the switch cannot be noted ({error})") from error

    async def _turn_round(self) -> None:
        """Nothing is under way and both sides are equal: let them change places."""
        found = dict(self._found)
        await self._stop()
        self._exchange()
        self._follow()
        self._found = found

    def _exchange(self) -> None:
        for kind, layer in self._layers.items():
            mine, theirs = (pair.store for pair in self._moved[kind])
            layer.store = theirs if self.phase is Phase.SWITCHED else mine

    # ---------------------------------------------------------------- notes

    async def _check_target(self) -> None:
        """Refuse a target with content, unless it is an unfinished copy of this source."""
        mine, theirs = self._note_stores[0], self._note_stores[-1]
        for store in (mine, theirs):
            text = await store.read_checkpoint(NOTE)
            if text is None:
                continue
            note = LiveNote.from_json(text)
            if not note.phase.is_over and (note.source, note.target) != (self.note.source, self.note.target):
                raise TransferRefused(f"{store.location} takes part in another live migration, which is {note.phase}")
            if store is theirs and note.phase is not Phase.FINISHED and _same(note, self.note):
                return
        for _, target in self._moved.values():
            if not await is_empty(target):
                raise TransferRefused(
                    f"{target.location} already holds {target.kind}, and is no unfinished copy of these stores; empty "
                    "it, or name another place"
                )

    async def _write_note(self, phase: Phase) -> None:
        """The source first: its note decides."""
        note = replace(self.note, phase=phase)
        for store in self._note_stores:
            await store.write_checkpoint(NOTE, note.to_json())
        self.note = note

    async def _insist(self, note: LiveNote) -> None:
        """Write the note, however long it takes: what it says has to be true before anything else is written."""
        while True:
            try:
                for store in self._note_stores:
                    await store.write_checkpoint(NOTE, note.to_json())
            except PortError as error:
                log.warning("note_not_written", extra={"reason": str(error)})
                await asyncio.sleep(PATIENCE_SECONDS)
            else:
                return

    def _kind_status(self, kind: Kind, replica: Replica) -> KindStatus:
        shadow = self._layers[kind].shadow
        return KindStatus(
            kind=kind,
            source=replica.source.location,
            target=replica.target.location,
            total=replica.copied.total,
            compared=replica.copied.compared,
            written=replica.copied.written,
            waiting=replica.changes.waiting,
            doubtful=replica.changes.doubtful,
            passes=self._passes[kind],
            found=self._found.get(kind),
            reads=shadow.reads if shadow else ShadowReads(),
            problem=replica.copied.problem,
        )


def _same(note: LiveNote, other: LiveNote) -> bool:
    return (note.source, note.target) == (other.source, other.target)


def _now() -> float:
    return asyncio.get_running_loop().time()
