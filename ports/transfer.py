"""What a store can do so that its content can be moved, copied and compared: read and write all of it exactly as it is.

Optional abilities, asked for at run time with ``isinstance``. Nothing here makes an id, a version or a time: what comes
back from the target equals what the source holds. Each write can be repeated without a second effect, so that a copy
that was killed goes on where it stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from domain.case import Case
from domain.errors import InvalidInput
from domain.knowledge import Chunk, KnowledgeDocument
from domain.message import Message
from domain.user import User
from domain.values import check_storable
from ports.sessions import check_key, check_value

MAX_CHECKPOINT_BYTES = 65_536
MAX_EXPIRY = 2**53 - 1
_CHECKPOINT_NAME = re.compile(r"[a-z0-9_-]{1,64}")


def check_checkpoint(name: str, text: str | None = None) -> None:
    """Refuse what no checkpoint may be.

    Raises:
        InvalidInput: see `SupportsCheckpoints.write_checkpoint`; or the text cannot be stored.
    """
    if not _CHECKPOINT_NAME.fullmatch(name):
        raise InvalidInput(f"the name of a checkpoint is {name!r}; accepted: 1 to 64 of a-z, 0-9, _ and -")
    if text is not None:
        check_storable(text)
        if len(text.encode()) > MAX_CHECKPOINT_BYTES:
            raise InvalidInput(f"a checkpoint may have {MAX_CHECKPOINT_BYTES} bytes in UTF-8, not {len(text.encode())}")


def check_put(kind: str, values: Iterable[tuple[str, int]]) -> None:
    """Refuse ids and versions that cannot be put together.

    Raises:
        InvalidInput: an id stands twice, or a version is 0: such a value was never stored.
    """
    ids = set()
    for key, version in values:
        if version == 0:
            raise InvalidInput(f"{kind} {key!r} has version 0, as only one that was never stored has")
        if key in ids:
            raise InvalidInput(f"{kind} {key!r} stands twice among those to be stored")
        ids.add(key)


@runtime_checkable
class SupportsCheckpoints(Protocol):
    """Keeps small notes about what is being written to it, beside its content and as durable as that.

    They are no part of the content: nothing that reads, lists, counts, scans, clears or examines it meets them.
    """

    @property
    def location(self) -> str:
        """Where the content is, for people and for a fingerprint: kind and address, never a password. The same for
        every store object that opens the same content, another one for any other content.
        """
        ...

    async def read_checkpoint(self, name: str) -> str | None:
        """The text that was written under the name, or None."""
        ...

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        """Keep the text under the name, replacing the last one; None removes it.

        It is part of the task's own transaction where there is one (`SupportsTransactions`). Names are 1 to 64 of
        ``[a-z0-9_-]``, texts at most 64 KiB.

        Raises:
            InvalidInput: another name or a longer text (`check_checkpoint`).
        """
        ...


@runtime_checkable
class SupportsTransactions(Protocol):
    """Writes several things or none."""

    def begin_transaction(self) -> AbstractAsyncContextManager[None]:
        """As `ports.cases.CaseRepository.begin_transaction`."""
        ...


@runtime_checkable
class SupportsSnapshot(Protocol):
    """Can be read as it was at one moment, while others write."""

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """In the block, every reading call of the same task sees what was committed when the block was entered. Writers
        do not wait for it. The task cannot write to this store until the end of the block (`InvalidInput`).
        """
        ...


@runtime_checkable
class SupportsFilling(Protocol):
    """Takes much at once faster than bit by bit."""

    def filling(self) -> AbstractAsyncContextManager[None]:
        """In the block, searches may be slow so that writes are fast. What was written in it is kept also if it ends
        with an error; searches are fast again after a block without one, or when the store is opened the next time.

        Raises:
            InvalidInput: the task has a transaction or a snapshot open.
        """
        ...


@runtime_checkable
class SupportsCaseTransfer(Protocol):
    """Takes cases and messages as they are, many at once."""

    async def put_many(self, cases: Sequence[Case]) -> None:
        """Store the cases as they are, version included, all or none. ``message_count`` is not taken over: it belongs
        to the store. Where the same or a higher version is stored, that stays; only its last activity moves forward.

        Raises:
            InvalidInput: a case stands twice among them, or has version 0.
        """
        ...

    async def add_messages(self, messages: Sequence[Message]) -> None:
        """Append the messages, of any cases, in their order, all or none; otherwise as
        `ports.cases.CaseRepository.add_message` does with each, in fewer round trips.

        Raises:
            NotFound: a case does not exist.
            AlreadyExists: a message id belongs to another case.
        """
        ...


@dataclass(frozen=True, slots=True)
class CaseRows:
    """Consecutive cases and messages in the form in which they are stored.

    A row is a mapping of columns to values, with instants in UTC and the document as JSON text under ``json``.
    ``position`` is the last case and how many of its messages have been read.
    """

    cases: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, Any]]
    position: tuple[str, int]


@runtime_checkable
class GivesCaseRows(Protocol):
    """Gives cases and messages as rows, which costs a fraction of making values of them."""

    @property
    def row_format(self) -> str:
        """Stores with the same one understand each other's rows."""
        ...

    async def read_rows(self, after: tuple[str, int] | None, limit: int) -> CaseRows | None:
        """The next rows, of at most ``limit`` messages, after the position: further messages of its case, then cases
        by id (in the order of code points), each with its messages in their order. None at the end.

        Raises:
            StorageCorrupt: a row does not match its checksum.
        """
        ...


@runtime_checkable
class TakesCaseRows(Protocol):
    """Takes the rows of a store with the same tables."""

    @property
    def row_format(self) -> str:
        """See `GivesCaseRows`."""
        ...

    async def prepare_rows(self, rows: CaseRows) -> object:
        """What `put_rows` writes. This takes a while, in which others can be written."""
        ...

    async def put_rows(self, prepared: object) -> None:
        """Store what `prepare_rows` gave as `SupportsCaseTransfer` would store the values, all or none."""
        ...


@runtime_checkable
class SupportsUserTransfer(Protocol):
    """Takes users as they are, many at once."""

    async def put_many(self, users: Sequence[User]) -> None:
        """As `SupportsCaseTransfer.put_many`. Users of one call may have exchanged their names.

        Raises:
            AlreadyExists: a user that is not among them has the name or the address. Nothing has changed.
        """
        ...


@runtime_checkable
class SupportsDocumentTransfer(Protocol):
    """Takes knowledge documents with their chunks as they are, many at once."""

    async def put_many(self, documents: Sequence[tuple[KnowledgeDocument, Sequence[Chunk]]]) -> None:
        """As `SupportsCaseTransfer.put_many`; a document that is stored replaces all chunks of the older one. Documents
        of one call may have exchanged their source keys.

        Raises:
            AlreadyExists: a document that is not among them has the source key in that scope. Nothing has changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A value of a session store. ``expires_at`` is in milliseconds since 1970; None: it does not expire."""

    key: str
    value: str
    expires_at: int | None


def check_values(values: Sequence[StoredValue]) -> list[StoredValue]:
    """The values with their keys in normal form.

    Raises:
        InvalidInput: see `SupportsValueTransfer.put_many`.
    """
    checked = [StoredValue(check_key(each.key), check_value(each.value), _checked_expiry(each)) for each in values]
    if len({each.key for each in checked}) < len(checked):
        raise InvalidInput("a key stands twice among the values")
    return checked


def _checked_expiry(value: StoredValue) -> int | None:
    if value.expires_at is not None and not 0 <= value.expires_at <= MAX_EXPIRY:
        raise InvalidInput(f"an expiry is {value.expires_at}; accepted: milliseconds since 1970, 0 to {MAX_EXPIRY}")
    return value.expires_at


@runtime_checkable
class SupportsValueTransfer(Protocol):
    """Gives and takes short-lived values with the instant at which they expire."""

    async def stored_value(self, key: str) -> StoredValue | None:
        """The value with its expiry, or None if there is none any more."""
        ...

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[StoredValue, ...]:
        """The next values by key (in the order of code points) after the given one (which need not exist); an empty
        tuple at the end. Values that have expired are not met. One that is there all the time is met exactly once.

        Raises:
            InvalidInput: ``limit`` is outside the limits of a page.
        """
        ...

    async def put_many(self, values: Sequence[StoredValue]) -> None:
        """Store the values with exactly these expiries, replacing what is there. What has expired already is left out,
        and the value that is stored under its key is removed.

        Raises:
            InvalidInput: see `ports.sessions`; a key stands twice; an expiry is negative or beyond 2^53 - 1.
        """
        ...
