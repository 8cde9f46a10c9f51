"""Cuts a Markdown document into the pieces that are indexed and found."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.errors import InvalidInput
from domain.knowledge import Chunk

TARGET = 900
"""Characters of a piece: about what a small sentence model reads at once (256 tokens)."""
MAXIMUM = 1400
MAX_CHUNKS = 10_000
"""Pieces of one document; the longest one, cut by length alone, has about 2200."""
MAX_HEADING = 200
"""A longer line is no heading, whatever it begins with."""

_HEADING_MARK = re.compile(r"(#{1,6})[ \t]+(?=\S)")
_FENCE_MARK = re.compile(r"[ \t]*(`{3,}|~{3,})")


def chunk_document(document_id: str, title: str, content: str, preface: str = "") -> tuple[Chunk, ...]:
    """The chunks of a document by position; at least one, and none is empty.

    A chunk never crosses a heading; ``heading`` is the path of headings above it, below ``title``. Long sections are
    cut between paragraphs, long paragraphs between lines, long lines at a space; a chunk has at most MAXIMUM
    characters. A heading with nothing below it is a chunk by itself. ``preface``, words by which the document is
    looked for but which its text may lack, comes first and on its own. The time is linear in the length.

    Raises:
        InvalidInput: the document falls into more than MAX_CHUNKS pieces.
    """
    sections = [(title, preface), *_sections(title, content)]
    chunks: list[Chunk] = []
    for heading, section in sections if preface.strip() or content.strip() else [(title, title)]:
        for text in _split(section):
            if len(chunks) == MAX_CHUNKS:
                raise InvalidInput(
                    f"the document falls into more than {MAX_CHUNKS} pieces; cut it into several documents, or give it "
                    "fewer headings"
                )
            chunks.append(
                Chunk(
                    chunk_id=f"{document_id}:{len(chunks)}",
                    document_id=document_id,
                    position=len(chunks),
                    heading=heading[:2000],
                    text=text,
                )
            )
    return tuple(chunks)


def _sections(title: str, content: str) -> Iterator[tuple[str, str]]:
    """Pairs of heading path and the text below it; the name of a heading that has neither text nor headings below."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fence = ""
    for line in content.splitlines():
        mark = _FENCE_MARK.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        heading = None if fence or len(line) > MAX_HEADING else _HEADING_MARK.match(line)
        if heading is None:
            lines.append(line)
            continue
        level = len(heading[1])
        yield _section(title, path, lines, level)
        name = line[heading.end() :].strip().rstrip("#").rstrip() or line.strip()
        path = [*((depth, above) for depth, above in path if depth < level), (level, name)]
        lines = []
    yield _section(title, path, lines, 0)


def _section(title: str, path: list[tuple[int, str]], lines: list[str], next_level: int) -> tuple[str, str]:
    text = "\n".join(lines)
    if path and next_level <= path[-1][0] and not text.strip():
        text = path[-1][1]
    return " > ".join([title, *(name for _, name in path if name != title)]), text


def _split(section: str) -> Iterator[str]:
    """``section`` in pieces of about TARGET and at most MAXIMUM characters, none of them only white space."""
    piece = ""
    for part in _parts(section.strip()):
        if len(piece) + len(part) > TARGET:
            if piece.strip():
                yield piece.strip("\n")
            piece = ""
        piece += part
    if piece.strip():
        yield piece.strip("\n")


def _parts(text: str) -> Iterator[str]:
    """Paragraphs; a paragraph beyond MAXIMUM by lines, a line beyond MAXIMUM in pieces that end at a space."""
    for paragraph in text.split("\n\n"):
        if len(paragraph) <= MAXIMUM:
            yield paragraph.strip("\n") + "\n\n"
            continue
        for line in paragraph.split("\n"):
            start = 0
            while len(line) - start > MAXIMUM:
                cut = line.rfind(" ", start + TARGET, start + MAXIMUM) + 1 or start + MAXIMUM
                yield line[start:cut]
                start = cut
            yield line[start:] + "\n"
        yield "\n"
