"""The glob dialect of keys."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.glob import escape_glob, glob_pattern, literal_prefix

MATCHES = [
    ("user:1", "user:1"),
    ("user:*", "user:"),
    ("user:*", "user:a:b"),
    ("*", "any\ntext"),
    ("*:1", "user:1"),
    ("a*b*c", "a-b-b-c"),
    ("a**c", "ac"),
    ("h?llo", "hällo"),
    ("h[ae]llo", "hallo"),
    ("h[a-c]llo", "hbllo"),
    ("h[c-a]llo", "hbllo"),
    ("h[^e]llo", "hallo"),
    (r"a\*b", "a*b"),
    (r"a\\b", "a\\b"),
    ("a\\", "a\\"),
    (r"[\]]", "]"),
    (r"[a\-z]", "-"),
    ("[abc", "b"),
    ("[a-c", "b"),
    ("[^", "x"),
    ("[^]", "x"),
    ("[a-]", "^"),
    ("[[]", "["),
    ("[&&~~||--]", "~"),
    ("[\\", "\\"),
    ("💡*", "💡 idea"),
]

NO_MATCHES = [
    ("", "a"),
    ("user:1", "user:11"),
    ("user:1", "User:1"),
    ("user:*", "xuser:1"),
    ("h?llo", "hllo"),
    ("h[a-c]llo", "hdllo"),
    ("h[^e]llo", "hello"),
    (r"a\*b", "axb"),
    (r"[a\-z]", "m"),
    ("a.c", "abc"),
    ("[]", "]"),
    ("[]a]", "a"),
    ("[", "["),
    ("[a-]", "b"),
    ("a*b*c", "a-c-b"),
    ("*ab*ba", "aba"),
]


@pytest.mark.parametrize(("pattern", "text"), MATCHES)
def test_pattern_matches(pattern: str, text: str) -> None:
    assert glob_pattern(pattern).fullmatch(text)


@pytest.mark.parametrize(("pattern", "text"), NO_MATCHES)
def test_pattern_does_not_match(pattern: str, text: str) -> None:
    assert not glob_pattern(pattern).fullmatch(text)


@given(pattern=st.text("ab*?[]^-\\", max_size=10), text=st.text("ab]^-\\", min_size=1, max_size=8))
@example(pattern="*a*b", text="aab")
@example(pattern="[^a-b]*", text="]")
def test_every_pattern_matches_as_a_naive_matcher_does(pattern: str, text: str) -> None:
    assert bool(glob_pattern(pattern).fullmatch(text)) == naive_match(pattern, text)


@given(text=st.text(max_size=20), other=st.text(max_size=20))
@example(text="*", other="a")
@example(text="[a]\\", other="a")
def test_escaped_text_matches_only_itself(text: str, other: str) -> None:
    pattern = glob_pattern(escape_glob(text))
    assert pattern.fullmatch(text)
    assert bool(pattern.fullmatch(other)) == (text == other)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("", ""),
        ("user:1", "user:1"),
        ("user:*:x", "user:"),
        ("a?b", "a"),
        ("a[b]", "a"),
        ("*", ""),
        ("a]b^c-d", "a]b^c-d"),
        ("a\\*b*", "a*b"),
        ("\\\\*", "\\"),
        ("a\\", "a\\"),
    ],
)
def test_literal_prefix(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix


@given(pattern=st.text("ab*?[]^-\\", max_size=6), text=st.text("ab]^-\\", max_size=5))
def test_what_a_pattern_matches_begins_with_its_literal_prefix(text: str, pattern: str) -> None:
    if glob_pattern(pattern).fullmatch(text):
        assert text.startswith(literal_prefix(pattern))


def test_a_pattern_of_many_stars_does_not_explode() -> None:
    """A matcher that tries every length for every star would never come to an end here."""
    assert not glob_pattern("*a" * 200 + "b").fullmatch("a" * 500)
    assert glob_pattern("*a?" * 100 + "*").fullmatch("a" * 512)


def naive_match(pattern: str, text: str) -> bool:
    """The rules of the dialect one character at a time, trying every length for a star."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naive_match(pattern[1:], text[skipped:]) for skipped in range(len(text) + 1))
    if not text:
        return False
    if pattern[0] == "[":
        is_member, rest = naive_class(pattern[1:], text[0])
        return is_member and naive_match(rest, text[1:])
    if pattern[0] == "?":
        return naive_match(pattern[1:], text[1:])
    literal = re.match(r"\\(.)|(.)", pattern)
    assert literal
    return text[0] == literal[literal.lastindex or 0] and naive_match(pattern[literal.end() :], text[1:])


def naive_class(pattern: str, character: str) -> tuple[bool, str]:
    """Whether the class that begins here has the character, and the pattern behind the class."""
    negated, found = pattern[:1] == "^", False
    pattern = pattern[negated:]
    while pattern and pattern[0] != "]":
        if pattern[0] == "\\" and len(pattern) > 1:
            found |= pattern[1] == character
            pattern = pattern[2:]
        elif pattern[1:2] == "-" and len(pattern) > 2:
            found |= pattern[0] <= character <= pattern[2] or pattern[2] <= character <= pattern[0]
            pattern = pattern[3:]
        else:
            found |= pattern[0] == character
            pattern = pattern[1:]
    return found != negated, pattern[1:]
