"""The index of meanings: behind, damaged, slow or away, and the vectors of questions that are kept."""

import asyncio
from datetime import timedelta

import pytest

from adapters.memory.knowledge import InMemoryKnowledgeRepository
from application import vector_index
from domain.knowledge import GLOBAL, KnowledgeDocument
from ports.errors import StorageCorrupt, StorageUnavailable
from ports.knowledge import TextHit
from tests.unit.application.knowledge_world import ADA, ADMIN, BEN, QUESTION, TEXT, World


@pytest.fixture
def world() -> World:
    return World()


class TestStaleVectors:
    async def test_the_vector_of_a_deleted_document_finds_nothing(self, world: World) -> None:
        document = await world.add(ADMIN, GLOBAL)
        world.vectors.error = StorageUnavailable("away")
        assert await world.knowledge.delete_document(ADMIN, document.document_id)
        assert await world.vectors.count() == 1
        assert await world.found(ADA) == []

    async def test_the_vector_of_an_earlier_text_finds_nothing(self, world: World) -> None:
        document = await world.add(ADMIN, GLOBAL)
        world.embeddings.error = StorageUnavailable("away")
        await world.knowledge.update_document(ADMIN, document.document_id, content="Elephants need water.")
        world.embeddings.error = None
        assert await world.found(ADA) == []
        assert await world.found(ADA, "elephants need water") == [document.document_id]

    async def test_a_document_that_vanishes_during_the_search_is_left_out(self, world: World) -> None:
        document = await world.add(ADMIN, GLOBAL)

        class Late(InMemoryKnowledgeRepository):
            async def get(self, document_id: str) -> KnowledgeDocument | None:
                return None

            async def search(self, *arguments: object, **options: object) -> tuple[TextHit, ...]:
                return await world.documents.search(*arguments, **options)  # type: ignore[arg-type]

        world.documents, kept = Late(), world.documents
        late = world.service()
        world.documents = kept
        assert (await late.search(ADA, QUESTION)).hits == ()
        assert await world.found(ADA) == [document.document_id]

    async def test_a_damaged_store_is_reported_when_a_vector_cannot_be_deleted(self, world: World) -> None:
        document = await world.add(ADMIN, GLOBAL)
        world.vectors.error = StorageCorrupt("damaged")
        with pytest.raises(StorageCorrupt):
            await world.knowledge.delete_document(ADMIN, document.document_id)
        assert await world.found(ADA) == []


class TestReindex:
    async def test_it_removes_strays_and_repairs_what_is_missing_or_outdated(self, world: World) -> None:
        documents = [await world.add(ADMIN, GLOBAL, f"{TEXT} {number}") for number in range(4)]
        assert await world.knowledge.reindex() == 0
        first, second, third, _ = (f"{document.document_id}:0" for document in documents)
        (record,) = await world.vectors.get([first])
        await world.vectors.delete([first])
        await world.vectors.update([second], documents=["other"])
        await world.vectors.update([third], metadatas=[{"scope": "user:x"}])
        await world.vectors.add_documents(["stray"], [record.embedding], [{"scope": "global"}], ["kb_stray:0"])
        assert await world.knowledge.reindex() == 3
        assert await world.knowledge.reindex() == 0
        assert await world.vectors.count() == 4
        assert (await world.vectors.get([first]))[0] == record


class TestAway:
    async def test_vectors_are_not_waited_for(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        shared = await world.add(ADMIN, GLOBAL)

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        with monkeypatch.context() as away:
            away.setattr(vector_index, "PATIENCE_SECONDS", 0.01)
            away.setattr(world.vectors, "query", never)
            result = await world.knowledge.search(ADA, QUESTION)
            assert [hit.document for hit in result.hits] == [shared]
            assert result.degraded
            # One turn asks several questions: those that follow do not wait for the same.
            away.setattr(vector_index, "PATIENCE_SECONDS", 60.0)
            assert (await world.knowledge.search(ADA, QUESTION)).degraded
        assert (await world.knowledge.search(ADA, QUESTION)).degraded
        monkeypatch.setattr(world.knowledge._index, "_rests_until", 0.0)
        assert not (await world.knowledge.search(ADA, QUESTION)).degraded

    async def test_the_log_says_when_searches_become_worse_and_better(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        await world.add(ADMIN, GLOBAL)
        caplog.set_level("INFO")
        for error in (None, StorageUnavailable("the model is away"), StorageUnavailable("still"), None, None):
            world.embeddings.error = error
            await world.knowledge.search(ADA, f"{QUESTION} {error}")
        assert [record.getMessage() for record in caplog.records if "searches" in record.getMessage()] == [
            "searches go by words alone for now: the model is away",
            "searches go by words and vectors again",
        ]


class TestCache:
    async def test_a_question_is_embedded_once_within_the_time_to_live(self, world: World) -> None:
        await world.add(ADMIN, GLOBAL)
        world.knowledge = world.service(cache=world.cache, cache_ttl=timedelta(minutes=5))
        first = await world.knowledge.search(ADA, QUESTION)
        assert await world.knowledge.search(BEN, f" {QUESTION}\n") == first
        assert world.embeddings.queries == 1
        await world.knowledge.search(ADA, "another question")
        assert world.embeddings.queries == 2
        world.clock.advance(timedelta(minutes=6))
        assert (await world.knowledge.search(ADA, QUESTION)).hits == first.hits
        assert world.embeddings.queries == 3

    async def test_without_one_the_last_questions_are_kept(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("application.vector_index.QUESTIONS", 2)
        await world.add(ADMIN, GLOBAL)
        world.knowledge = world.service()
        first = await world.knowledge.search(ADA, QUESTION)
        await world.knowledge.search(ADA, "another question")
        assert await world.knowledge.search(BEN, QUESTION) == first
        assert world.embeddings.queries == 2
        await world.knowledge.search(ADA, "a third question")
        assert await world.knowledge.search(ADA, QUESTION) == first
        assert world.embeddings.queries == 3
        await world.knowledge.search(ADA, "another question")
        assert world.embeddings.queries == 4

    @pytest.mark.parametrize("value", ["", "no base64 !", "AAAA", "äöü"])
    async def test_a_damaged_entry_is_replaced(self, world: World, value: str) -> None:
        await world.add(ADMIN, GLOBAL)
        world.knowledge = world.service(cache=world.cache)
        await world.found(ADA)
        (key,) = await world.cache.keys("question-vector:*")
        assert QUESTION not in key
        await world.cache.set(key, value)
        assert len(await world.found(ADA)) == 1
        assert world.embeddings.queries == 2
        assert len(await world.found(ADA)) == 1
        assert world.embeddings.queries == 2

    async def test_a_cache_that_is_away_costs_time_only(self, world: World) -> None:
        document = await world.add(ADMIN, GLOBAL)
        world.cache.reading = world.cache.writing = StorageUnavailable("away")
        world.knowledge = world.service(cache=world.cache)
        assert await world.found(ADA) == [document.document_id]
        assert not (await world.knowledge.search(ADA, QUESTION)).degraded

    @pytest.mark.parametrize("broken", ["reading", "writing"])
    async def test_a_damaged_cache_is_reported(self, world: World, broken: str) -> None:
        setattr(world.cache, broken, StorageCorrupt("damaged"))
        world.knowledge = world.service(cache=world.cache)
        with pytest.raises(StorageCorrupt):
            await world.knowledge.search(ADA, QUESTION)
