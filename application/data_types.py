"""What kind of data a text file holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import PurePath

from application.decoding import HEAD_BYTES, encoding_of, read_lines
from application.log_scan import Level, level_of
from application.table_scan import scan_table, sniff_delimiter
from application.timestamps import find_timestamp


class DataType(StrEnum):
    """What kind of data a file holds."""

    LOG = "log"
    METRIC = "metric"
    CONFIG = "config"
    CODE = "code"
    TEXT = "text"
    STRUCTURED = "structured"
    OTHER = "other"


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
_SETTING = re.compile(r"\s*[\w.-]+\s*[=:]\s*\S*.*|\s*\[[\w .-]+\]\s*|\s*[#;].*|\s*")
_EXPOSITION = re.compile(r"# (?:HELP|TYPE) \w+|[a-zA-Z_:][\w:]*(?:\{[^}]*\})? [-+0-9.eEInfNa]+(?: \d+)?$")


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
    return classify_lines(lines)


def classify_lines(lines: Sequence[str]) -> DataType:
    """What kind of data the lines, none of them blank, look like."""
    if not lines:
        return DataType.TEXT
    objects = sum(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines)
    if len(lines) > 1 and objects >= 0.8 * len(lines):
        return DataType.LOG
    if lines[0].lstrip()[0] in "{[" and not find_timestamp(lines[0]):
        return DataType.STRUCTURED
    if _share(lines, lambda line: _EXPOSITION.match(line) is not None) > 0.8:
        return DataType.METRIC
    if sniff_delimiter(lines) and len(lines) > 2 and scan_table(lines, sniff_delimiter(lines)).is_series:
        return DataType.METRIC
    if _share(lines, lambda line: find_timestamp(line) is not None) >= 0.3:
        return DataType.LOG
    if len(lines) > 2 and _share(lines, lambda line: "=" in line and _SETTING.fullmatch(line) is not None) > 0.6:
        return DataType.CONFIG
    if _share(lines, lambda line: level_of(line) >= Level.WARNING) > 0.5 and len(lines) > 2:
        return DataType.LOG
    return DataType.TEXT


def _share(lines: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(test(line) for line in lines) / len(lines)
