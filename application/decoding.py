"""Bytes of unknown origin as text, or the refusal to read them."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from application.errors import UnsupportedFile

HEAD_BYTES = 8192
"""How much of a file decides what it is."""
MAX_LINE = 4000
"""Characters of a line that are read; the rest of a longer one is left out."""

ACCEPTED = "text: logs, JSON, CSV, Markdown, configuration, source code or command output"

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an Office document",
    b"\x1f\x8b": "a gzip archive",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"SQLite format 3": "an SQLite database",
}
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\b\x1b")


def encoding_of(filename: str, head: bytes) -> str:
    """The encoding in which the file is read: UTF-8, UTF-16, or Latin-1 for what is neither.

    Raises:
        UnsupportedFile: the content is not text.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            raise UnsupportedFile(f"{filename} is {kind}. Accepted is {ACCEPTED}.")
    if b"\0" in head:
        return _utf16_without_mark(filename, head)
    controls = sum(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head)
    if controls > len(head) // 50:
        raise UnsupportedFile(f"{filename} is a binary file. Accepted is {ACCEPTED}.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _utf16_without_mark(filename: str, head: bytes) -> str:
    """Western text in UTF-16 has a NUL in every second byte, always on the same side."""
    half = len(head) // 2
    if head[1::2].count(0) > 0.7 * half and not head[::2].count(0):
        return "utf-16-le"
    if head[::2].count(0) > 0.7 * half and not head[1::2].count(0):
        return "utf-16-be"
    raise UnsupportedFile(f"{filename} is a binary file. Accepted is {ACCEPTED}.")


def read_lines(filename: str, content: bytes) -> Iterator[str]:
    """The lines of the file without their ends, each cut at `MAX_LINE` characters, decoded as they are asked for.

    Bytes that do not fit the encoding, and NUL, become U+FFFD.

    Raises:
        UnsupportedFile: see `encoding_of`.
    """
    encoding = encoding_of(filename, content[:HEAD_BYTES])
    with io.TextIOWrapper(io.BytesIO(content), encoding=encoding, errors="replace", newline=None) as stream:
        for line in stream:
            yield line[:MAX_LINE].rstrip("\n").replace("\0", "\ufffd")
