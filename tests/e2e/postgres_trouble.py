"""What an engineer gets to see of a PostgreSQL in trouble."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """The server's log up to the height of the incident, and its answers then, after the relief and after the fix."""

    log: str
    activity_during: str
    activity_relieved: str
    activity_fixed: str
