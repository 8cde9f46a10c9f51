"""The live migration of a serving process: it takes the operator's commands, and goes on after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from application.transfer.items import Kind
from application.transfer.live.desk import POLL_SECONDS, Command, Desk, Verb
from application.transfer.live.layers import Layers
from application.transfer.live.migration import LiveMigration
from application.transfer.live.note import NOTE, LiveNote, Phase, Side, place
from application.transfer.migrator import TransferRefused
from application.transfer.stores import Stores
from bootstrap.build import Opened, Ports, Records, opened_ports
from bootstrap.configuration import configuration_named
from bootstrap.errors import BackendsUnusable, Misconfigured, StartError
from bootstrap.moving import check_lasting, stores_of
from bootstrap.settings import Settings
from domain.errors import DomainError
from ports.errors import NotSupported, PortError
from ports.transfer import SupportsCheckpoints

RETRY_SECONDS = 10.0
"""How often a target that was away at the start is tried again."""

_PURPOSE = "faultmaven serve (live migration)"

log = logging.getLogger("faultmaven")


@asynccontextmanager
async def exchangeable(
    settings: Settings, ports: Ports, announce: Callable[[str], None] | None
) -> AsyncIterator[Ports]:
    """The ports to serve with: their stores can be exchanged while they are used.

    A migration that was under way when the last process ended goes on. One of several processes gets ``announce``; it
    refuses the commands of the operator, because a migration takes a process that does all writing.

    Raises:
        Misconfigured: these stores must not be served from, because a migration is not at its end.
        BackendsUnusable: the target was switched to, and cannot be opened.
    """
    layers = Layers(
        cases=ports.records.cases,
        users=ports.records.users,
        documents=ports.records.documents,
        sessions=ports.sessions,
        vectors=ports.vectors,
        files=ports.blobs,
    )
    async with AsyncExitStack() as stack:
        control = LiveControl(settings, ports, layers, announce or (lambda _: None))
        stack.push_async_callback(control.aclose)
        await control.resume()
        if announce is not None:
            await stack.enter_async_context(_running(control.work()))
        yield replace(
            ports,
            records=Records(layers.cases, layers.users, layers.documents),
            sessions=layers.sessions,
            counters=layers.sessions if ports.counters is ports.sessions else ports.counters,
            blobs=layers.files,
            vectors=layers.vectors,
        )


@asynccontextmanager
async def _running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class LiveControl:
    """Holds the migration and the stores of its target."""

    def __init__(self, settings: Settings, ports: Ports, layers: Layers, announce: Callable[[str], None]) -> None:
        self._settings = settings
        self._ports = ports
        self._layers = layers
        self._announce = announce
        self._own = stores_of(settings, ports, sessions=True)
        self._migration: LiveMigration | None = None
        self._waiting: LiveNote | None = None
        self._stack = AsyncExitStack()
        cases = ports.records.cases
        self._desks = [Desk(cases, ports.clock)] if isinstance(cases, SupportsCheckpoints) else []

    async def aclose(self) -> None:
        """End the copying, and close the stores of the target."""
        if self._migration is not None:
            await self._migration.aclose()
        await self._stack.aclose()

    # ---------------------------------------------------------------- after a restart

    async def resume(self) -> None:
        """Go on where the last process ended, or find that there is nothing to do."""
        if not self._desks:
            return
        text = await self._desks[0].store.read_checkpoint(NOTE)
        if text is None:
            return
        try:
            note = LiveNote.from_json(text)
        except TransferRefused as error:
            raise Misconfigured(f"{error}. Start the release of FaultMaven that began it.") from error
        match note.side(self._places()), note.phase:
            case Side.SOURCE, Phase.FINISHED:
                self._warn(
                    f"THESE STORES ARE OUTDATED. Everything was moved to {note.places_of_target} (settings: "
                    f"{note.to}); what was written there since is not here. Start the server with those settings."
                )
            case Side.TARGET, Phase.SWITCHED:
                await self._desks[0].store.write_checkpoint(NOTE, replace(note, phase=Phase.FINISHED).to_json())
                self._warn("The live migration to these stores is finished: the former ones are not kept current.")
            case Side.TARGET, phase if phase is not Phase.FINISHED:
                raise Misconfigured(
                    f"These stores hold an unfinished copy of {note.places_of_source} (live migration: {phase}). Start "
                    "the server with the settings of the source and finish the migration, or empty these stores."
                )
            case Side.SOURCE, phase if not phase.is_over:
                await self._go_on(note)
            case Side.NEITHER, phase if not phase.is_over:
                raise Misconfigured(
                    f"A live migration is {phase}, from {note.places_of_source} to {note.places_of_target}, and these "
                    "settings name other places. Start the server with the settings that it had, or end the migration "
                    "with `faultmaven migrate live abort`."
                )

    async def _go_on(self, note: LiveNote) -> None:
        if self._settings.faultmaven_workers > 1:
            raise Misconfigured(
                f"FAULTMAVEN_WORKERS: a live migration is {note.phase}, and needs the only process that writes. Start "
                "with one process until it is finished or aborted."
            )
        try:
            target = await self._open(note.to)
            self._migration = await LiveMigration.resume(self._layers, target, note)
        except (StartError, PortError) as error:
            await self._close()
            if note.phase is Phase.SWITCHED:
                raise BackendsUnusable([(f"the live migration to {note.to}", str(error))]) from error
            # The source has everything, and a later comparison finds what was written without the target.
            self._waiting = note
            log.warning("live_migration_waits", extra={"to": note.to, "reason": str(error)})
        except TransferRefused as error:
            await self._close()
            raise Misconfigured(f"The live migration cannot go on: {error}.") from error
        else:
            log.info("live_migration_resumed", extra={"to": note.to, "phase": note.phase})

    def _places(self) -> Mapping[Kind, str]:
        try:
            return {kind: place(collection) for kind, collection in self._own.collections().items()}
        except NotSupported:
            # A store from elsewhere, of which nothing can be moved, is no side of a migration.
            return {}

    def _warn(self, text: str) -> None:
        log.warning("live_migration", extra={"note": text})
        self._announce(text)

    # ---------------------------------------------------------------- while it serves

    async def work(self) -> None:
        """Take commands and report, until cancelled. A store that is away is asked again the next time."""
        since = 0.0
        while True:
            try:
                for desk in list(self._desks):
                    if command := await desk.next_command():
                        await self._obey(command, desk)
                if self._migration is not None:
                    for desk in self._desks:
                        await desk.report(self._migration.status())
            except PortError as error:
                log.warning("live_commands_unreachable", extra={"reason": str(error)})
            await asyncio.sleep(POLL_SECONDS)
            since += POLL_SECONDS
            if self._waiting is not None and since >= RETRY_SECONDS:
                since, note, self._waiting = 0.0, self._waiting, None
                with contextlib.suppress(StartError):
                    await self._go_on(note)

    async def _obey(self, command: Command, desk: Desk) -> None:
        try:
            message = await self._do(command)
        except (StartError, TransferRefused, PortError, DomainError) as error:
            log.warning("live_command_refused", extra={"verb": command.verb, "reason": str(error)})
            await desk.refused(command, str(error))
        except Exception as error:
            log.exception("live_command_failed", extra={"verb": command.verb})
            await desk.refused(command, f"it failed: {type(error).__name__}; see the log of the server")
        else:
            await desk.done(command, message)

    async def _do(self, command: Command) -> str:
        if self._settings.faultmaven_workers > 1:
            raise TransferRefused(
                "the server has several processes (FAULTMAVEN_WORKERS); a live migration needs one that does all "
                "writing: start it with one"
            )
        if command.verb is Verb.START:
            return await self._start(command.to)
        if self._migration is None:
            if command.verb is Verb.ABORT and self._waiting is not None:
                note, self._waiting = self._waiting, None
                await self._desks[0].store.write_checkpoint(NOTE, replace(note, phase=Phase.ABORTED).to_json())
                return "aborted; the target could not be reached"
            raise TransferRefused("no live migration is under way")
        match command.verb:
            case Verb.SWITCH:
                seconds = await self._migration.switch()
                return f"switched; writes waited for {seconds * 1000:.0f} ms"
            case Verb.FINISH:
                await self._migration.finish()
                return f"finished. From the next start on, use the settings in {self._migration.note.to}"
            case Verb.ABORT:
                await self._migration.abort()
                for desk in self._desks:
                    await desk.report(self._migration.status())
                self._migration = None
                await self._close()
                return "aborted; everything is where it was, and the target is an unfinished copy"

    async def _start(self, to: str) -> str:
        known = self._migration.note if self._migration else self._waiting
        if known is not None:
            raise TransferRefused(f"a live migration is {known.phase} already; see `faultmaven migrate live status`")
        check_lasting(self._settings, "source")
        try:
            target = await self._open(to)
            at = self._ports.clock.now().isoformat(timespec="seconds")
            self._migration = await LiveMigration.start(self._layers, target, to=to, at=at)
        except BaseException:
            await self._close()
            raise
        log.info("live_migration_started", extra={"to": to})
        return "started; see `migrate live status`"

    async def _open(self, to: str) -> Stores:
        settings = configuration_named(to).settings
        check_lasting(settings, "target")
        mine = Opened(self._settings, self._ports)
        ports = await self._stack.enter_async_context(opened_ports(settings, _PURPOSE, beside=mine))
        cases = ports.records.cases
        if isinstance(cases, SupportsCheckpoints) and cases is not self._ports.records.cases:
            self._desks.append(Desk(cases, ports.clock))
        return stores_of(settings, ports, sessions=settings.session_storage_type != "inmemory")

    async def _close(self) -> None:
        del self._desks[1:]
        await self._stack.aclose()
