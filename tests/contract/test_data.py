"""What the adapters never see, because the domain refuses it, and what it puts into one form."""

import unicodedata

import pytest
from pydantic import ValidationError

from domain.errors import InvalidInput
from tests.builders import a_case, a_message, a_user, an_id
from tests.contract.data import COMPOSED, DECOMPOSED, LEGAL_TEXTS, REFUSED_NUMBERS, REFUSED_TEXTS

REFUSALS = (InvalidInput, ValidationError)


@pytest.mark.parametrize("text", REFUSED_TEXTS.values(), ids=REFUSED_TEXTS.keys())
def test_refused_texts_enter_no_value(text: str) -> None:
    """Neither case, message nor user takes the text."""
    for field in ("title", "description", "user_id", "opened_in_session"):
        with pytest.raises(REFUSALS):
            a_case(**{field: text})
    for field in ("content", "author_id"):
        with pytest.raises(REFUSALS):
            a_message(an_id("case", 1), **{field: text})
    with pytest.raises(REFUSALS):
        a_message(an_id("case", 1), metadata={text: 1})
    for field in ("username", "email", "display_name"):
        with pytest.raises(REFUSALS):
            a_user(**{field: text})


@pytest.mark.parametrize("number", REFUSED_NUMBERS.values(), ids=REFUSED_NUMBERS.keys())
def test_refused_numbers_enter_no_value(number: float) -> None:
    """A number that is not finite or needs more than 64 bits is refused as a count and as an attribute."""
    with pytest.raises(REFUSALS):
        a_case(version=number)
    with pytest.raises(REFUSALS):
        a_message(an_id("case", 1), metadata={"number": number})


@pytest.mark.parametrize("case_id", ["../case", "case_%", "case_00000000000G", "CASE_000000000001", "", "case_1\n"])
def test_ids_have_one_form(case_id: str) -> None:
    """An id is never a path, a pattern or anything but its prefix and hexadecimal digits."""
    with pytest.raises(REFUSALS):
        a_case(case_id=case_id)


def test_decomposed_text_is_composed() -> None:
    """Two ways to write the same letter are one text from the start."""
    assert a_case(title=DECOMPOSED).title == a_case(title=COMPOSED).title == COMPOSED


@pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
def test_legal_texts_pass_unchanged(text: str) -> None:
    """The table of legal texts holds what it says."""
    assert unicodedata.is_normalized("NFC", text)
    assert a_case(title=text, description=text).title == text
    assert a_message(an_id("case", 1), content=text).content == text
