"""Transactions over dictionaries: the open one writes into a layer of its own; the others read what is committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Generic, Protocol, Self, TypeVar, cast

from ports.errors import StorageUnavailable

K = TypeVar("K")
V = TypeVar("V")

_DELETED = object()


class Layer(MutableMapping[K, V]):
    """A dictionary as it would be with some changes. `apply` makes them real."""

    def __init__(self, below: MutableMapping[K, V]) -> None:
        self._below = below
        self._changes: dict[K, V | object] = {}

    def __getitem__(self, key: K) -> V:
        """The changed value, else the one below."""
        value = self._changes[key] if key in self._changes else self._below[key]
        if value is _DELETED:
            raise KeyError(key)
        return cast("V", value)

    def __setitem__(self, key: K, value: V) -> None:
        """Sets the value in this layer alone."""
        self._changes[key] = value

    def __delitem__(self, key: K) -> None:
        """Hides the key in this layer alone."""
        if key not in self:
            raise KeyError(key)
        self._changes[key] = _DELETED

    def __contains__(self, key: object) -> bool:
        """Whether it is there, without the detour over an exception."""
        if key in self._changes:
            return self._changes[key] is not _DELETED
        return key in self._below

    def update(self, values: Mapping[K, V]) -> None:  # type: ignore[override]
        """Sets many values at once."""
        self._changes.update(values)

    def __iter__(self) -> Iterator[K]:
        """Every key once."""
        yield from (key for key in self._below if key not in self._changes)
        yield from (key for key, value in self._changes.items() if value is not _DELETED)

    def __len__(self) -> int:
        """The number of keys."""
        return sum(1 for _ in self)

    def apply(self) -> None:
        """Write the changes into the dictionary below."""
        for key, value in self._changes.items():
            if value is _DELETED:
                self._below.pop(key, None)
            else:
                self._below[key] = cast("V", value)


class Tables(Protocol):
    """The dictionaries of a repository."""

    def layered(self) -> Self:
        """The same tables with a layer over each."""
        ...

    def apply(self) -> None:
        """Write the layers down."""
        ...


T = TypeVar("T", bound=Tables)


class Transactions(Generic[T]):
    """The committed tables and at most one open transaction, which belongs to the task that began it.

    What reads or writes the tables does so without an ``await`` in between; so only a whole transaction has to be
    kept apart from other writers.
    """

    def __init__(self, committed: T) -> None:
        self._committed = committed
        self._lock = asyncio.Lock()
        self._owner: asyncio.Task[object] | None = None
        self._layered: T | None = None
        self._closed = False

    def view(self) -> T:
        """What the running task sees: its own transaction, or what is committed.

        Raises:
            StorageUnavailable: the store has been closed.
        """
        if self._closed:
            raise StorageUnavailable("the in-memory store has been closed")
        if self._layered is not None and self._owner is asyncio.current_task():
            return self._layered
        return self._committed

    async def writable(self) -> T:
        """The tables to write to, once no other task has a transaction open; valid until the next ``await``."""
        if self._layered is not None and self._owner is not asyncio.current_task():
            async with self._lock:
                pass
        return self.view()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        """A transaction of the running task; inside of one, a block that does nothing."""
        if self._layered is not None and self._owner is asyncio.current_task():
            yield
            return
        async with self._lock:
            self._layered = self.view().layered()
            self._owner = asyncio.current_task()
            try:
                yield
                self.view().apply()
            finally:
                self._layered = self._owner = None

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True
