"""Cuts a Markdown document into the pieces that are indexed and found."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.knowledge import Chunk

TARGET = 900
"""Characters of a piece: about what a small sentence model reads at once (256 tokens)."""
MAXIMUM = 1400

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")


def chunk_document(document_id: str, title: str, content: str) -> tuple[Chunk, ...]:
    """The chunks of a document: at least one, none empty unless the document has only white space.

    A chunk never crosses a heading; ``heading`` is the path of headings above it, below ``title``. Long sections are
    cut between paragraphs, long paragraphs between lines, long lines at a space.
    """
    pieces = [
        (heading, text) for heading, section in _sections(title, content) for text in _split(section) if text.strip()
    ]
    return tuple(
        Chunk(
            chunk_id=f"{document_id}:{position}",
            document_id=document_id,
            position=position,
            heading=heading[:2000],
            text=text,
        )
        for position, (heading, text) in enumerate(pieces or [(title, content.strip() or title)])
    )


def _sections(title: str, content: str) -> Iterator[tuple[str, str]]:
    """Pairs of heading path and the text below it."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fenced = False
    for line in content.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield _heading_path(title, path), "\n".join(lines)
        level = len(heading[1])
        path = [*((depth, name) for depth, name in path if depth < level), (level, heading[2])]
        lines = []
    yield _heading_path(title, path), "\n".join(lines)


def _heading_path(title: str, path: list[tuple[int, str]]) -> str:
    return " > ".join([title, *(name for _, name in path if name and name != title)])


def _split(section: str) -> Iterator[str]:
    """``section`` in pieces of about TARGET and at most MAXIMUM characters."""
    piece = ""
    for part in _parts(section.strip()):
        if piece and len(piece) + len(part) > TARGET:
            yield piece.strip("\n")
            piece = ""
        piece += part
    if piece.strip():
        yield piece.strip("\n")


def _parts(text: str) -> Iterator[str]:
    """Paragraphs; a paragraph beyond MAXIMUM by lines, a line beyond MAXIMUM in pieces that end at a space."""
    for paragraph in re.split(r"(?<=\n)\n+", text):
        if len(paragraph) <= MAXIMUM:
            yield paragraph + "\n"
            continue
        for line in paragraph.splitlines(keepends=True):
            rest = line
            while len(rest) > MAXIMUM:
                cut = rest.rfind(" ", TARGET, MAXIMUM) + 1 or MAXIMUM
                yield rest[:cut]
                rest = rest[cut:]
            yield rest
