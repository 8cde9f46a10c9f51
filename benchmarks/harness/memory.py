"""Resident memory, as Linux tells it."""

from __future__ import annotations

from pathlib import Path


def resident(process: int | str = "self") -> float:
    """That of a process in MB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kilobytes) / 1000


def resident_with_children(process: int | str) -> float:
    """That of a process and all below it in MB; what they share counts for each."""
    listed = Path(f"/proc/{process}/task").glob("*/children")
    children = [child for file in listed for child in file.read_text(encoding="utf-8").split()]
    return resident(process) + sum(map(resident_with_children, children))
