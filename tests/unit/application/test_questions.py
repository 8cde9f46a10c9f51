"""What is asked of the knowledge base in a turn, and what comes back."""

import asyncio
from typing import Any

import pytest

from application.passages import retrieve
from application.questions import MAX_QUESTIONS, error_texts, questions
from application.retrieval import SearchResult
from domain.hypothesis import HypothesisStatus
from domain.knowledge import GLOBAL
from ports.errors import StorageUnavailable
from tests.builders import a_case, a_file, a_hypothesis, an_evidence, an_investigating_case, later
from tests.unit.application.world import ADA, LOG, PROBLEM, World, upload

MESSAGE = "sorry, too many clients already"
FATAL = f"2025-03-01 11:58:00.331 UTC [92] app@shop FATAL: {MESSAGE}"
REFUSED = "7#7: connect() failed"
NGINX = f"2025/03/01 12:00:00 [error] {REFUSED}"


class TestErrorTexts:
    @pytest.mark.parametrize(
        ("summary", "texts"),
        [
            (f"a.log: 64 lines; 61 errors. First error in line 4: {FATAL}. Most frequent, 60 times: it.", [MESSAGE]),
            (
                f"First error in line 1: {NGINX}. Most frequent, 5 times: all down.",
                [REFUSED, "all down"],
            ),
            (
                "a.log: 1 line. First error in line 1: 12:00:01 job 7 timed out.",
                ["job 7 timed out"],
            ),
            ("a.log: 3 lines; no errors.", []),
        ],
    )
    def test_time_process_and_level_are_left_out(self, summary: str, texts: list[str]) -> None:
        assert error_texts(summary) == texts

    async def test_every_summary_that_is_made_is_understood(self) -> None:
        world = World()
        reply = await world.turn(await world.open(), "", files=[upload("a.log", LOG)])
        summary = reply.case.uploaded_files[0].preprocessing_summary
        assert summary
        assert error_texts(summary) == ["sorry, too many clients already"]


class TestQuestions:
    def test_errors_come_first_then_the_problem_then_the_message(self) -> None:
        log = an_evidence(1, summary="a.log: 1 line. First error in line 1: ERROR disk quota exceeded.")
        case = an_investigating_case(description="Writes fail on db-1. Since noon.", evidence=(log,))

        assert questions(case, "The array rebuilds again and again.", (log,)) == (
            "disk quota exceeded",
            "Writes fail on db-1. Since noon. The array rebuilds again and again.",
            "Writes fail on db-1.",
            "The array rebuilds again and again.",
        )

    def test_files_speak_while_there_is_no_evidence(self) -> None:
        file = a_file(1, preprocessing_summary="a.log: 1 line. First error in line 1: ERROR disk quota exceeded.")
        assert questions(a_case(uploaded_files=(file,)), "", ()) == ("disk quota exceeded",)

    def test_what_fits_anything_is_not_asked(self) -> None:
        assert questions(a_case(), "Done.", ()) == ()
        assert questions(a_case(), "Yes, please.", ()) == ()

    def test_the_problem_is_not_asked_twice(self) -> None:
        case = an_investigating_case(description=PROBLEM)
        assert questions(case, PROBLEM, ()) == questions(case, "", ())

    def test_what_was_said_last_is_asked_however_long_the_problem_is(self) -> None:
        """Else a conversation that goes on would find what its first remarks are about, and nothing else."""
        stated = [f"Service {name} of host {name} fails with code {name}." for name in "abcdefghi"]
        case = an_investigating_case(description=" ".join(stated))

        asked = questions(case, "Yes. The disk of db-1 is full. The array rebuilds again. Fans are loud now.", ())

        assert asked == (*stated[:4], "The disk of db-1 is full.", "The array rebuilds again.")

    def test_the_number_of_questions_and_their_length_are_bounded(self) -> None:
        text = " ".join(f"Service {name} of host {name} fails with code {name}." for name in "abcdefghijklm")
        asked = questions(a_case(), text + " word" * 500, ())
        assert len(asked) == MAX_QUESTIONS
        assert max(map(len, asked)) <= 300


class TestPassages:
    async def test_the_documents_of_open_hypotheses_are_always_there(self) -> None:
        world = World()
        await world.learn("postgresql-too-many-connections", "redis-maxmemory-evictions", "tls-certificate-expired")
        ids = {item.title: item.document_id for item in await world.documents.list([GLOBAL])}
        redis, tls = ids["Redis reaches maxmemory: evictions or write errors"], ids["TLS certificate expired"]
        case = an_investigating_case(
            user_id=ADA.user_id,
            description="sorry, too many clients already",
            hypotheses=(
                a_hypothesis(1, rationale=f"after {redis}"),
                a_hypothesis(2, rationale=f"after {tls}", status=HypothesisStatus.REFUTED, concluded_at=later(5)),
                a_hypothesis(3, rationale="after kb_00000000deadbeef"),
            ),
        )

        passages, complete = await retrieve(world.knowledge, ADA, case, "Done.", ())

        assert complete
        assert [item.document.title for item in passages] == [
            "PostgreSQL out of connection slots",
            "Redis reaches maxmemory: evictions or write errors",
        ]
        assert passages[1].why == "a hypothesis of this case comes from it"
        assert passages[1].relevance == passages[0].relevance

    async def test_nothing_is_found_for_nothing(self) -> None:
        world = World()
        assert await retrieve(world.knowledge, ADA, a_case(user_id=ADA.user_id), "Hi", ()) == ((), True)

    async def test_all_questions_are_asked_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So a store that hangs is waited for once."""
        world = World()
        case = an_investigating_case(user_id=ADA.user_id, description="Writes fail on db-1. The disk is full.")
        asked = questions(case, "The array rebuilds again.", ())
        assert len(asked) > 2
        together = asyncio.Barrier(len(asked))
        search = world.knowledge.search

        async def wait(*arguments: Any, **options: Any) -> SearchResult:
            async with asyncio.timeout(20):
                await together.wait()
            return await search(*arguments, **options)

        monkeypatch.setattr(world.knowledge, "search", wait)
        assert await retrieve(world.knowledge, ADA, case, "The array rebuilds again.", ()) == ((), True)

    async def test_no_question_goes_on_after_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error of one ends all."""
        world = World()
        case = an_investigating_case(user_id=ADA.user_id, description="Writes fail on db-1. The disk is full.")
        calls = 0

        async def fail(*_: Any, **__: Any) -> SearchResult:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise StorageUnavailable("the index is away")
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(world.knowledge, "search", fail)
        with pytest.raises(StorageUnavailable):
            await retrieve(world.knowledge, ADA, case, "The array rebuilds again.", ())
        assert asyncio.all_tasks() == {asyncio.current_task()}
