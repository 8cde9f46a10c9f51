"""What is written down about a live migration, so that a process that was killed goes on where it stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

import orjson

from application.transfer.collections import Collection
from application.transfer.items import Kind
from application.transfer.migrator import TransferRefused

NOTE = "live-migration"
"""The checkpoint in the case stores of source and target."""


def place(collection: Collection) -> str:
    """The location as it is written down: sessions and vectors in memory are elsewhere after each start."""
    if collection.kind in (Kind.SESSIONS, Kind.VECTORS) and collection.location.startswith("memory:"):
        return "memory"
    return collection.location


class Phase(StrEnum):
    """Where a live migration stands."""

    COPYING = "copying"
    """The target is being filled; what is written meanwhile follows."""
    CATCHING_UP = "catching-up"
    """Both sides are compared again and again, until no difference is left."""
    SHADOWING = "shadowing"
    """The target follows, and a part of the reads is repeated there. It can be switched."""
    SWITCHED = "switched"
    """The target answers; the source follows, so that it can be switched back."""
    FINISHED = "finished"
    """The target answers by itself. The source is outdated."""
    ABORTED = "aborted"
    """The source answers by itself. The target is an unfinished copy."""

    @property
    def is_over(self) -> bool:
        """True if nothing is copied any more."""
        return self in (Phase.FINISHED, Phase.ABORTED)


class Side(StrEnum):
    """What the stores of a process are to a live migration."""

    SOURCE = "source"
    TARGET = "target"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class LiveNote:
    """What is kept in both case stores. ``to`` is the file with the settings of the target, or the name of a profile;
    the locations are those of the kinds that are moved.
    """

    phase: Phase
    to: str
    source: Mapping[Kind, str]
    target: Mapping[Kind, str]
    started_at: str

    @property
    def places_of_source(self) -> str:
        """Where it moves from, in words."""
        return ", ".join(sorted(set(self.source.values())))

    @property
    def places_of_target(self) -> str:
        """Where it moves to, in words."""
        return ", ".join(sorted(set(self.target.values())))

    def side(self, locations: Mapping[Kind, str]) -> Side:
        """Which side has its content at these locations."""
        here = {kind: locations.get(kind) for kind in self.source}
        if here == self.source:
            return Side.SOURCE
        return Side.TARGET if here == self.target else Side.NEITHER

    def to_json(self) -> str:
        """As text."""
        return orjson.dumps(asdict(self), option=orjson.OPT_NON_STR_KEYS).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From text.

        Raises:
            TransferRefused: another release wrote it in a form that this one does not know.
        """
        try:
            fields: dict[str, Any] = orjson.loads(text)
            sides = {side: {Kind(kind): place for kind, place in fields[side].items()} for side in ("source", "target")}
            return cls(**{**fields, **sides, "phase": Phase(fields["phase"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TransferRefused("the note of a live migration in the case store cannot be read") from error
