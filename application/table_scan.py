"""Tables in text form: what the columns are, and where their numbers peak."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from application.log_scan import Level, Line, level_of
from application.timestamps import find_timestamp

SAMPLE = 40
MAX_COLUMNS = 8
MAX_NOTABLE = 40


@dataclass(slots=True)
class Column:
    """The range of a column of numbers, with the lines of its peak."""

    name: str
    position: int
    low: float
    high: float
    high_line: int
    last: float


@dataclass(slots=True)
class TableFacts:
    """What one pass over a table has found. ``rows`` does not count the header."""

    header: list[str] = field(default_factory=list)
    rows: int = 0
    columns: list[Column] = field(default_factory=list)
    first_time: str | None = None
    last_time: str | None = None
    notable: list[Line] = field(default_factory=list)

    @property
    def is_series(self) -> bool:
        """True for numbers over time."""
        return bool(self.columns and self.first_time)


def sniff_delimiter(lines: Sequence[str]) -> str:
    """The character that separates the cells of a table with a header; empty if it is no table."""
    sample = [line for line in lines[:SAMPLE] if line.strip()]
    for delimiter in (",", "\t", ";"):
        counts = {line.count(delimiter) for line in sample}
        if len(sample) > 1 and min(counts) > 0 and max(counts) - min(counts) <= 2:
            return delimiter
    return ""


def scan_table(lines: Iterable[str], delimiter: str) -> TableFacts:
    """The facts of the table; empty ones without a delimiter."""
    facts = TableFacts()
    if not delimiter:
        return facts
    last: list[str] = []
    for number, cells in enumerate(csv.reader(lines, delimiter=delimiter), start=1):
        if number == 1:
            facts.header = [cell.strip() for cell in cells]
            continue
        facts.rows += 1
        last = cells
        if number == 2:
            facts.first_time = _time(cells)
            facts.columns = _number_columns(facts.header, cells)
        for column in facts.columns:
            _measure(column, cells, number)
        if len(facts.notable) < MAX_NOTABLE and level_of(row := delimiter.join(cells)) >= Level.ERROR:
            facts.notable.append(Line(number, row))
    facts.last_time = _time(last)
    peaks = {column.high_line for column in facts.columns} - {line.number for line in facts.notable}
    facts.notable += [_peak(facts, line) for line in sorted(peaks)]
    return facts


def _time(cells: Sequence[str]) -> str | None:
    return next(filter(None, (find_timestamp(cell) for cell in cells[:2])), None)


def _number_columns(header: Sequence[str], cells: Sequence[str]) -> list[Column]:
    columns: list[Column] = []
    for position, (name, cell) in enumerate(zip(header, cells, strict=False)):
        value = _number(cell)
        if value is not None and len(columns) < MAX_COLUMNS:
            columns.append(Column(name, position, value, value, 2, value))
    return columns


def _measure(column: Column, cells: Sequence[str], number: int) -> None:
    value = _number(cells[column.position]) if column.position < len(cells) else None
    if value is None:
        return
    column.last = value
    column.low = min(column.low, value)
    if value > column.high:
        column.high, column.high_line = value, number


def _peak(facts: TableFacts, line: int) -> Line:
    peaks = [f"{column.name} = {column.high:g}" for column in facts.columns if column.high_line == line]
    return Line(line, f"highest {', '.join(peaks)}")


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if value - value == 0 else None
