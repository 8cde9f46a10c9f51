"""Evidence from files and texts: the kind of data, the lines worth reading with their numbers, the facts in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from application.data_types import DataType, classify, classify_lines
from application.decoding import HEAD_BYTES, encoding_of, read_lines
from application.excerpt import BUDGET, describe, describe_table, numbered, render, scenes
from application.log_scan import Scan, scan
from application.table_scan import scan_table, sniff_delimiter
from domain.evidence import EvidenceSourceType

__all__ = ["DataType", "Extract", "classify", "extract", "extract_text"]

WHOLE = 400
"""A text of at most so many lines is kept whole, as far as it fits."""


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
    errors: int = 0
    """How many lines report an error."""

    @property
    def compression_ratio(self) -> float:
        """The size of the extract in relation to the source, at most 1."""
        return min(1.0, len(self.text.encode()) / self.size_bytes) if self.size_bytes else 1.0


_PROMPT = re.compile(r"\s*(?:\$|[\w.-]+@[\w.-]+[:~][^$#]*[$#]) *[a-z]\S*|\(\d+ rows?\)|[\w.-]+=[#>] ", re.IGNORECASE)
_SOURCES = {
    DataType.LOG: EvidenceSourceType.LOG_FILE,
    DataType.METRIC: EvidenceSourceType.METRICS_DATA,
    DataType.CONFIG: EvidenceSourceType.CONFIG_FILE,
    DataType.CODE: EvidenceSourceType.CODE_REVIEW,
    DataType.STRUCTURED: EvidenceSourceType.API_RESPONSE,
}


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
    return _extract("the message", lines, classify_lines([line for line in lines if line.strip()]), len(text.encode()))


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
            text = render([("the first rows", numbered(kept)), ("rows that stand out", table.notable)])
            return Extract(describe_table(table), text, "table", source_type, data_type, size)
    found = scan(lines, head=WHOLE)
    if data_type in (DataType.TEXT, DataType.OTHER):
        data_type, source_type = _refine(found, data_type, source_type)
    whole = found.lines <= WHOLE and found.characters <= BUDGET - 12 * found.lines
    text = render([("", found.head)]) if whole else scenes(found)
    method = "verbatim" if whole else "error_windows" if found.troubles else "head_and_tail"
    summary = describe(name, found)
    return Extract(summary, text, method, source_type, data_type, size, found.troubles)


def _refine(found: Scan, data_type: DataType, source_type: EvidenceSourceType) -> tuple[DataType, EvidenceSourceType]:
    """Output of a command shows its prompt or the line that counts the rows."""
    if any(_PROMPT.match(line.text) for line in (*found.head[:40], *found.tail)):
        return data_type, EvidenceSourceType.COMMAND_OUTPUT
    return data_type, source_type
