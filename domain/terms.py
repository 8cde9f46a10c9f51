"""The index terms of a text: one definition for every full-text index."""

from __future__ import annotations

import re
from functools import lru_cache

from domain.values import normalise_text, search_text

MAX_TERM_LENGTH = 64

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    _WORD.findall(
        """
        a am an and are as at be been but by can could did do does done for from had has have he hello help her
        hi him his how i if in into is it its me my no not of ok okay on or our please s she should so such t
        thank thanks that the their them then there these they this to was we were what when which who why will
        with would yes you your
        """
    )
)


def terms(text: str) -> list[str]:
    """The terms of ``text`` in order, repeats included: casefolded words of letters and digits.

    A compound name counts as a whole and by its parts, so that ``KubePodCrashLooping`` is found by "pod crash looping".
    Common English words and those of a conversation are left out. Endings are cut lightly (plural s, ing, ed) to match
    forms of a word.

    Raises:
        InvalidInput: see `domain.values.normalise_text`.
    """
    found: list[str] = []
    for word in _WORD.findall(normalise_text(text)):
        found += _known_terms(word) if len(word) <= MAX_TERM_LENGTH else _terms_of(word)
    return found


def _terms_of(word: str) -> tuple[str, ...]:
    parts = _CAMEL.split(word)
    candidates = [word, *parts] if len(parts) > 1 else [word]
    stems = (_stem(search_text(candidate))[:MAX_TERM_LENGTH] for candidate in candidates)
    return tuple(term for term in stems if term and term not in _STOP_WORDS)


# The same few thousand words make up most texts.
_known_terms = lru_cache(maxsize=16_384)(_terms_of)


def _stem(word: str) -> str:
    """Cut a regular English ending, if enough of the word is left to carry its meaning."""
    if not word.isascii() or not word.isalpha() or len(word) < 4:
        return word
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 4:
            return stem[:-1] if stem[-1] == stem[-2] and stem[-1] not in "ls" else stem
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
