"""What is read from a source, in portions that a target writes at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from application.transfer.items import Item, Position
from ports.transfer import GivesCaseRows, TakesCaseRows

BATCH_ITEMS = 2_000
BATCH_WEIGHT = 2_000_000


@dataclass(frozen=True, slots=True)
class RowPage:
    """What a target has prepared to be written, the number of cases in it, and where it ends.

    ``continues``: it begins with messages of a case that comes before.
    """

    prepared: object
    cases: int
    position: Position
    continues: bool


async def batches(items: AsyncIterator[Item]) -> AsyncIterator[list[Item]]:
    """The items, so many at a time that a batch has neither too many of them nor too large ones."""
    batch: list[Item] = []
    weight = 0
    async for item in items:
        batch.append(item)
        weight += item.weight
        if len(batch) >= BATCH_ITEMS or weight >= BATCH_WEIGHT:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


async def row_pages(source: GivesCaseRows, target: TakesCaseRows, after: Position | None) -> AsyncIterator[RowPage]:
    """All rows after the position, page by page, prepared by the target."""
    last = None if after is None else (after.key, after.parts - 1)
    while rows := await source.read_rows(last, BATCH_ITEMS):
        key, messages = last = rows.position
        continues = bool(rows.messages) and (not rows.cases or rows.messages[0]["case_id"] != rows.cases[0]["case_id"])
        yield RowPage(await target.prepare_rows(rows), len(rows.cases), Position(key, messages + 1), continues)
