"""Evidence from files and texts: the kind of data, the lines worth reading with their numbers, the facts in a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from application.decoding import HEAD_BYTES, encoding_of, read_lines
from application.log_scan import Level, Line, Repeated, Scan, level_of, scan, template_of
from application.table_scan import TableFacts, scan_table, sniff_delimiter
from application.timestamps import find_timestamp
from domain.evidence import EvidenceSourceType

WHOLE = 400
"""A text of at most so many lines is kept whole, as far as it fits."""
BUDGET = 16_000
"""Characters of an extract."""
MAX_SUMMARY = 500
KEPT_LINE = 600
"""Characters of one line in an extract."""


class DataType(StrEnum):
    """What kind of data a file holds."""

    LOG = "log"
    METRIC = "metric"
    CONFIG = "config"
    CODE = "code"
    TEXT = "text"
    STRUCTURED = "structured"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Extract:
    """The part of a text that is worth reading.

    Each line of ``text`` that comes from the source has the form ``number: line``. ``summary`` has at most 500
    characters. ``size_bytes`` is the size of the source.
    """

    summary: str
    text: str
    method: str
    source_type: EvidenceSourceType
    data_type: DataType
    size_bytes: int

    @property
    def compression_ratio(self) -> float:
        """The size of the extract in relation to the source, at most 1."""
        return min(1.0, len(self.text.encode()) / self.size_bytes) if self.size_bytes else 1.0


_SUFFIXES = {
    DataType.LOG: (".log", ".out", ".err"),
    DataType.CONFIG: (".yaml", ".yml", ".ini", ".conf", ".cfg", ".toml", ".properties", ".env", ".cnf"),
    DataType.CODE: (
        ".py",
        ".go",
        ".java",
        ".js",
        ".ts",
        ".c",
        ".cc",
        ".cpp",
        ".rs",
        ".rb",
        ".sh",
        ".sql",
        ".php",
        ".cs",
    ),
    DataType.TEXT: (".md", ".markdown", ".rst"),
}
_PROMPT = re.compile(
    r"\s*(?:\$|#|>|[\w.-]+@[\w.-]+[:~][^$#]*[$#]) *[a-z]\S*|\(\d+ rows?\)|[\w.-]+=[#>] ", re.IGNORECASE
)
_SETTING = re.compile(r"\s*[\w.-]+\s*[=:]\s*\S*.*|\s*\[[\w .-]+\]\s*|\s*[#;].*|\s*")
_EXPOSITION = re.compile(r"# (?:HELP|TYPE) \w+|[a-zA-Z_:][\w:]*(?:\{[^}]*\})? [-+0-9.eEInfNa]+(?: \d+)?$")
_SECRET = re.compile(
    r"((?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|(?:access|auth|refresh|bearer)[_-]?token|private[_-]?key)"
    r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+|((?:bearer|basic) )[\w.~+/=-]{12,}|(://[^:/@\s]+:)[^@/\s]+(?=@)",
    re.IGNORECASE,
)
_SOURCES = {
    DataType.LOG: EvidenceSourceType.LOG_FILE,
    DataType.METRIC: EvidenceSourceType.METRICS_DATA,
    DataType.CONFIG: EvidenceSourceType.CONFIG_FILE,
    DataType.CODE: EvidenceSourceType.CODE_REVIEW,
    DataType.STRUCTURED: EvidenceSourceType.API_RESPONSE,
}


def classify(filename: str, head: bytes) -> DataType:
    """What kind of data the file holds, by its name and by its first 8 KiB.

    Raises:
        UnsupportedFile: it is not text.
    """
    head = head[:HEAD_BYTES]
    encoding_of(filename, head)
    lines = [line for line in read_lines(filename, head) if line.strip()]
    suffix = PurePath(filename.lower()).suffix
    for data_type, suffixes in _SUFFIXES.items():
        if suffix in suffixes:
            return data_type
    if suffix in {".csv", ".tsv"}:
        return DataType.METRIC if scan_table(lines, sniff_delimiter(lines)).is_series else DataType.STRUCTURED
    return _by_content(lines)


def _by_content(lines: Sequence[str]) -> DataType:
    if not lines:
        return DataType.TEXT
    objects = sum(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines)
    if len(lines) > 1 and objects >= 0.8 * len(lines):
        return DataType.LOG
    if lines[0].lstrip()[0] in "{[" and not find_timestamp(lines[0]):
        return DataType.STRUCTURED
    if _share(lines, lambda line: _EXPOSITION.match(line) is not None) > 0.8:
        return DataType.METRIC
    if _share(lines, lambda line: find_timestamp(line) is not None) >= 0.3:
        return DataType.LOG
    if sniff_delimiter(lines) and len(lines) > 2 and scan_table(lines, sniff_delimiter(lines)).is_series:
        return DataType.METRIC
    if len(lines) > 2 and _share(lines, lambda line: "=" in line and _SETTING.fullmatch(line) is not None) > 0.6:
        return DataType.CONFIG
    if _share(lines, lambda line: level_of(line) >= Level.WARNING) > 0.5 and len(lines) > 2:
        return DataType.LOG
    return DataType.TEXT


def _share(lines: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(test(line) for line in lines) / len(lines)


def extract(filename: str, content: bytes) -> Extract:
    """The extract of a file. Takes time in proportion to its size: call it in a thread.

    Raises:
        UnsupportedFile: it is not text.
    """
    data_type = classify(filename, content[:HEAD_BYTES])
    lines: Iterable[str] = read_lines(filename, content)
    if data_type is DataType.STRUCTURED and content.count(b"\n", 0, 1_000_000) < 3 < len(content) // 200:
        lines = _pretty(filename, content)
    return _extract(filename, lines, data_type, len(content))


def extract_text(text: str) -> Extract:
    """The extract of a text that a person has typed or pasted into a message."""
    lines = text.splitlines()
    return _extract("the message", lines, _by_content([line for line in lines if line.strip()]), len(text.encode()))


def _pretty(filename: str, content: bytes) -> list[str]:
    """A JSON document in a single line, broken into lines; anything else as it is."""
    text = content.decode(encoding_of(filename, content[:HEAD_BYTES]), errors="replace")
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False).splitlines()
    except (ValueError, RecursionError):
        return list(read_lines(filename, content))


def _extract(name: str, lines: Iterable[str], data_type: DataType, size: int) -> Extract:
    source_type = _SOURCES.get(data_type, EvidenceSourceType.OTHER)
    if data_type in (DataType.METRIC, DataType.STRUCTURED):
        lines = list(lines)
        if (delimiter := sniff_delimiter(lines)) and (table := scan_table(lines, delimiter)).columns:
            kept = [*lines[:1], *lines[1:6]]
            text = _render([("the first rows", _numbered(kept)), ("rows that stand out", table.notable)])
            return Extract(_fit(_describe_table(table)), text, "table", source_type, data_type, size)
    found = scan(lines, head=WHOLE)
    if data_type in (DataType.TEXT, DataType.OTHER):
        data_type, source_type = _refine(found, data_type, source_type)
    whole = found.lines <= WHOLE and found.characters <= BUDGET - 12 * found.lines
    text = _render([("", found.head)]) if whole else _scenes(found)
    method = "verbatim" if whole else "error_windows" if found.troubles else "head_and_tail"
    return Extract(_fit(_describe(name, found)), text, method, source_type, data_type, size)


def _refine(found: Scan, data_type: DataType, source_type: EvidenceSourceType) -> tuple[DataType, EvidenceSourceType]:
    """Output of a command shows its prompt or the line that counts the rows."""
    if any(_PROMPT.match(line.text) for line in (*found.head[:40], *found.tail)):
        return data_type, EvidenceSourceType.COMMAND_OUTPUT
    return data_type, source_type


def _scenes(found: Scan) -> str:
    """The extract of a long text: its worst and its first error with their surroundings, what repeats, and the end."""
    parts: list[tuple[str, Sequence[Line]]] = []
    if found.worst_scene is not found.first_scene:
        parts.append(("around the most severe error", found.worst_scene))
    parts.append(("around the first error", found.first_scene))
    parts.append(("most frequent errors", [_counted(item) for item in found.most_frequent(12)]))
    if not found.troubles:
        parts.append(("the beginning", found.head[:80]))
    parts.append(("the end", list(found.tail)[-30:]))
    return _render(parts)


def _counted(item: Repeated) -> Line:
    if item.count == 1:
        return item.first
    text = f"{item.first.text[:KEPT_LINE]}  [{item.count} times until line {item.last}]"
    return Line(item.first.number, text)


def _numbered(lines: Iterable[str]) -> list[Line]:
    return [Line(number, text) for number, text in enumerate(lines, start=1)]


def _render(parts: Iterable[tuple[str, Sequence[Line]]]) -> str:
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
    """The numbered lines; of three and more neighbours that differ in numbers only, the first and the number of them."""
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


def _describe(name: str, found: Scan) -> str:
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
    return "".join(parts)


def _describe_table(table: TableFacts) -> str:
    parts = [f"{_count(table.rows, 'row')}, columns {', '.join(table.header[:12])}"]
    if table.first_time and table.last_time:
        parts.append(f"; {table.first_time} to {table.last_time}")
    parts.extend(
        f"; {column.name}: {column.low:g} to {column.high:g} (line {column.high_line}), last {column.last:g}"
        for column in table.columns
    )
    return "".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _short(text: str) -> str:
    folded = " ".join(mask_secrets(text).split())
    return folded if len(folded) <= 140 else f"{folded[:139]}…"


def _fit(summary: str) -> str:
    return summary if len(summary) <= MAX_SUMMARY else f"{summary[: MAX_SUMMARY - 1]}…"
