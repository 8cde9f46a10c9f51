"""The terms by which texts are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.terms import MAX_TERM_LENGTH, terms


class TestTerms:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("KubePodCrashLooping", ["kubepodcrashloop", "kube", "pod", "crash", "loop"]),
            ("HTTPServer", ["httpserver", "http", "server"]),
            ("max_wal_size", ["max", "wal", "size"]),
            ("ORA-00054", ["ora", "00054"]),
            ("10.0.3.17:5432", ["10", "0", "3", "17", "5432"]),
            ("OOMKilled", ["oomkill", "oom", "kill"]),
            ("Straße ÜBERLAST", ["strasse", "überlast"]),
            ("Cafe\u0301", ["café"]),
            ("日本語", ["日本語"]),
            ("disk disk", ["disk", "disk"]),
            ("", []),
            ("!? -- _ __", []),
        ],
    )
    def test_words_are_folded_and_names_are_taken_apart(self, text: str, expected: list[str]) -> None:
        assert terms(text) == expected

    @pytest.mark.parametrize("text", ["The pod was in it", "Yes, done. Thanks!", "It helped.", "Can you help me?"])
    def test_words_that_say_nothing_are_left_out(self, text: str) -> None:
        assert terms(text) in ([], ["pod"])

    @pytest.mark.parametrize(
        ("forms", "term"),
        [
            (["restart", "restarts", "restarted", "restarting"], "restart"),
            (["query", "queries"], "query"),
            (["stopped", "stopping"], "stop"),
            (["killed", "killing", "kill"], "kill"),
        ],
    )
    def test_forms_of_a_word_have_one_term(self, forms: list[str], term: str) -> None:
        assert {found for form in forms for found in terms(form)} == {term}

    @pytest.mark.parametrize("word", ["status", "access", "redis", "ring", "shed", "x86s", "dns", "été"])
    def test_what_only_looks_like_an_ending_stays(self, word: str) -> None:
        assert terms(word) == [word]

    def test_a_term_has_a_bounded_length(self) -> None:
        assert terms("x" * 1000) == ["x" * MAX_TERM_LENGTH]

    def test_what_cannot_be_stored_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            terms("a\ud800")

    @given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
    def test_every_term_is_a_folded_word(self, text: str) -> None:
        for term in terms(text):
            assert 0 < len(term) <= MAX_TERM_LENGTH
            assert term == term.casefold()
            assert not any(character.isspace() or character == "_" for character in term)

    @given(st.lists(st.text(max_size=20), max_size=5).map(" ".join))
    def test_the_terms_of_two_texts_are_the_terms_of_both(self, text: str) -> None:
        safe = "".join(character for character in text if character.isalnum() or character == " ")
        assert terms(f"{safe}\n{safe}") == terms(safe) * 2
