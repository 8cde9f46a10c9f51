"""Why the process cannot start, each reason with its exit code (those of sysexits.h)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class StartError(Exception):
    """The message is for the operator: what is wrong and what to do."""

    exit_code: ClassVar[int] = 1


class Misconfigured(StartError):
    """A setting has to be changed (EX_CONFIG)."""

    exit_code = 78


class BackendsUnusable(StartError):
    """Backends that were chosen do not work: all of them, each with the variable that chose it (EX_UNAVAILABLE)."""

    exit_code = 69

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        lines = [f"  {choice}: {reason}" for choice, reason in problems]
        super().__init__("\n".join(("These backends cannot be used:", *lines)))
        self.problems = tuple(problems)


class Busy(StartError):
    """Something that is needed is in use by another process (EX_TEMPFAIL)."""

    exit_code = 75


class DataFolderInUse(Busy):
    """Another process works on the data folder; the message names it."""


class DataFolderUnusable(Misconfigured):
    """The data folder cannot be written."""


class PortInUse(Busy):
    """Another program listens on the address."""
