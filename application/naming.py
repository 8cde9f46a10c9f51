"""Names for cases that nobody has named."""

from __future__ import annotations

import re

from domain.title import DEFAULT_WORDS, fallback_title


def name_after(text: str, max_words: int = DEFAULT_WORDS) -> str | None:
    """A title from the first sentence of a text that states a problem; None if it holds no words."""
    first = re.split(r"(?<=[.!?])\s|\n", text.strip(), maxsplit=1)[0]
    return fallback_title(first, text, max_words)
