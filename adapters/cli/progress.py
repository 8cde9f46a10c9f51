"""The bar that shows how far a transfer has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from adapters.cli.output import errors
from application.transfer.items import Kind
from application.transfer.migrator import Progress as OnProgress

T = TypeVar("T")


def with_progress(work: Callable[[OnProgress], Coroutine[None, None, T]]) -> T:
    """Run with one bar for each kind on a terminal, and without a word elsewhere."""
    if not errors.is_terminal:
        return asyncio.run(work(lambda *_: None))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        bars: dict[Kind, TaskID] = {}

        def show(kind: Kind, done: int, total: int) -> None:
            if kind not in bars or progress.tasks[bars[kind]].completed > done:
                bars[kind] = progress.add_task(kind.value, total=total, rate="")
            task = progress.tasks[bars[kind]]
            rate = f"{task.finished_speed or task.speed or 0:,.0f}/s"
            progress.update(bars[kind], completed=done, total=total, rate=rate)

        return asyncio.run(work(show))
