"""Titles: placeholders, what says something, and what stays private."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.title import (
    MAX_TITLE,
    clean_title,
    fallback_title,
    is_meaningful,
    is_placeholder,
    mask_private,
    placeholder_title,
    word_limit,
)
from tests.builders import AT, a_case


class TestPlaceholders:
    @pytest.mark.parametrize(
        ("existing", "number"),
        [
            ((), 1),
            (("Case-250301-1", "Case-250301-7", "Case-250301-3"), 8),
            (("Case-250228-9", "Case-0301-5", "case-250301-5", "Case-250301-5x", "Checkout fails"), 1),
        ],
    )
    def test_the_number_is_one_more_than_the_highest_of_the_day(self, existing: tuple[str, ...], number: int) -> None:
        assert placeholder_title(AT, existing) == f"Case-250301-{number}"

    def test_the_day_is_that_of_utc(self) -> None:
        late = datetime(2025, 3, 1, 23, tzinfo=timezone(timedelta(hours=-5)))
        assert placeholder_title(late, ()) == "Case-250302-1"
        assert placeholder_title(datetime(2025, 3, 2, tzinfo=UTC), ()) == "Case-250302-1"

    @given(st.lists(st.integers(0, 10**25).map(lambda number: f"Case-250301-{number}"), max_size=5))
    def test_it_is_always_new_and_a_legal_title(self, existing: list[str]) -> None:
        title = placeholder_title(AT, existing)
        assert is_placeholder(title)
        assert not is_meaningful(title)
        assert a_case(title=title).title == title
        if all(len(other) < 30 for other in existing):
            assert title not in existing

    @pytest.mark.parametrize(
        ("title", "yes"),
        [
            ("Case-250301-1", True),
            ("Case-0301-12", True),
            ("Case-25031-1", False),
            ("Case-250301-", False),
            ("x", False),
        ],
    )
    def test_old_and_new_forms_are_known(self, title: str, yes: bool) -> None:
        assert is_placeholder(title) is yes


@pytest.mark.parametrize(
    ("title", "yes"),
    [
        ("Checkout answers 502 errors", True),
        ("New Case", False),
        ("  untitled ", False),
        ("Case-250301-1 with three words", False),
        ("Two words", False),
        ("A technical issue here", False),
        ("Please HELP me now", False),
    ],
)
def test_a_meaningful_title_has_three_words_and_no_filler(title: str, yes: bool) -> None:
    assert is_meaningful(title) is yes


@pytest.mark.parametrize(("wanted", "limit"), [(None, 8), (2, 8), (3, 3), (8, 8), (12, 12), (13, 8), (-1, 8)])
def test_the_number_of_words_is_bounded(wanted: int | None, limit: int) -> None:
    assert word_limit(wanted) == limit


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ('"Title: Checkout answers 502."', "Checkout answers 502"),
        ("TITLE:   'Redis runs out of memory!'", "Redis runs out of memory"),
        ("one two three four five six seven eight nine", "one two three four five six seven eight"),
        ("disk\nis\tfull", "disk is full"),
        ("disk full", None),
        ("a b c", "a b c"),
        ("a b", None),
        ("NONE", None),
        ("", None),
        ("Troubleshooting the disk", None),
        ("disk is full: - ", "disk is full"),
    ],
)
def test_a_title_of_a_model_is_cleaned_or_dropped(raw: str, title: str | None) -> None:
    assert clean_title(raw) == title


def test_a_title_of_a_model_fits_the_case() -> None:
    title = clean_title("x" * 300 + " y z")
    assert title is None
    long = clean_title(" ".join(["w" * 30] * 8))
    assert long
    assert len(long) <= MAX_TITLE
    assert a_case(title=long).title == long


class TestFallback:
    def test_the_users_words_go_first_then_the_description(self) -> None:
        assert fallback_title("The disk of node 7 is full.", "x y") == "The disk of node 7 is full"
        assert fallback_title("  ", "It is slow", 2) == "It is"
        assert fallback_title(" ... ", "") is None

    def test_it_keeps_secrets(self) -> None:
        assert fallback_title("ask bob@example.org about 10.1.2.3") == "ask [email] about [ip]"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("see https://example.org/a?b=c now", "see [url] now"),
        ("S3://bucket/key", "[url]"),
        ("write to a.b+c@mail.example.org, please", "write to [email], please"),
        ("node 192.168.0.1 is down", "node [ip] is down"),
        ("node fe80::1 and 2001:db8:0:0:0:0:0:1", "node [ip] and [ip]"),
        ("at 12:30:45 on 2025-03-01 12:30", "at 12:30:45 on 2025-03-01 12:30"),
        ("version 1.2.3 and 502", "version 1.2.3 and 502"),
        ("read /var/log/app.log", "read [path]"),
        (r"read C:\temp\x.txt", "read [path]"),
        ("read ~/a/b/", "read [path]"),
        ("and/or", "and/or"),
        ("call +49 (0)30 1234567", "call [phone]"),
        ("order 12345", "order 12345"),
    ],
)
def test_private_things_are_masked(text: str, masked: str) -> None:
    assert mask_private(text) == masked
