"""Glob patterns for keys, in the dialect of Redis.

``*`` is any text, ``?`` any one character, ``[abc]`` one of these, ``[a-c]`` a range (in either order), ``[^...]`` any
other character. ``\\`` takes the meaning from the next character, in a class too. As in Redis, a class may lack its
end; a ``]`` right after the beginning ends it, so ``[]`` matches nothing and ``[^]`` any one character; and the end of
a range may be any character, even ``]``.
"""

from __future__ import annotations

import re

_WILDCARDS = frozenset("*?[")
_SPECIAL = re.compile(r"([*?\[\]\\^-])")
_ANY = "."
_NOTHING = "(?!)"


def glob_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression whose ``fullmatch`` is true for the texts that the pattern matches.

    Matching takes at most the product of both lengths: each text between two stars is looked for once, at its first
    occurrence, and never again (a later one could not help what follows).
    """
    first, *others = _segments(pattern)
    middle = "".join(f"(?>.*?{segment})" for segment in others[:-1] if segment)
    last = f".*{others[-1]}" if others else ""
    return re.compile(f"{first}{middle}{last}", re.DOTALL)


def escape_glob(text: str) -> str:
    """The pattern that matches ``text`` alone. Text of users gets into a pattern only through this."""
    return _SPECIAL.sub(r"\\\1", text)


def literal_prefix(pattern: str) -> str:
    """The longest text with which everything begins that the pattern matches, as far as it has no wildcard."""
    prefix = []
    characters = iter(pattern)
    for character in characters:
        if character in _WILDCARDS:
            break
        prefix.append(next(characters, character) if character == "\\" else character)
    return "".join(prefix)


def _segments(pattern: str) -> list[str]:
    """The parts between the stars, each as a regular expression of a fixed width."""
    segments = [""]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            segments.append("")
        elif character == "?":
            segments[-1] += _ANY
        elif character == "[":
            expression, position = _class(pattern, position)
            segments[-1] += expression
        else:
            if character == "\\" and position < len(pattern):
                character = pattern[position]
                position += 1
            segments[-1] += re.escape(character)
    return segments


def _class(pattern: str, position: int) -> tuple[str, int]:
    """The class whose content begins at ``position``, and where the pattern goes on behind it."""
    negated = pattern.startswith("^", position)
    position += negated
    members = []
    while position < len(pattern) and pattern[position] != "]":
        rest = len(pattern) - position
        if pattern[position] == "\\" and rest >= 2:
            members.append(re.escape(pattern[position + 1]))
            position += 2
        elif rest >= 3 and pattern[position + 1] == "-":
            low, high = sorted((pattern[position], pattern[position + 2]))
            members.append(f"{re.escape(low)}-{re.escape(high)}")
            position += 3
        else:
            members.append(re.escape(pattern[position]))
            position += 1
    end = min(position + 1, len(pattern))
    if not members:
        return (_ANY if negated else _NOTHING), end
    return f"[{'^' if negated else ''}{''.join(members)}]", end
