"""Who finds what in the knowledge, whatever state the indexes are in."""

import asyncio

import pytest

from application.errors import Forbidden
from application.knowledge import SourceDocument
from domain.errors import InvalidInput
from domain.knowledge import GLOBAL, WITHDRAWN, KnowledgeType, Origin, Scope
from ports.errors import NotFound, StorageCorrupt, StorageUnavailable
from tests.builders import a_case, a_resolved_case, an_evidence, an_id
from tests.unit.application.knowledge_world import ADA, ADMIN, BEN, QUESTION, TEXT, World


@pytest.fixture
def world() -> World:
    return World()


class TestReaders:
    async def test_everybody_finds_global_knowledge_and_each_only_his_own(self, world: World) -> None:
        shared = await world.add(ADMIN, GLOBAL)
        hers = await world.add(ADA, Scope.for_user(ADA.user_id))
        assert set(await world.found(ADA)) == {shared.document_id, hers.document_id}
        assert await world.found(BEN) == [shared.document_id]
        assert await world.found(None) == [shared.document_id]

    async def test_evidence_is_found_within_its_case_only(self, world: World) -> None:
        case, other = a_case(1), a_case(2)
        await world.knowledge.index_evidence(case, [an_evidence(1, summary="Pool", extract=TEXT)])
        (inside,) = await world.found(ADA, case=case)
        assert await world.found(ADA) == await world.found(ADA, case=other) == await world.found(BEN) == []
        assert await world.found(None, case=case) == []
        with pytest.raises(NotFound):
            await world.knowledge.search(BEN, QUESTION, case=case)
        with pytest.raises(NotFound):
            await world.knowledge.get_document(ADA, inside)

    async def test_an_index_that_ignores_its_filter_leaks_nothing(self, world: World) -> None:
        world.vectors.ignores_filters = True
        await world.add(ADA, Scope.for_user(ADA.user_id))
        await world.knowledge.index_evidence(a_case(1), [an_evidence(1, summary="Pool", extract=TEXT)])
        assert await world.found(BEN) == []

    async def test_metadata_of_a_user_cannot_pretend_another_scope(self, world: World) -> None:
        mine = {"scope": "global", "document_id": an_id("kb", 77, 16), "document_type": "faq", "alerts": 3}
        document = await world.add(ADA, Scope.for_user(ADA.user_id), metadata=mine)
        assert await world.found(BEN) == []
        assert await world.found(ADA, document_types=[KnowledgeType.FAQ]) == []
        assert await world.found(ADA, document_types=[KnowledgeType.PLAYBOOK]) == [document.document_id]

    async def test_documents_are_read_changed_and_deleted_by_those_who_may(self, world: World) -> None:
        shared = await world.add(ADMIN, GLOBAL)
        hers = await world.add(ADA, Scope.for_user(ADA.user_id))
        assert await world.knowledge.get_document(BEN, shared.document_id) == shared
        for call in (world.knowledge.get_document, world.knowledge.update_document, world.knowledge.delete_document):
            with pytest.raises(NotFound):
                await call(BEN, hers.document_id)
            with pytest.raises(NotFound):
                await call(BEN, an_id("kb", 99, 16))
        for call in (world.knowledge.update_document, world.knowledge.delete_document):
            with pytest.raises(Forbidden):
                await call(BEN, shared.document_id)
        with pytest.raises(Forbidden):
            await world.add(BEN, GLOBAL)
        with pytest.raises(NotFound):
            await world.add(BEN, Scope.for_user(ADA.user_id))
        with pytest.raises(NotFound):
            await world.knowledge.list_documents(BEN, Scope.for_user(ADA.user_id))
        assert (await world.knowledge.list_documents(ADA, Scope.for_user(ADA.user_id))).items == (hers,)


class TestSearch:
    async def test_nothing_fits_a_question_about_something_else(self, world: World) -> None:
        await world.add(ADMIN, GLOBAL)
        assert await world.found(ADA, "how long do I boil eggs") == []

    @pytest.mark.parametrize("question", ["", "  \n ", "the of and", "Yes, done. Thanks!"])
    async def test_a_question_that_says_nothing_finds_nothing(self, world: World, question: str) -> None:
        await world.add(ADMIN, GLOBAL)
        assert await world.found(ADA, question) == []

    async def test_a_question_that_cannot_be_stored_is_refused(self, world: World) -> None:
        with pytest.raises(InvalidInput):
            await world.knowledge.search(ADA, "a\0b")

    async def test_a_hit_says_where_and_why(self, world: World) -> None:
        await world.add(ADMIN, GLOBAL, f"## Symptoms\n\n{TEXT}\n\n## Fix\n\nAdd more elephants.")
        (hit,) = (await world.knowledge.search(ADA, QUESTION)).hits
        assert hit.chunk.text == TEXT
        assert hit.chunk.heading == "Pool > Symptoms"
        assert 0.32 <= hit.relevance <= 1
        assert hit.why.startswith("shares the words connection, pool, exhausted, sessions, leak; ")

    async def test_an_alert_or_a_tag_finds_the_document_but_a_passage_is_shown(self, world: World) -> None:
        await world.add(ADMIN, GLOBAL, tags=["hikari"], description="Leaks", metadata={"alerts": "PoolSaturated"})
        for question in ("PoolSaturated", "hikari"):
            (hit,) = (await world.knowledge.search(ADA, question)).hits
            assert question in hit.why
        (hit,) = (await world.knowledge.search(ADA, f"PoolSaturated {TEXT}")).hits
        assert hit.chunk.text == TEXT

    async def test_there_are_no_more_hits_than_asked_for(self, world: World) -> None:
        for _ in range(5):
            await world.add(ADMIN, GLOBAL)
        assert len(await world.found(ADA, limit=3)) == 3

    async def test_without_vectors_words_decide_and_the_answer_says_so(self, world: World) -> None:
        shared = await world.add(ADMIN, GLOBAL)
        world.embeddings.error = StorageUnavailable("the model is away")
        result = await world.knowledge.search(ADA, QUESTION)
        assert [hit.document for hit in result.hits] == [shared]
        assert result.degraded
        assert not (await world.knowledge.search(ADA, "how long do I boil eggs")).hits

    async def test_a_damaged_index_is_not_passed_over(self, world: World) -> None:
        world.embeddings.error = StorageCorrupt("the model is damaged")
        with pytest.raises(StorageCorrupt):
            await world.knowledge.search(ADA, QUESTION)

    async def test_a_cosine_counts_from_what_the_model_gives_to_unrelated_texts(self, world: World) -> None:
        await world.add(ADMIN, GLOBAL)
        question = "is the connection gone"
        (plain,) = (await world.knowledge.search(ADA, question)).hits or (None,)
        strict = await world.service(unrelated=0.9).search(ADA, question)
        assert plain is not None
        assert strict.hits == ()


class TestChanges:
    async def test_an_edit_is_found_and_the_old_text_is_not(self, world: World) -> None:
        document = await world.add(ADMIN, GLOBAL, f"## One\n\n{TEXT}\n\n## Two\n\nZebras sleep.")
        edited = await world.knowledge.update_document(
            ADMIN, document.document_id, title="Animals", content="Elephants need water.", tags=["zoo"]
        )
        assert (edited.title, edited.tags, edited.edited, edited.version) == ("Animals", ("zoo",), True, 2)
        assert edited.content_sha256 != document.content_sha256
        assert await world.found(ADA) == await world.found(ADA, "zebras sleep") == []
        assert await world.found(ADA, "elephants need water") == [document.document_id]
        assert await world.vectors.count() == 2

    async def test_an_edit_of_nothing_keeps_everything_else(self, world: World) -> None:
        document = await world.add(ADMIN, GLOBAL, tags=["a"])
        edited = await world.knowledge.update_document(ADMIN, document.document_id)
        assert edited == document.replace(edited=True, version=2)

    async def test_a_document_that_cannot_be_embedded_now_is_kept(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.embeddings.error = StorageUnavailable("away")
        document = await world.add(ADMIN, GLOBAL)
        assert "found by their words alone" in caplog.text
        assert await world.found(ADA) == [document.document_id]
        world.embeddings.error = None
        assert await world.knowledge.reindex() == 1
        assert await world.vectors.count() == 1

    async def test_a_damaged_model_is_reported(self, world: World) -> None:
        world.embeddings.error = StorageCorrupt("damaged")
        with pytest.raises(StorageCorrupt):
            await world.add(ADMIN, GLOBAL)


class TestCases:
    async def test_a_resolved_case_is_found_by_a_similar_one_of_its_owner(self, world: World) -> None:
        solved = a_resolved_case(1, title="Pool exhausted", description=TEXT)
        pattern = await world.knowledge.learn_from(solved)
        assert pattern
        assert pattern.scope == Scope.for_user(solved.user_id)
        assert pattern.metadata == {"case_id": solved.case_id}
        (hit,) = await world.knowledge.similar_cases(ADA, a_case(2, title="Pool exhausted", description=TEXT))
        assert hit.document == pattern
        assert await world.knowledge.similar_cases(ADA, solved) == ()
        assert await world.knowledge.similar_cases(BEN, a_case(3, user_id=BEN.user_id, description=TEXT)) == ()
        with pytest.raises(NotFound):
            await world.knowledge.similar_cases(BEN, solved)

    async def test_it_is_learned_once_and_an_open_case_teaches_nothing(self, world: World) -> None:
        solved = a_resolved_case(1)
        assert await world.knowledge.learn_from(solved) == await world.knowledge.learn_from(solved)
        assert await world.knowledge.learn_from(a_case(2)) is None
        assert len(await world.documents.scan()) == 1

    async def test_evidence_is_indexed_once_and_forgotten_with_its_case(self, world: World) -> None:
        case = a_case(1)
        evidence = [an_evidence(1, summary="Pool", extract=TEXT), an_evidence(2, summary="Only a summary", extract=" ")]
        await world.knowledge.index_evidence(case, evidence)
        await world.knowledge.index_evidence(case, evidence)
        assert await world.vectors.count() == 2
        kept = await world.add(ADMIN, GLOBAL)
        await world.knowledge.forget_case(case.case_id)
        assert await world.documents.scan() == (kept,)
        assert await world.vectors.count() == 1


class TestStarterDocuments:
    SOURCE = SourceDocument("pool", "Pool", TEXT, KnowledgeType.PLAYBOOK, version="1")

    async def test_a_deleted_one_stays_away(self, world: World) -> None:
        await world.knowledge.import_documents(None, GLOBAL, [self.SOURCE], origin=Origin.STARTER)
        (document,) = await world.documents.scan()
        await world.knowledge.delete_document(ADMIN, document.document_id)
        assert await world.found(ADA) == []
        assert await world.vectors.count() == 0
        with pytest.raises(NotFound):
            await world.knowledge.get_document(ADMIN, document.document_id)
        newer = SourceDocument("pool", "Pool", TEXT + " More.", KnowledgeType.PLAYBOOK, version="2")
        report = await world.knowledge.import_documents(None, GLOBAL, [newer], origin=Origin.STARTER)
        assert (report.kept, report.added) == (1, 0)
        (withdrawn,) = await world.documents.scan()
        assert withdrawn.scope == WITHDRAWN

    async def test_one_from_a_folder_comes_back_with_the_next_import(self, world: World) -> None:
        await world.knowledge.import_documents(ADMIN, GLOBAL, [self.SOURCE])
        (document,) = await world.documents.scan()
        await world.knowledge.delete_document(ADMIN, document.document_id)
        assert (await world.knowledge.import_documents(ADMIN, GLOBAL, [self.SOURCE])).added == 1


async def test_a_search_in_memory_lets_others_have_their_turn(world: World) -> None:
    """However much of it is known already: a loop of questions must not stop everybody else."""
    await world.add(ADMIN, GLOBAL)
    world.knowledge = world.service()
    await world.knowledge.search(ADA, QUESTION)
    others = asyncio.Event()
    asyncio.get_running_loop().call_soon(others.set)
    await world.knowledge.search(ADA, QUESTION)
    assert others.is_set()
