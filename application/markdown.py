"""Text of others inside Markdown, so that it shows as it is and changes nothing around it."""

from __future__ import annotations

import re

_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_MARKS = re.compile(r"([\\`*{}\[\]<>#|~]|(?<!\w)_|_(?!\w)|&(?=[#\w]+;))")
_BLOCK = re.compile(r"(\d+)([.)])(?=\s)|([-+=])(?=\s|[-+=]|$)")


def escape(text: str) -> str:
    """The text in one line, without a character that Markdown or HTML would act on; inline code in it stays code."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(code(part) if position % 2 else _plain(part) for position, part in enumerate(parts))


def code(text: str) -> str:
    """The text in one line as inline code, whatever back-ticks it holds."""
    flat = " ".join(text.split())
    runs = {len(run) for run in re.findall(r"`+", flat)}
    fence = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
    padding = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{padding}{flat}{padding}{fence}"


def fenced(text: str, language: str = "") -> str:
    """The text as a block of code, whatever it holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _plain(text: str) -> str:
    flat = _MARKS.sub(r"\\\1", text)
    return _BLOCK.sub(_escape_block, flat, count=1) if _BLOCK.match(flat) else flat


def _escape_block(found: re.Match[str]) -> str:
    """A sign that begins a list or underlines a heading."""
    return f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}"
