"""Titles of cases: the placeholder of a new one, and what makes a title that says something."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

DEFAULT_WORDS = 8
MIN_WORDS = 3
MAX_WORDS = 12
MIN_TITLE = 5
MAX_TITLE = 200
MIN_CONTEXT = 200
"""Characters that a user must have written before a model is asked for a title."""

_PLACEHOLDER = re.compile(r"Case-(\d{4}|\d{6})-(\d+)", re.ASCII)
_EMPTY_TITLES = ("new case", "untitled case", "untitled")
_BANNED = (
    "new case",
    "untitled",
    "troubleshooting",
    "conversation",
    "discussion",
    "issue",
    "problem",
    "help",
    "assistance",
    "user query",
    "support request",
    "technical issue",
)
_QUOTES = "\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb\u201e \t\r\n"
_TRAILING = ".,;:!?-\u2013\u2014 "

# Every run has an upper bound, so that a long text without spaces costs no more than its length.
_PRIVATE = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://\S+", re.IGNORECASE), "[url]"),
    (re.compile(r"[^\s@<>()]{1,64}@[^\s@<>()]{1,255}\.[^\s@<>().,;:!?]{2,63}"), "[email]"),
    (re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]{0,20}\d)"), "[ip]"),
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![\w:])", re.IGNORECASE), "[ip]"),
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){1,7}(?::[0-9a-f]{1,4}){1,7}(?![\w:])", re.IGNORECASE), "[ip]"),
    (re.compile(r"(?<![\w/])(?:~|[a-z]:)?(?:[/\\][\w.-]+){2,}[/\\]?", re.IGNORECASE), "[path]"),
    (re.compile(r"(?<![\w.+-])(?!\d{4}-\d\d-\d\d)\+?\d(?:[ ()/-]{0,2}\d){7,14}(?![\w-])"), "[phone]"),
)


def placeholder_title(at: datetime, existing: Iterable[str]) -> str:
    """The name of a case that nobody has named: ``Case-YYMMDD-N``.

    Args:
        at: gives the day, in UTC.
        existing: the titles that the owner's cases have; N is one more than the highest of the day.
    """
    day = at.astimezone(UTC).strftime("%y%m%d")
    matches = (_PLACEHOLDER.fullmatch(title) for title in existing)
    taken = (int(match[2][:18]) for match in matches if match and match[1] == day)
    return f"Case-{day}-{max(taken, default=0) + 1}"


def is_placeholder(title: str) -> bool:
    """True if nobody has named the case yet."""
    return _PLACEHOLDER.fullmatch(title) is not None


def is_meaningful(title: str) -> bool:
    """True if the title says what the case is about, so that it is kept unless somebody insists on another."""
    lowered = title.strip().casefold()
    if lowered in _EMPTY_TITLES or lowered.startswith("case-"):
        return False
    return len(lowered.split()) >= MIN_WORDS and not _is_banned(lowered)


def word_limit(wanted: int | None) -> int:
    """``wanted`` as the number of words of a title if it is from 3 to 12; else 8."""
    return wanted if wanted is not None and MIN_WORDS <= wanted <= MAX_WORDS else DEFAULT_WORDS


def clean_title(raw: str, max_words: int = DEFAULT_WORDS) -> str | None:
    """``raw``, as a model wrote it, without its trimmings and cut to ``max_words``; None if it says nothing."""
    line = raw.strip(_QUOTES)
    if line[:6].casefold() == "title:":
        line = line[6:]
    words = line.strip(_QUOTES).split()[:max_words]
    title = _cut(" ".join(words)).rstrip(_TRAILING + _QUOTES)
    valid = len(title.split()) >= MIN_WORDS and len(title) >= MIN_TITLE and not _is_banned(title.casefold())
    return title if valid else None


def fallback_title(user_text: str, description: str = "", max_words: int = DEFAULT_WORDS) -> str | None:
    """A title from the first words of the user's text, or else of the description; None if neither has any."""
    for text in (user_text, description):
        title = _cut(" ".join(mask_private(text).split()[:max_words])).strip(_QUOTES + _TRAILING)
        if title:
            return title
    return None


def mask_private(text: str) -> str:
    """``text`` with addresses, phone numbers, URLs and paths replaced by what they were, e.g. ``[email]``."""
    for pattern, mask in _PRIVATE:
        text = pattern.sub(mask, text)
    return text


def _cut(text: str) -> str:
    return text[:MAX_TITLE]


def _is_banned(lowered: str) -> bool:
    return any(fragment in lowered for fragment in _BANNED)
