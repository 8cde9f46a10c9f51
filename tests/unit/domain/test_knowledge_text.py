"""Documents are cut into pieces, texts into terms, and resolved cases into documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chunking import MAX_CHUNKS, MAX_HEADING, MAXIMUM, TARGET, chunk_document
from domain.errors import InvalidInput
from domain.solution_pattern import solution_pattern
from domain.terms import MAX_TERM_LENGTH, terms
from tests.builders import OWNER, a_case, a_closed_case, a_full_case, a_resolved_case, an_id

DOCUMENT = an_id("kb", 1, 16)


def pieces(content: str, title: str = "Disks", preface: str = "") -> list[tuple[str, str]]:
    chunks = chunk_document(DOCUMENT, title, content, preface)
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.chunk_id for chunk in chunks] == [f"{DOCUMENT}:{number}" for number in range(len(chunks))]
    return [(chunk.heading, chunk.text) for chunk in chunks]


class TestChunks:
    def test_each_section_is_a_piece_below_its_path_of_headings(self) -> None:
        content = "intro\n# Disks\n## Full\ndelete logs\n\nor grow\n## Slow ##\nreplace\n# Nets\nx"
        assert pieces(content) == [
            ("Disks", "intro"),
            ("Disks > Full", "delete logs\n\nor grow"),
            ("Disks > Slow", "replace"),
            ("Disks > Nets", "x"),
        ]

    def test_a_heading_with_nothing_below_is_a_piece_by_itself(self) -> None:
        assert pieces("# A\n# B\ntext\n## C", "T") == [("T > A", "A"), ("T > B", "text"), ("T > B > C", "C")]

    def test_a_code_block_has_no_headings(self) -> None:
        assert pieces("# A\n```sh\n# comment\n```\n~~~\n# more\n```\n~~~\n## B\nx", "T") == [
            ("T > A", "```sh\n# comment\n```\n~~~\n# more\n```\n~~~"),
            ("T > A > B", "x"),
        ]

    def test_an_overlong_line_is_no_heading(self) -> None:
        line = "# " + "x" * MAX_HEADING
        assert pieces(line, "T") == [("T", line)]

    @pytest.mark.parametrize("content", ["", " \n\n "])
    def test_an_empty_document_is_found_by_its_title(self, content: str) -> None:
        assert pieces(content) == [("Disks", "Disks")]

    def test_a_preface_comes_first(self) -> None:
        assert pieces("text", preface="DiskFull, ENOSPC") == [("Disks", "DiskFull, ENOSPC"), ("Disks", "text")]

    def test_long_sections_are_cut_between_paragraphs(self) -> None:
        paragraph = "word " * 100
        texts = [text for _, text in pieces("\n\n".join([paragraph.strip()] * 5))]
        assert len(texts) == 5
        assert all(len(text) <= TARGET for text in texts)

    def test_long_paragraphs_are_cut_between_lines_and_long_lines_at_a_space(self) -> None:
        line = "word " * 60
        lines = [text for _, text in pieces("\n".join([line.strip()] * 10))]
        assert all(set(text.split()) == {"word"} and len(text) <= MAXIMUM for text in lines)
        spaced = [text for _, text in pieces("word " * 1000)]
        assert all(set(text.split()) == {"word"} for text in spaced)
        solid = [text for _, text in pieces("x" * 5000)]
        assert "".join(solid) == "x" * 5000

    def test_there_is_an_upper_bound_of_pieces(self) -> None:
        with pytest.raises(InvalidInput, match="more than 10000 pieces"):
            chunk_document(DOCUMENT, "T", "# a\n" * (MAX_CHUNKS + 1))

    @given(
        st.lists(
            st.sampled_from(("# h", "## h2", "```", "text", "", " ", "#no", "long " * 400, "y" * 3000, "#")),
            max_size=12,
        ).map("\n".join)
    )
    def test_no_piece_is_empty_or_too_long_and_no_word_is_lost(self, content: str) -> None:
        chunks = pieces(content)
        assert chunks
        assert all(text.strip() and len(text) <= MAXIMUM for _, text in chunks)
        found = "".join("".join(text.split()) for _, text in chunks)
        for word in ("text", "#no", "```"):
            assert found.count(word) == content.count(word)
        assert found.count("y") >= content.count("y")


class TestTerms:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", []),
            ("The disk is full", ["disk", "full"]),
            ("KubePodCrashLooping", ["kubepodcrashloop", "kube", "pod", "crash", "loop"]),
            ("HTTPServer", ["httpserver", "http", "server"]),
            ("disk_full-2", ["disk", "full", "2"]),
            ("Straße", ["strasse"]),
            ("policies pods classes status", ["policy", "pod", "classe", "status"]),
            ("stopped running failed need thing", ["stop", "run", "fail", "need", "thing"]),
            ("killed missing", ["kill", "miss"]),
        ],
    )
    def test_words_become_comparable(self, text: str, expected: list[str]) -> None:
        assert terms(text) == expected

    def test_terms_are_short(self) -> None:
        assert terms("x" * 1000) == ["x" * MAX_TERM_LENGTH]


class TestSolutionPatterns:
    @pytest.mark.parametrize("case", [a_case(), a_closed_case()])
    def test_only_a_resolved_case_teaches(self, case: object) -> None:
        assert solution_pattern(case) is None  # type: ignore[arg-type]

    def test_it_tells_symptom_cause_and_fix_without_names(self) -> None:
        text = solution_pattern(a_full_case())
        assert text
        for part in (
            "## Symptoms",
            "## Likely causes",
            "## Ruled out",
            "## Fix",
            "## Verify",
            "Raise the pool size (1)",
        ):
            assert part in text
        assert "Roll back" not in text
        assert OWNER not in text
        assert "ev_" not in text

    def test_it_leaves_out_what_is_not_known(self) -> None:
        text = solution_pattern(a_resolved_case())
        assert text
        assert "## Likely causes" not in text
        assert "## Ruled out" not in text

    def test_a_solution_that_failed_is_no_fix(self) -> None:
        case = a_full_case()
        failed = case.solutions[1].replace(
            applied_at=case.solutions[0].applied_at,
            applied_by=OWNER,
            verified_at=case.solutions[0].verified_at,
            effectiveness=0.1,
        )
        text = solution_pattern(case.replace(solutions=(case.solutions[0], failed)))
        assert text
        assert "Roll back" not in text
