"""Why the process cannot start, each reason with its exit code (those of sysexits.h)."""

from __future__ import annotations

from typing import ClassVar


class StartError(Exception):
    """The message is for the operator: what is wrong and what to do."""

    exit_code: ClassVar[int] = 1


class Misconfigured(StartError):
    """A setting has to be changed (EX_CONFIG)."""

    exit_code = 78


class Busy(StartError):
    """Something that is needed is in use by another process (EX_TEMPFAIL)."""

    exit_code = 75


class DataFolderInUse(Busy):
    """Another process works on the data folder; the message names it."""


class DataFolderUnusable(Misconfigured):
    """The data folder cannot be written."""


class PortInUse(Busy):
    """Another program listens on the address."""
