"""How a live migration stands, for the operator."""

from __future__ import annotations

from dataclasses import dataclass

from application.transfer.items import Kind
from application.transfer.live.note import Phase
from application.transfer.live.shadow import ShadowReads


@dataclass(frozen=True, slots=True)
class KindStatus:
    """How one kind stands; see `Copied` and `Changes`. ``passes`` counts the finished comparisons of both sides, and
    ``found`` the entities in which the last one differed.
    """

    kind: Kind
    source: str
    target: str
    total: int
    compared: int
    written: int
    waiting: int
    doubtful: int
    passes: int
    found: int | None
    reads: ShadowReads
    problem: str


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """How a live migration stands. ``pause_ms``: how long the last switch held up writes."""

    phase: Phase
    to: str
    started_at: str
    is_clean: bool
    kinds: tuple[KindStatus, ...]
    pause_ms: float | None = None
    problem: str = ""
    examples: tuple[str, ...] = ()
