"""Optional abilities of adapters, asked for at run time with ``isinstance``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class SupportsHealth(Protocol):
    """Can tell whether the backend answers."""

    async def check_health(self) -> None:
        """Do a real round trip.

        Raises:
            PortError: the backend does not work; the message says why.
        """
        ...


@runtime_checkable
class SupportsIntegrityCheck(Protocol):
    """Can examine what is stored, which may take long."""

    async def check_integrity(self) -> Sequence[str]:
        """The problems that were found, in words; empty if all is well."""
        ...


@runtime_checkable
class SupportsSweep(Protocol):
    """Holds on to expired values until they are swept."""

    async def sweep(self) -> int:
        """Remove what has expired; returns how many values that were."""
        ...


@runtime_checkable
class Closeable(Protocol):
    """Holds something open."""

    async def aclose(self) -> None:
        """Let go of everything; a second call does nothing. Any other call afterwards raises `StorageUnavailable`."""
        ...
