"""What the domain refuses, and why.

    DomainError
    ├── InvalidInput          a value that no backend may be asked to store or search for
    ├── IllegalTransition     the status does not lead there
    ├── MissingPrerequisite   the status may lead there, but something must be done first
    ├── TerminalCase          the case is resolved or closed, so its investigation is frozen
    ├── BadClosureReason      the reason does not belong to this way of closing
    └── UnknownReference      an id that the case does not hold

Each message is written for the person who made the request.
"""

from __future__ import annotations


class DomainError(Exception):
    """A rule of the domain was broken; nothing has changed."""


class InvalidInput(DomainError, ValueError):
    """A value is malformed. A ``ValueError`` too, so that pydantic reports it with the field that held it."""


class IllegalTransition(DomainError):
    """``from_status`` does not lead to ``to_status``."""

    def __init__(self, from_status: str, to_status: str) -> None:
        super().__init__(f"A case that is {from_status} cannot become {to_status}.")
        self.from_status = from_status
        self.to_status = to_status


class MissingPrerequisite(DomainError):
    """A transition or milestone lacks what it needs; ``missing`` lists it in words."""

    def __init__(self, what: str, missing: tuple[str, ...]) -> None:
        super().__init__(f"{what} needs first: {'; '.join(missing)}.")
        self.missing = missing


class TerminalCase(DomainError):
    """The case is finished. Open a follow-up case to go on."""

    def __init__(self, status: str) -> None:
        super().__init__(f"This case is {status} and can no longer change. Open a follow-up case to go on.")
        self.status = status


class BadClosureReason(DomainError):
    """The closure reason is not one of those that the transition accepts."""

    def __init__(self, reason: str, accepted: tuple[str, ...]) -> None:
        super().__init__(f"Closure reason {reason!r} is not accepted here; accepted: {', '.join(accepted)}.")
        self.accepted = accepted


class UnknownReference(DomainError):
    """The case holds nothing with this id."""

    def __init__(self, kind: str, reference: str) -> None:
        super().__init__(f"The case has no {kind} {reference!r}.")
        self.kind = kind
        self.reference = reference
