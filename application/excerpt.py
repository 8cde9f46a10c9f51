"""The lines of a long text that are worth reading, with their numbers, and what they say in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from application.log_scan import Level, Line, Repeated, Scan, level_of, template_of
from application.table_scan import TableFacts

BUDGET = 16_000
"""Characters of an excerpt."""
MAX_SUMMARY = 500
KEPT_LINE = 600
"""Characters of one line in an excerpt."""

_SECRET = re.compile(
    r"((?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|(?:access|auth|refresh|bearer)[_-]?token|private[_-]?key)"
    r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+|((?:bearer|basic) )[\w.~+/=-]{12,}|(://[^:/@\s]+:)[^@/\s]+(?=@)",
    re.IGNORECASE,
)


def scenes(found: Scan) -> str:
    """A long text by: its worst and its first error with their surroundings, what repeats, and the end."""
    parts: list[tuple[str, Sequence[Line]]] = []
    if found.worst_scene is not found.first_scene:
        parts.append(("around the most severe error", found.worst_scene))
    parts.append(("around the first error", found.first_scene))
    parts.append(("most frequent errors", [_counted(item) for item in found.most_frequent(12)]))
    if not found.troubles:
        parts.append(("the beginning", found.head[:80]))
    parts.append(("the end", list(found.tail)[-30:]))
    return render(parts)


def _counted(item: Repeated) -> Line:
    if item.count == 1:
        return item.first
    text = f"{item.first.text[:KEPT_LINE]}  [{item.count} times until line {item.last}]"
    return Line(item.first.number, text)


def numbered(lines: Iterable[str]) -> list[Line]:
    """The lines with their numbers from 1."""
    return [Line(number, text) for number, text in enumerate(lines, start=1)]


def render(parts: Iterable[tuple[str, Sequence[Line]]]) -> str:
    """The parts one after the other, each line once, repeats folded, within the budget."""
    shown: set[int] = set()
    rows: list[str] = []
    left = BUDGET
    for heading, lines in parts:
        fresh = [line for line in lines if line.number not in shown]
        if not fresh or left <= 0:
            continue
        shown.update(line.number for line in fresh)
        block = [f"-- {heading} --"] if heading else []
        for row in (*block, *_folded(fresh)):
            left -= len(row) + 1
            if left < 0:
                rows.append("-- cut here --")
                break
            rows.append(row)
    return "\n".join(rows)


def _folded(lines: Sequence[Line]) -> Iterable[str]:
    """The numbered lines; of three and more neighbours that differ in numbers only, the first and their number."""
    start = 0
    while start < len(lines):
        first = lines[start]
        template = template_of(first.text)
        end = start + 1
        while (
            end < len(lines)
            and lines[end].number == lines[end - 1].number + 1
            and level_of(first.text) >= Level.WARNING
            and template_of(lines[end].text) == template
        ):
            end += 1
        yield f"{first.number}: {mask_secrets(first.text[:KEPT_LINE])}"
        if end - start > 2:
            yield f"-- {end - start - 1} more like line {first.number}, until line {lines[end - 1].number} --"
        elif end - start == 2:
            yield f"{lines[end - 1].number}: {mask_secrets(lines[end - 1].text[:KEPT_LINE])}"
        start = end


def mask_secrets(text: str) -> str:
    """The line with passwords, keys and tokens made unreadable."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2] or found[3]}***", text)


def describe(name: str, found: Scan) -> str:
    """How many lines and errors there are, from when to when, and which error comes first and most."""
    parts = [f"{name}: {_count(found.lines, 'line')}"]
    if found.first_time and found.last_time and found.first_time != found.last_time:
        parts.append(f", {found.first_time} to {found.last_time}")
    elif found.first_time:
        parts.append(f", at {found.first_time}")
    if found.troubles:
        fatal = f" ({found.fatals:,} fatal)" if found.fatals else ""
        parts.append(f"; {_count(found.troubles, 'error')}{fatal}")
    else:
        parts.append("; no errors")
    if found.warnings:
        parts.append(f", {_count(found.warnings, 'warning')}")
    parts.append(".")
    if found.first_error:
        top = found.most_frequent(1)[0]
        parts.append(f" First error in line {found.first_error.number}: {_short(found.first_error.text)}.")
        if top.count > 1:
            repeated = "it" if top.first == found.first_error else _short(top.first.text)
            parts.append(f" Most frequent, {top.count:,} times: {repeated}.")
    return _fit("".join(parts))


def describe_table(table: TableFacts) -> str:
    """How many rows there are, from when to when, and the range of each column of numbers."""
    parts = [f"{_count(table.rows, 'row')}, columns {', '.join(table.header[:12])}"]
    if table.first_time and table.last_time:
        parts.append(f"; {table.first_time} to {table.last_time}")
    parts.extend(
        f"; {column.name}: {column.low:g} to {column.high:g} (line {column.high_line}), last {column.last:g}"
        for column in table.columns
    )
    return _fit("".join(parts))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _short(text: str) -> str:
    folded = " ".join(mask_secrets(text).split()).rstrip(".,; ")
    return folded if len(folded) <= 140 else f"{folded[:139]}…"


def _fit(summary: str) -> str:
    return summary if len(summary) <= MAX_SUMMARY else f"{summary[: MAX_SUMMARY - 1]}…"
