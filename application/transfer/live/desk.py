"""How an operator's command reaches the server that does it: both write checkpoints into the case store of the server.

A command waits there until the server takes it. The answer stands beside it, and so does a report, for as long as a
migration is on. Nothing of it is secret: the settings of the target are named by their file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from application.errors import ApplicationError
from application.transfer.live.note import NOTE, LiveNote, Phase
from application.transfer.live.status import LiveStatus
from ports.clock import Clock
from ports.ids import IdSource
from ports.transfer import SupportsCheckpoints

T = TypeVar("T")

COMMAND, ANSWER, REPORT = "live-command", "live-answer", "live-report"

POLL_SECONDS = 1.0
ASK_SECONDS = 0.1
TAKEN_WITHIN = 10.0
"""Seconds after which a command that no server has taken is withdrawn."""

DONE_WITHIN = 120.0
STALE = timedelta(seconds=30)
"""A command this old was left behind by an operator who is gone."""

ALIVE = timedelta(seconds=5)
"""A server whose last report is older has ended."""


class Verb(StrEnum):
    """What an operator wants."""

    START = "start"
    SWITCH = "switch"
    FINISH = "finish"
    ABORT = "abort"


class CommandFailed(ApplicationError):
    """The server did not do it; the message says why."""


class NoServer(CommandFailed):
    """There is no server that would do it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command; ``to`` names the settings of the target of a start."""

    command_id: str
    verb: Verb
    at: datetime
    to: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """How the command with this id stands: taken only, or done, or refused with the reason."""

    command_id: str
    is_done: bool = False
    refused: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the server says about its migration, and when."""

    at: datetime
    status: LiveStatus


_COMMAND = TypeAdapter(Command)
_ANSWER = TypeAdapter(Answer)
_REPORT = TypeAdapter(Report)


class Operator:
    """The side that asks, in a process of its own."""

    def __init__(self, store: object, clock: Clock, ids: IdSource) -> None:
        """``store`` is the case store of the server.

        Raises:
            CommandFailed: it keeps no checkpoints.
        """
        if not isinstance(store, SupportsCheckpoints):
            raise CommandFailed(f"{type(store).__name__} keeps no checkpoints, so nothing can be moved from it")
        self._store = store
        self._clock = clock
        self._ids = ids

    async def ask(self, verb: Verb, to: str = "") -> str:
        """Let the server do it; returns what it says about it.

        Raises:
            CommandFailed: it was refused, or no server has taken the command (`NoServer`).
        """
        command = Command(self._ids.secret(), verb, self._clock.now(), to)
        await self._store.write_checkpoint(COMMAND, _COMMAND.dump_json(command).decode())
        if await self._answer(command, TAKEN_WITHIN, lambda _: True) is None:
            await self._store.write_checkpoint(COMMAND, None)
            raise NoServer(
                "no server has taken the command. A live migration needs a running server with these very settings; "
                "without one, use `faultmaven migrate run`"
            )
        answer = await self._answer(command, DONE_WITHIN, lambda given: given.is_done or bool(given.refused))
        if answer is None:
            raise CommandFailed(f"the server has not finished within {DONE_WITHIN:g} s; see `migrate live status`")
        if answer.refused:
            raise CommandFailed(answer.refused)
        return answer.message

    async def abort(self) -> str:
        """Let the server abort the migration. Without a server it is enough to write down that it is aborted, as long
        as the source has everything.

        Raises:
            CommandFailed: as `ask`.
        """
        try:
            return await self.ask(Verb.ABORT)
        except NoServer:
            note = await self.note()
            if note is None or note.phase.is_over:
                raise
            if note.phase is Phase.SWITCHED:
                raise NoServer(
                    "no server is running, and the target has what was written since the switch: start the server, "
                    "which goes on with the migration, and repeat this"
                ) from None
            await self._store.write_checkpoint(NOTE, replace(note, phase=Phase.ABORTED).to_json())
            return f"aborted without a server; {note.places_of_target} hold an unfinished copy"

    async def note(self) -> LiveNote | None:
        """What is written down about the last migration.

        Raises:
            TransferRefused: it cannot be read.
        """
        text = await self._store.read_checkpoint(NOTE)
        return LiveNote.from_json(text) if text else None

    async def report(self) -> tuple[Report | None, bool]:
        """The last report, and whether the server that gave it is running."""
        report = _read(_REPORT, await self._store.read_checkpoint(REPORT))
        return report, report is not None and self._clock.now() - report.at < ALIVE

    async def _answer(self, command: Command, seconds: float, enough: Callable[[Answer], bool]) -> Answer | None:
        waited = 0.0
        while waited < seconds:
            answer = _read(_ANSWER, await self._store.read_checkpoint(ANSWER))
            if answer is not None and answer.command_id == command.command_id and enough(answer):
                return answer
            await asyncio.sleep(ASK_SECONDS)
            waited += ASK_SECONDS
        return None


class Desk:
    """The side of the server."""

    def __init__(self, store: SupportsCheckpoints, clock: Clock) -> None:
        self.store = store
        self._clock = clock

    async def next_command(self) -> Command | None:
        """The command that waits, taken; None if there is none."""
        text = await self.store.read_checkpoint(COMMAND)
        if text is None:
            return None
        command = _read(_COMMAND, text)
        if command is not None and self._clock.now() - command.at < STALE:
            await self._say(Answer(command.command_id))
        else:
            command = None
        await self.store.write_checkpoint(COMMAND, None)
        return command

    async def done(self, command: Command, message: str) -> None:
        """It is done."""
        await self._say(Answer(command.command_id, is_done=True, message=message))

    async def refused(self, command: Command, reason: str) -> None:
        """It is not done."""
        await self._say(Answer(command.command_id, refused=reason))

    async def report(self, status: LiveStatus) -> None:
        """Tell how the migration stands."""
        await self.store.write_checkpoint(REPORT, _REPORT.dump_json(Report(self._clock.now(), status)).decode())

    async def _say(self, answer: Answer) -> None:
        await self.store.write_checkpoint(ANSWER, _ANSWER.dump_json(answer).decode())


def _read(adapter: TypeAdapter[T], text: str | None) -> T | None:
    """The value; None if there is none, or one of another release."""
    if text is None:
        return None
    try:
        return adapter.validate_json(text)
    except ValidationError:
        return None
