"""A document is cut into pieces that lose nothing, are bounded and know their headings."""

import gc
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import chunking
from domain.chunking import MAX_HEADING, MAXIMUM, TARGET, chunk_document
from domain.errors import InvalidInput
from domain.knowledge import MAX_DOCUMENT, Chunk
from tests.builders import an_id

DOCUMENT = an_id("kb", 1, 16)

words = st.text(alphabet="abcxyzäß 日", min_size=1, max_size=30)
lines = st.one_of(
    words,
    st.just(""),
    st.builds(lambda level, name: f"{'#' * level} {name}", st.integers(1, 7), words),
    st.sampled_from(["```", "~~~~", "```sh", "#no heading", "# ", "    indented", "# # #"]),
    st.builds(lambda word, count: f"{word} " * count, words, st.integers(100, 800)),
    st.builds(lambda word, count: word.replace(" ", "") * count, words, st.integers(100, 800)),
)
documents = st.lists(lines, max_size=30).map("\n".join)


def cut(content: str, title: str = "Title", preface: str = "") -> tuple[Chunk, ...]:
    return chunk_document(DOCUMENT, title, content, preface)


def letters(text: str) -> str:
    return "".join(text.split())


class TestEveryDocument:
    @given(content=documents, preface=words | st.just(""))
    def test_pieces_are_numbered_bounded_and_not_empty(self, content: str, preface: str) -> None:
        chunks = cut(content, preface=preface)
        assert chunks
        assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
        for chunk in chunks:
            assert chunk.chunk_id == f"{DOCUMENT}:{chunk.position}"
            assert chunk.document_id == DOCUMENT
            assert chunk.text.strip()
            assert len(chunk.text) <= MAXIMUM
            assert chunk.heading.startswith("Title")

    @given(content=documents)
    def test_no_text_is_lost(self, content: str) -> None:
        """Each line is in the text of a chunk or, if it is a heading, in a heading path or a text."""
        chunks = cut(content)
        texts = letters("".join(chunk.text for chunk in chunks))
        headings = letters("\n".join(chunk.heading for chunk in chunks)) + texts
        for line in content.split("\n"):
            if line.startswith("#"):
                assert letters(line.lstrip("#").rstrip("# ")) in headings
            else:
                assert letters(line) in texts

    @given(content=documents)
    def test_text_without_headings_is_kept_in_order(self, content: str) -> None:
        content = content.replace("#", "")
        if content.strip():
            assert letters("".join(chunk.text for chunk in cut(content))) == letters(content)


class TestSections:
    def test_a_chunk_stays_below_its_headings(self) -> None:
        chunks = cut("intro\n# One\na\n## Deep ##\nb\n# Two\nc")
        assert [(chunk.heading, chunk.text) for chunk in chunks] == [
            ("Title", "intro"),
            ("Title > One", "a"),
            ("Title > One > Deep", "b"),
            ("Title > Two", "c"),
        ]

    def test_the_title_is_not_repeated_in_the_path(self) -> None:
        assert [chunk.heading for chunk in cut("# Title\n## Fix\na")] == ["Title > Fix"]

    def test_a_heading_with_nothing_below_is_a_text(self) -> None:
        chunks = cut("# One\n## Check the replica\n## Fail over\n# Two\ntext")
        assert [(chunk.heading, chunk.text) for chunk in chunks] == [
            ("Title > One > Check the replica", "Check the replica"),
            ("Title > One > Fail over", "Fail over"),
            ("Title > Two", "text"),
        ]

    def test_a_comment_in_a_code_block_is_no_heading(self) -> None:
        (chunk,) = cut("```sh\n# not a heading\n~~~\n# nor this\n```")
        assert chunk.heading == "Title"
        chunks = cut("~~~~\n```\n# comment\n~~~~\n# Heading\ntext")
        assert [chunk.heading for chunk in chunks] == ["Title", "Title > Heading"]

    def test_a_line_that_is_too_long_for_a_heading_is_text(self) -> None:
        line = "# " + "long " * MAX_HEADING
        assert letters(cut(line)[0].text) == letters(line)

    def test_the_preface_stands_first_and_alone(self) -> None:
        chunks = cut("text", preface="Alerts: DiskFull")
        assert [(chunk.heading, chunk.text) for chunk in chunks] == [("Title", "Alerts: DiskFull"), ("Title", "text")]

    @pytest.mark.parametrize("content", ["", " \n\t\n"])
    def test_a_document_without_text_is_its_title_or_its_preface(self, content: str) -> None:
        assert [chunk.text for chunk in cut(content)] == ["Title"]
        assert [chunk.text for chunk in cut(content, preface="Alerts: DiskFull")] == ["Alerts: DiskFull"]


class TestLength:
    def test_small_paragraphs_share_a_chunk_up_to_the_target(self) -> None:
        chunks = cut("\n\n".join("x" * 200 for _ in range(10)))
        assert [len(chunk.text) for chunk in chunks] == [806, 806, 402]

    def test_a_long_line_is_cut_at_a_space(self) -> None:
        chunks = cut("word " * 2000)
        assert all(set(chunk.text.split()) == {"word"} for chunk in chunks)
        assert all(TARGET <= len(chunk.text) <= MAXIMUM for chunk in chunks[:-1])

    def test_too_many_pieces_are_refused_in_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chunking, "MAX_CHUNKS", 3)
        assert len(cut("# a\nb\n" * 3)) == 3
        with pytest.raises(InvalidInput, match="more than 3 pieces; cut it into several documents"):
            cut("# a\nb\n" * 4)

    @pytest.mark.timed
    @pytest.mark.parametrize(
        "unit",
        ["x", "word ", "line\n", "paragraph\n\n", "# ", "#", "\n", " ", "```\n", "- item `code` " + "x" * 400 + "\n"],
    )
    def test_the_longest_documents_take_linear_time(self, unit: str) -> None:
        """Twenty times the length may take about twenty times the time, not four hundred times."""

        def seconds(length: int) -> float:
            content = (unit * (length // len(unit) + 1))[:length]
            # A collection walks through what all tests before have left, which is not the work of the cutting.
            gc.collect()
            gc.disable()
            try:
                start = time.thread_time()
                cut(content)
                return time.thread_time() - start
            finally:
                gc.enable()

        assert seconds(MAX_DOCUMENT) < 100 * max(seconds(MAX_DOCUMENT // 20), 0.002)
