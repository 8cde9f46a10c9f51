"""The turn: from an open case to a resolved one, and everything that can go wrong on the way."""

import asyncio
from datetime import timedelta

import pytest

from adapters.memory.cases import InMemoryCaseRepository
from adapters.playbook.model import PlaybookLanguageModel
from application.errors import UnsupportedFile, UploadTooLarge
from application.troubleshooting import UNREACHABLE, TurnRequest
from domain.case import Case
from domain.errors import DomainError, InvalidInput, MissingPrerequisite, TerminalCase
from domain.evidence import EvidenceForm, EvidenceSourceType, UploadSource
from domain.hypothesis import EvidenceStance, HypothesisStatus
from domain.knowledge import KnowledgeType, Scope
from domain.message import MAX_CONTENT, MessageRole, MessageType
from domain.milestones import VERIFICATION, Milestone
from domain.proposals import DecisionKind, MilestoneClaim, ModelUpdates
from domain.status import CaseStatus
from ports.errors import Conflict, NotFound, StorageCorrupt, StorageUnavailable
from ports.language_model import ActionType, LanguageModel, ModelReply, SuggestedAction, TurnContext
from tests.unit.application.world import ADA, BOB, GROUPS, LOG, PROBLEM, World, decide, upload


@pytest.fixture
async def world() -> World:
    made = World()
    await made.learn("postgresql-too-many-connections", "redis-maxmemory-evictions", "tls-certificate-expired")
    return made


class _Model(LanguageModel):
    """Says what it is told to say, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, reply: ModelReply | Exception | None = None) -> None:
        self.answer = reply or ModelReply(text="Noted.")
        self.asked: list[TurnContext] = []

    async def reply(self, context: TurnContext) -> ModelReply:
        self.asked.append(context)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class TestWholeInvestigation:
    async def test_from_the_description_to_the_resolved_case(self, world: World) -> None:
        case = await world.open()

        described = await world.turn(case, PROBLEM, files=[upload("postgresql.log", LOG)])
        assert described.case.status is CaseStatus.CONSULTING
        assert described.case.consulting.proposed_problem_statement == PROBLEM
        assert described.case.title == "Checkout in production answers 500 since 11:58"
        assert described.case.evidence == ()
        assert [item.decision.kind for item in described.actions if item.decision] == [
            DecisionKind.CONFIRM_STATEMENT,
            DecisionKind.REJECT_STATEMENT,
        ]

        await world.turn(case, "Yes.", decide(DecisionKind.CONFIRM_STATEMENT))
        started = await world.turn(case, "Start.", decide(DecisionKind.START_INVESTIGATION))
        assert started.case.status is CaseStatus.INVESTIGATING
        assert set(started.milestones_completed) == set(VERIFICATION)
        (log, report) = started.case.evidence
        assert log.file_id == described.files[0].file.file_id
        assert report.source_type is EvidenceSourceType.USER_REPORT
        assert {item.status for item in started.case.hypotheses} == {HypothesisStatus.ACTIVE}
        assert all(item.likelihood == item.initial_likelihood for item in started.case.hypotheses)

        found = await world.turn(case, "Here is the grouping.", files=[upload("activity.txt", GROUPS)])
        by_name = {item.statement: item for item in found.case.hypotheses}
        leaked, slow = by_name["Leaked sessions"], by_name["Slow statements hold the pool"]
        evidence = found.case.evidence[-1]
        assert (leaked.status, slow.status) == (HypothesisStatus.VALIDATED, HypothesisStatus.REFUTED)
        assert leaked.likelihood == pytest.approx(0.65)
        link = leaked.link(evidence.evidence_id)
        assert link
        assert link.stance is EvidenceStance.STRONGLY_SUPPORTS
        assert "line 3" in link.reasoning
        assert found.case.root_cause_conclusion
        assert found.case.root_cause_conclusion.evidence_basis == (evidence.evidence_id,)
        assert set(found.milestones_completed) == {Milestone.ROOT_CAUSE_IDENTIFIED, Milestone.SOLUTION_PROPOSED}
        assert found.refused == ()

        fix = next(item for item in found.case.solutions if not item.is_mitigation)
        assert fix.hypothesis_id == leaked.hypothesis_id
        applied = await world.turn(case, "Done.", decide(DecisionKind.APPLY_SOLUTION, solution_id=fix.solution_id))
        assert Milestone.SOLUTION_APPLIED in applied.milestones_completed
        assert "Used sessions below 70 %" in applied.text

        end = await world.turn(case, "Good.", decide(DecisionKind.VERIFY_SOLUTION, solution_id=fix.solution_id))
        assert end.case.status is CaseStatus.RESOLVED
        assert [turn.turn_number for turn in end.case.turn_history] == [1, 2, 3, 4, 5, 6]

    async def test_every_turn_leaves_one_message_of_each_with_its_number(self, world: World) -> None:
        case = await world.open()
        reply = await world.solve(case)

        messages = (await world.cases.get_messages(case.case_id)).items

        assert [(item.turn_number, item.role) for item in messages] == [
            (number, role) for number in range(1, 7) for role in (MessageRole.USER, MessageRole.ASSISTANT)
        ]
        assert (messages[-1].message_id, messages[-1].content) == (reply.message_id, reply.text)
        assert reply.turn_number == reply.case.current_turn == 6
        assert reply.case.message_count == 12
        assert messages[-1].metadata["model"] == "playbook"

    async def test_evidence_is_searchable_in_its_case_and_the_solution_in_the_next(self, world: World) -> None:
        case = await world.open()
        end = await world.solve(case)

        kept = await world.documents.list([Scope.for_case(case.case_id)])
        assert {item.source_key for item in kept} == {item.evidence_id for item in end.case.evidence}
        (pattern,) = await world.documents.list([Scope.for_user(ADA.user_id)])
        assert pattern.document_type is KnowledgeType.SOLUTION_PATTERN

        again = await world.turn(await world.open(), PROBLEM)
        assert pattern.document_id in again.cited_documents
        assert "Solved before" in again.text

    async def test_what_is_cited_exists(self, world: World) -> None:
        case = await world.open()
        await world.investigate(case, files=[upload("postgresql.log", LOG)])
        reply = await world.turn(case, "Here is the grouping.", files=[upload("activity.txt", GROUPS)])

        assert reply.cited_evidence
        assert set(reply.cited_evidence) <= {item.evidence_id for item in reply.case.evidence}
        for document_id in reply.cited_documents:
            assert await world.documents.get(document_id)
            assert document_id in reply.text


class TestFiles:
    async def test_the_same_bytes_are_one_file_of_the_case(self, world: World) -> None:
        case = await world.open()
        first = await world.turn(case, PROBLEM, files=[upload("postgresql.log", LOG)])
        again = await world.turn(case, "Again.", files=[upload("copy.log", LOG), upload("new.txt", GROUPS)])

        copy, new = again.files
        assert (copy.duplicate_of, copy.duplicate_turn) == (first.files[0].file.file_id, 1)
        assert (new.duplicate_of, new.duplicate_turn) == (None, None)
        assert len(again.case.uploaded_files) == 2
        assert len(await world.blob_keys()) == 2

    async def test_twins_in_one_turn_are_one_file(self, world: World) -> None:
        reply = await world.turn(await world.open(), "", files=[upload("a.log", LOG), upload("b.log", LOG)])

        assert [item.duplicate_turn for item in reply.files] == [None, 1]
        assert len(await world.blob_keys()) == len(reply.case.uploaded_files) == 1

    async def test_another_case_has_its_own_copy(self, world: World) -> None:
        await world.turn(await world.open(), "", files=[upload("a.log", LOG)])
        reply = await world.turn(await world.open(), "", files=[upload("a.log", LOG)])

        assert reply.files[0].duplicate_of is None

    async def test_a_file_that_is_known_already_is_not_evidence_twice(self, world: World) -> None:
        case = await world.open()
        before = await world.investigate(case, files=[upload("postgresql.log", LOG)])
        after = await world.turn(case, "", files=[upload("postgresql.log", LOG)])

        assert len(after.case.evidence) == len(before.case.evidence)
        assert not after.progress_made

    async def test_a_turn_of_files_alone_says_so(self, world: World) -> None:
        case = await world.open()
        reply = await world.turn(case, "", files=[upload("postgresql.log", LOG)])

        question = (await world.cases.get_messages(case.case_id)).items[0]
        assert question.content == "Submitted data for analysis"
        assert question.type is MessageType.DATA_UPLOAD
        assert question.file_ids == (reply.files[0].file.file_id,)

    async def test_the_file_remembers_where_it_came_from(self, world: World) -> None:
        reply = await world.turn(await world.open(), "", files=[upload("../x/pasted.txt", LOG, UploadSource.PASTE)])

        file = reply.files[0].file
        assert (file.filename, file.source_type, file.data_type) == ("pasted.txt", UploadSource.PASTE, "log")
        assert file.size_bytes == len(LOG.encode())
        assert file.content_ref == f"{reply.case.case_id}/{file.file_id}"
        stat = await world.blobs.stat(file.content_ref)
        assert stat
        assert stat.sha256 == file.sha256

    @pytest.mark.parametrize(
        ("content", "error", "words"),
        [
            (b"\x89PNG\r\n" + bytes(300), UnsupportedFile, "PNG"),
            (b"", UnsupportedFile, "empty"),
            (b"  \n", UnsupportedFile, "empty"),
            (b"x" * 100_001, UploadTooLarge, "too large"),
        ],
        ids=["image", "empty", "blank", "too-large"],
    )
    async def test_a_refused_file_leaves_nothing(
        self, world: World, content: bytes, error: type[Exception], words: str
    ) -> None:
        case = await world.open()
        with pytest.raises(error, match=words):
            await world.turn(case, PROBLEM, files=[upload("good.log", LOG), upload("bad.bin", content)])

        assert not await world.blob_keys()
        assert await world.cases.get(case.case_id) == case

    async def test_a_file_whose_bytes_are_gone_stops_the_start(self, world: World) -> None:
        case = await world.open()
        reply = await world.turn(case, PROBLEM, files=[upload("postgresql.log", LOG)])
        await world.blobs.delete(reply.files[0].file.content_ref)

        with pytest.raises(NotFound):
            await world.turn(case, "", decide(DecisionKind.CONFIRM_STATEMENT), decide(DecisionKind.START_INVESTIGATION))


class TestMessagesAsEvidence:
    async def test_facts_and_pasted_output_are_evidence_talk_is_not(self, world: World) -> None:
        case = await world.open()
        await world.investigate(case)
        before = len((await world.case_service.get_case(ADA, case.case_id)).evidence)

        talk = await world.turn(case, "What should I look at next?")
        facts = await world.turn(
            case, "It began at 11:58, right after we deployed checkout 4.2. All users are affected."
        )
        paste = await world.turn(case, f"$ psql -c 'select ...'\n{GROUPS}")

        assert len(talk.case.evidence) == before
        report, output = facts.case.evidence[-1], paste.case.evidence[-1]
        assert (report.source_type, report.form) == (EvidenceSourceType.USER_REPORT, EvidenceForm.USER_INPUT)
        assert output.source_type is EvidenceSourceType.COMMAND_OUTPUT
        assert Milestone.CHANGES_IDENTIFIED in facts.milestones_completed

    async def test_the_output_of_the_requested_command_answers_the_request(self, world: World) -> None:
        case = await world.open()
        started = await world.investigate(case, files=[upload("postgresql.log", LOG)])
        request = next(need for need in started.case.evidence_needs if need.command)

        output = f"$ {request.command}\n used | max\n------+-----\n   97 | 100\n(1 row)\n"
        reply = await world.turn(case, output)

        answered = next(need for need in reply.case.evidence_needs if need.need_id == request.need_id)
        assert answered.evidence_id == reply.case.evidence[-1].evidence_id


class TestRefusals:
    async def test_a_turn_brings_something(self, world: World) -> None:
        case = await world.open()
        with pytest.raises(InvalidInput):
            await world.turn(case, "  ")
        with pytest.raises(InvalidInput):
            await world.turn(case, "x" * (MAX_CONTENT + 1))

    async def test_an_illegal_decision_changes_nothing_and_stores_no_file(self, world: World) -> None:
        case = await world.open()
        with pytest.raises(MissingPrerequisite):
            await world.turn(case, "Go.", decide(DecisionKind.START_INVESTIGATION), files=[upload("a.log", LOG)])

        assert not await world.blob_keys()
        assert await world.cases.get(case.case_id) == case

    async def test_a_decision_that_fails_at_the_end_discards_the_files(self, world: World) -> None:
        case = await world.open()
        with pytest.raises(DomainError):
            await world.turn(case, "Done.", decide(DecisionKind.RESOLVE), files=[upload("a.log", LOG)])

        assert not await world.blob_keys()

    async def test_the_case_of_somebody_else_does_not_exist(self, world: World) -> None:
        case = await world.open()
        with pytest.raises(NotFound):
            await world.turns.take_turn(BOB, case.case_id, TurnRequest("Hello"))
        with pytest.raises(NotFound):
            await world.turns.take_turn(ADA, "case_00000000dead", TurnRequest("Hello"))

    async def test_claims_without_evidence_are_told(self) -> None:
        claim = MilestoneClaim(milestone=Milestone.SYMPTOM_VERIFIED, evidence_ids=("ev_00000000dead",))
        model = _Model(ModelReply("Sure.", ModelUpdates(problem_statement=PROBLEM, milestones=(claim,))))
        world = World(model=model)

        reply = await world.turn(await world.open(), "Hello")

        assert [item.what for item in reply.refused] == ["milestone symptom_verified"]
        assert not reply.case.progress.completed


class TestFinishedCases:
    async def test_questions_are_answered_and_nothing_else_changes(self, world: World) -> None:
        case = await world.open()
        end = await world.solve(case)

        first = await world.turn(case, "What was the cause?")
        second = await world.turn(case, "And what was ruled out?")

        assert (first.turn_number, second.turn_number) == (7, 8)
        assert "Leaked sessions" in first.text
        assert second.case.current_turn == end.case.current_turn
        assert second.case.version == end.case.version
        assert second.case.message_count == 16
        assert not second.actions

    async def test_everything_more_than_a_question_is_refused(self, world: World) -> None:
        case = await world.open()
        await world.turn(case, "", decide(DecisionKind.CLOSE))
        with pytest.raises(TerminalCase):
            await world.turn(case, "Again.", decide(DecisionKind.CLOSE))
        with pytest.raises(TerminalCase):
            await world.turn(case, "Look.", files=[upload("a.log", LOG)])

        assert not await world.blob_keys()

    async def test_closing_by_decision_alone(self, world: World) -> None:
        case = await world.open()
        reply = await world.turn(case, "", decide(DecisionKind.CLOSE))

        assert reply.case.status is CaseStatus.CLOSED
        assert (await world.cases.get_messages(case.case_id)).items[0].content == "Decided: close"


class TestOutOfReach:
    async def test_without_the_model_everything_is_kept(self) -> None:
        world = World(model=_Model(StorageUnavailable("no answer in time")))
        case = await world.open()

        reply = await world.turn(case, PROBLEM, files=[upload("a.log", LOG)])

        assert reply.degraded
        assert reply.text == UNREACHABLE
        assert len(reply.case.uploaded_files) == len(await world.blob_keys()) == 1
        assert (await world.cases.get_messages(case.case_id)).items[1].metadata["degraded"] is True

    async def test_a_broken_model_is_no_outage(self) -> None:
        world = World(model=_Model(StorageCorrupt("the weights are damaged")))
        case = await world.open()
        with pytest.raises(StorageCorrupt):
            await world.turn(case, PROBLEM, files=[upload("a.log", LOG)])

        assert not await world.blob_keys()

    async def test_without_the_knowledge_the_model_still_answers(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(*args: object, **kwargs: object) -> object:
            raise StorageUnavailable("the index is down")

        case = await world.open()
        monkeypatch.setattr(world.knowledge, "search", fail)
        monkeypatch.setattr(world.knowledge, "index_evidence", fail)

        reply = await world.investigate(case, files=[upload("postgresql.log", LOG)])

        assert reply.degraded
        assert "could not be searched" in reply.text
        assert reply.case.evidence
        assert Milestone.SYMPTOM_VERIFIED in reply.milestones_completed

    @pytest.mark.parametrize("method", ["search", "index_evidence"])
    async def test_damaged_knowledge_is_no_outage(
        self, world: World, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        async def fail(*args: object, **kwargs: object) -> object:
            raise StorageCorrupt("the index is damaged")

        case = await world.open()
        monkeypatch.setattr(world.knowledge, method, fail)
        with pytest.raises(StorageCorrupt):
            await world.investigate(case, files=[upload("postgresql.log", LOG)])

    async def test_what_a_model_writes_can_always_be_stored(self) -> None:
        world = World(model=_Model(ModelReply("a\0b\ud800" + "x" * (MAX_CONTENT + 5))))
        reply = await world.turn(await world.open(), "Hello")
        assert reply.text.startswith("ab?xxx")

        silent = World(model=_Model(ModelReply("\0  ")))
        assert (await silent.turn(await silent.open(), "Hello")).text == "I have nothing to add."

    async def test_buttons_follow_from_the_case_not_from_the_model(self) -> None:
        lure = SuggestedAction(ActionType.DECIDE, "Resolve", decision=decide(DecisionKind.RESOLVE))
        hint = SuggestedAction(ActionType.RUN, "Disks", payload="df -h")
        world = World(model=_Model(ModelReply("Hm.", actions=(lure, hint))))

        assert (await world.turn(await world.open(), "Hello")).actions == (hint,)


class TestModelContext:
    async def test_the_model_sees_the_case_as_it_will_stand(self) -> None:
        model = _Model(ModelReply("Noted.", ModelUpdates(problem_statement=PROBLEM)))
        world = World(model=model)
        case = await world.open()
        await world.investigate(case, files=[upload("postgresql.log", LOG)])

        context = model.asked[-1]
        assert context.case.status is CaseStatus.INVESTIGATING
        assert context.new_evidence == context.case.evidence
        assert [item.kind for item in context.decisions] == [DecisionKind.START_INVESTIGATION]
        assert [item.content for item in context.history] == [PROBLEM, "Noted.", "Yes.", "Noted."]

    async def test_the_history_is_that_of_the_latest_messages(self) -> None:
        model = _Model()
        world = World(model=model)
        case = await world.open()
        for number in range(12):
            await world.turn(case, f"Message {number}")

        assert len(model.asked[-1].history) == 20
        assert model.asked[-1].history[-2].content == "Message 10"


class _Interrupting(InMemoryCaseRepository):
    """Before the first save of a turn, somebody else changes the case."""

    def __init__(self) -> None:
        super().__init__()
        self.armed = False

    async def save(self, case: Case) -> Case:
        if self.armed:
            self.armed = False
            raise Conflict("case", case.case_id, case.version, case.version + 1)
        return await super().save(case)


class TestConcurrency:
    async def test_a_lost_race_is_repeated_without_asking_the_model_again(self) -> None:
        model, cases = _Model(), _Interrupting()
        world = World(model=model, cases=cases)
        case = await world.open()
        cases.armed = True

        reply = await world.turn(case, "Hello", files=[upload("a.log", LOG)])

        assert len(model.asked) == 1
        assert reply.case.message_count == 2
        assert reply.case.current_turn == 1
        assert len(reply.case.uploaded_files) == 1

    async def test_turns_at_the_same_time_all_count(self, world: World) -> None:
        case = await world.open()
        replies = await asyncio.gather(
            *(
                world.turns.take_turn(ADA, case.case_id, TurnRequest(f"Message {number}", (upload("a.log", LOG),)))
                for number in range(8)
            )
        )

        assert sorted(reply.turn_number for reply in replies) == list(range(1, 9))
        assert sum(reply.files[0].duplicate_of is None for reply in replies) == 1
        assert len(await world.blob_keys()) == 1
        messages = (await world.cases.get_messages(case.case_id)).items
        assert [item.turn_number for item in messages] == [number for number in range(1, 9) for _ in range(2)]
        by_turn = {item.turn_number: item.content for item in messages if item.role is MessageRole.USER}
        assert sorted(by_turn.values()) == [f"Message {number}" for number in range(8)]

    async def test_time_never_runs_backwards_in_a_case(self, world: World) -> None:
        case = await world.open()
        world.clock.advance(timedelta(hours=1))
        late = await world.turn(case, PROBLEM)
        behind = World(model=PlaybookLanguageModel(), cases=world.cases)

        reply = await behind.turns.take_turn(ADA, case.case_id, TurnRequest("Since then nothing changed."))

        assert reply.case.updated_at >= late.case.updated_at
