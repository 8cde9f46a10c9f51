"""A store that can be exchanged while it is used: what all kinds have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Generic, TypeVar

from application.transfer.items import Kind
from application.transfer.live.changes import Changes
from application.transfer.live.shadow import Shadow
from application.transfer.live.traffic import Traffic
from domain.errors import InvalidInput
from ports.capabilities import SupportsHealth, SupportsSweep
from ports.errors import OutcomeUnknown, PortError, StorageUnavailable

S = TypeVar("S")


class Layer(Generic[S]):
    """Hands every call on to `store`. While `changes` is set, it notes there what is written; while `shadow` is set, a
    part of the reads is repeated there.

    A write enters the gate of `traffic` first. A read never waits: it goes to the store of that moment.
    """

    kind: Kind

    def __init__(self, store: S, traffic: Traffic) -> None:
        self.store = store
        self.traffic = traffic
        self.changes: Changes | None = None
        self.shadow: Shadow | None = None

    async def check_health(self) -> None:
        """See `ports.capabilities.SupportsHealth`; a store that cannot tell is healthy."""
        if isinstance(self.store, SupportsHealth):
            await self.store.check_health()

    async def sweep(self) -> int:
        """See `ports.capabilities.SupportsSweep`; 0 for a store that needs none."""
        return await self.store.sweep() if isinstance(self.store, SupportsSweep) else 0

    def _writing(self, *keys: str, deletes: bool = False) -> Writing:
        """The block writes the entities with these keys."""
        return Writing(self, dict.fromkeys(keys, deletes))

    def _key(self, key: str) -> str:
        """The key as the store knows it."""
        return key

    def note(self, keys: Mapping[str, bool], error: BaseException | None) -> None:
        """Remember what a write did that has just ended: the keys, and whether their entities were deleted."""
        changes = self.changes
        if changes is None or isinstance(error, InvalidInput):
            return
        for key, deleted in keys.items():
            if _is_certain(error):
                changes.mark(self._key(key), deleted=deleted)
            else:
                changes.doubt(self._key(key), deleted=deleted)


class Writing:
    """One write of a layer, or one transaction."""

    __slots__ = ("_layer", "keys")

    def __init__(self, layer: Layer[Any], keys: Mapping[str, bool]) -> None:
        self._layer = layer
        self.keys = keys
        """What is written; set in the block where only the result tells it."""

    async def __aenter__(self) -> Writing:
        """Pass the gate."""
        traffic = self._layer.traffic
        if traffic.is_restricted:
            await traffic.admission(self._layer.kind)
        traffic.begin(self._layer.kind)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Note what was written."""
        layer = self._layer
        layer.note(self.keys, error)
        layer.traffic.end(layer.kind)


def _is_certain(error: BaseException | None) -> bool:
    """Whether a write that ended so will not take effect any more. A cancelled one may have been sent already."""
    if error is None:
        return True
    return isinstance(error, PortError) and not isinstance(error, (OutcomeUnknown, StorageUnavailable))
