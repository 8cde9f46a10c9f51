"""The errors that cross a port, whatever the adapter behind it.

    PortError
    ├── NotFound             the operation needs something that does not exist
    ├── AlreadyExists        a unique value is taken
    ├── Conflict             somebody else changed it in between; read again and repeat
    ├── StorageUnavailable   the backend cannot be reached now; a repeat may succeed
    ├── StorageFull          no space, or a quota is reached; reading still works
    ├── StorageCorrupt       stored data fails its check; never answered with a guess
    ├── OutcomeUnknown       the connection broke after a write was sent; repeat it with the same id
    └── NotSupported         this adapter does not offer the operation

and `domain.errors.InvalidInput` for arguments that no backend accepts. No error of a driver leaves an adapter.
``retryable`` is a property of the class: True where the same call may succeed later without a change.
"""

from __future__ import annotations

from typing import ClassVar

from domain.errors import InvalidInput

__all__ = [
    "AlreadyExists",
    "Conflict",
    "InvalidInput",
    "NotFound",
    "NotSupported",
    "OutcomeUnknown",
    "PortError",
    "StorageCorrupt",
    "StorageFull",
    "StorageUnavailable",
]


class PortError(Exception):
    """Base of all errors that adapters raise."""

    retryable: ClassVar[bool] = False


class NotFound(PortError):
    """``kind`` with this ``key`` does not exist."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"{kind} {key!r} does not exist")
        self.kind = kind
        self.key = key


class AlreadyExists(PortError):
    """Another ``kind`` has the same ``field``."""

    def __init__(self, kind: str, field: str) -> None:
        super().__init__(f"another {kind} has the same {field}")
        self.kind = kind
        self.field = field


class Conflict(PortError):
    """The stored version is not the expected one. ``actual`` is None if the object is gone."""

    def __init__(self, kind: str, key: str, expected: int, actual: int | None) -> None:
        found = "it does not exist" if actual is None else f"version {actual} is stored"
        super().__init__(f"{kind} {key!r}: version {expected} was expected, but {found}")
        self.kind = kind
        self.key = key
        self.expected = expected
        self.actual = actual


class StorageUnavailable(PortError):
    """The backend cannot be reached, or did not answer in time."""

    retryable = True


class StorageFull(PortError):
    """The backend has no room for the write."""


class StorageCorrupt(PortError):
    """What is stored cannot be read back as what was written."""


class OutcomeUnknown(PortError):
    """The write may or may not have happened."""

    retryable = True


class NotSupported(PortError):
    """The adapter lacks an optional ability."""
