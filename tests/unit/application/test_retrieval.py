"""Two lists of hits become one, with a relevance that says when nothing fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.retrieval import CHECKED, COVERED, FITS, FULL_SCORE, FULL_TERMS, WORDS_ALONE, NearChunk, explain, fuse
from domain.knowledge import Chunk
from ports.knowledge import TextHit
from tests.builders import an_id

QUESTION = ("pool", "exhaust", "hikari")
FULL = FULL_SCORE * len(QUESTION)


def a_chunk(document: int, position: int = 0, text: str = "nothing", heading: str = "Title") -> Chunk:
    key = an_id("kb", document, 16)
    return Chunk(chunk_id=f"{key}:{position}", document_id=key, position=position, heading=heading, text=text)


ELSEWHERE = NearChunk(a_chunk(99), 0.0)
"""Vectors were asked, and have nothing to say of the document in question."""


def relevance_of(text_hits: list[TextHit], near: list[NearChunk], question: tuple[str, ...] = QUESTION) -> float:
    return fuse(question, text_hits, near)[0].relevance


class TestEvidence:
    def test_meaning_alone_counts_as_it_is(self) -> None:
        assert relevance_of([], [NearChunk(a_chunk(1), 0.6)]) == pytest.approx(0.6)

    def test_words_alone_count_by_their_share_of_the_full_score(self) -> None:
        assert relevance_of([TextHit(a_chunk(1), FULL / 4)], [ELSEWHERE]) == pytest.approx(0.25)
        assert relevance_of([TextHit(a_chunk(1), FULL * 4)], [ELSEWHERE]) == 1.0

    def test_both_are_joined_as_independent_evidence(self) -> None:
        assert relevance_of([TextHit(a_chunk(1), FULL / 4)], [NearChunk(a_chunk(1), 0.6)]) == pytest.approx(0.7)

    def test_the_best_chunk_speaks_for_its_document_in_each_index(self) -> None:
        found = fuse(
            QUESTION,
            [TextHit(a_chunk(1, 0), FULL / 2), TextHit(a_chunk(1, 1), FULL / 4)],
            [NearChunk(a_chunk(1, 2), 0.8), NearChunk(a_chunk(1, 1), 0.4)],
        )
        assert len(found) == 1
        assert found[0].relevance == pytest.approx(0.9)
        assert found[0].similarity == 0.8
        assert [chunk.position for chunk in found[0].chunks] == [2, 1, 0]

    def test_a_question_longer_than_its_subject_is_not_matched_in_proportion(self) -> None:
        long = tuple(f"term{number}" for number in range(5 * FULL_TERMS))
        score = FULL_SCORE * FULL_TERMS / 2
        assert relevance_of([TextHit(a_chunk(1), score)], [ELSEWHERE], long) == pytest.approx(0.5)

    def test_where_no_vector_speaks_less_words_suffice(self) -> None:
        assert relevance_of([TextHit(a_chunk(1), FULL / 4)], []) == pytest.approx(0.25 / WORDS_ALONE)

    def test_a_chunk_with_every_term_fits_however_common_they_are(self) -> None:
        hit = TextHit(a_chunk(1, text="the hikari pool", heading="Title > Exhausted"), 1e-6)
        assert relevance_of([hit], [ELSEWHERE]) == pytest.approx(COVERED)
        assert COVERED > FITS

    def test_half_of_the_terms_are_no_reason(self) -> None:
        hit = TextHit(a_chunk(1, text="hikari"), 1e-6)
        assert relevance_of([hit], [ELSEWHERE], ("pool", "hikari")) < 0.1

    def test_only_the_best_text_hits_are_checked_for_all_terms(self) -> None:
        hits = [TextHit(a_chunk(number, text="hikari pool exhausted"), 0.0) for number in range(1, CHECKED + 2)]
        found = {item.document_id: item.relevance for item in fuse(QUESTION, hits, [ELSEWHERE])}
        assert found[an_id("kb", CHECKED, 16)] == pytest.approx(COVERED)
        assert found[an_id("kb", CHECKED + 1, 16)] == 0.0

    def test_a_question_of_stop_words_is_left_to_the_vectors(self) -> None:
        assert relevance_of([], [NearChunk(a_chunk(1), 0.5)], ()) == pytest.approx(0.5)


class TestOrder:
    def test_a_head_start_in_one_list_does_not_outweigh_a_clear_answer_in_the_other(self) -> None:
        """Fusion by rank would put document 1 first: it leads one list and is second in the other."""
        found = fuse(
            QUESTION,
            [TextHit(a_chunk(1), FULL * 0.10), TextHit(a_chunk(2), FULL * 0.09)],
            [NearChunk(a_chunk(2), 0.7), NearChunk(a_chunk(1), 0.4)],
        )
        assert [item.document_id for item in found] == [an_id("kb", 2, 16), an_id("kb", 1, 16)]

    def test_rare_words_outweigh_nearness(self) -> None:
        found = fuse(QUESTION, [TextHit(a_chunk(1), FULL)], [NearChunk(a_chunk(2), 0.8), NearChunk(a_chunk(1), 0.1)])
        assert found[0].document_id == an_id("kb", 1, 16)

    def test_full_matches_are_ordered_by_score_and_equals_by_id(self) -> None:
        hits = [TextHit(a_chunk(number), score * FULL) for number, score in ((3, 2), (2, 3), (1, 2))]
        assert [item.document_id[-1] for item in fuse(QUESTION, hits, [])] == ["2", "1", "3"]

    @given(
        scores=st.dictionaries(st.integers(1, 20), st.floats(0, 200), max_size=10),
        similarities=st.dictionaries(st.integers(1, 20), st.floats(0, 1), max_size=10),
    )
    def test_relevance_is_a_fraction_and_grows_with_either_evidence(
        self, scores: dict[int, float], similarities: dict[int, float]
    ) -> None:
        near = [NearChunk(a_chunk(number), value) for number, value in similarities.items()]
        found = fuse(QUESTION, [TextHit(a_chunk(number), score) for number, score in scores.items()], near)
        assert {item.document_id for item in found} == {an_id("kb", key, 16) for key in {*scores, *similarities}}
        values = [item.relevance for item in found]
        assert values == sorted(values, reverse=True)
        assert all(0 <= value <= 1 for value in values)
        assert all(item.relevance >= item.similarity - 1e-12 for item in found)


class TestReason:
    def test_it_names_shared_words_as_they_were_asked_and_the_nearness(self) -> None:
        why = explain(
            "Why is the HikariPool-1 exhausted, exhausted?",
            "Connection pool",
            [a_chunk(1, text="hikaripool"), a_chunk(1, 1, text="exhausting")],
            0.712,
        )
        assert why == "shares the words HikariPool-1, exhausted; close in meaning (0.71)"

    @pytest.mark.parametrize(
        ("similarity", "reason"),
        [(0.5, "close in meaning (0.50)"), (0.49, "related in meaning (0.49)"), (0.1, "")],
    )
    def test_it_is_as_sure_as_the_similarity(self, similarity: float, reason: str) -> None:
        assert explain("something else", "Title", [a_chunk(1)], similarity) == reason

    def test_words_of_the_title_count_and_at_most_six_are_named(self) -> None:
        why = explain("a1 b2 c3 d4 e5 f6 g7", "a1 b2 c3 d4 e5 f6 g7", [a_chunk(1)], 0.0)
        assert why == "shares the words a1, b2, c3, d4, e5, f6"
