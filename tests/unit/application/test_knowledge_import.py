"""An import is complete, repeatable and interruptible, and leaves alone what people did."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from adapters.hashing.embeddings import HashingEmbedding
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.vectors import InMemoryVectorStore
from application.errors import Forbidden
from application.knowledge import ImportReport, KnowledgeService, SourceDocument
from application.vector_index import BATCH
from domain import chunking
from domain.access import Actor
from domain.filter import MetadataValue
from domain.knowledge import GLOBAL, MAX_DOCUMENT, Chunk, KnowledgeDocument, KnowledgeType, Origin, Scope
from domain.user import Role
from ports.errors import AlreadyExists, Conflict, PortError, StorageCorrupt, StorageFull, StorageUnavailable
from ports.vectors import Vector, VectorRecord
from tests.builders import OWNER, an_id
from tests.fakes import FakeClock, SequentialIds

ADMIN = Actor(user_id=an_id("user", 9), username="admin", roles=(Role.ADMIN,))
ADA = Actor(user_id=OWNER, username="ada", roles=(Role.USER,))


def a_source(number: int = 1, **fields: object) -> SourceDocument:
    values = {
        "source_key": f"runbooks/{number}.md",
        "title": f"Runbook {number}",
        "content": f"## Symptoms\n\nAlpha{number} fails\n\n## Fix\n\nRestart alpha{number}",
        "document_type": KnowledgeType.PLAYBOOK,
        **fields,
    }
    return SourceDocument(**values)  # type: ignore[arg-type]


SOURCES = [a_source(number) for number in range(1, 101)]


class _Documents(InMemoryKnowledgeRepository):
    """Fails the next writes as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[PortError] = []
        self.saved = 0

    async def save(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> KnowledgeDocument:
        if self.errors:
            raise self.errors.pop()
        self.saved += 1
        return await super().save(document, chunks)


class _Vectors(InMemoryVectorStore):
    """Remembers the size of each write, and fails or hangs from a given write on."""

    def __init__(self) -> None:
        super().__init__(HashingEmbedding().space)
        self.writes: list[int] = []
        self.good_writes = 1000
        self.error: PortError | None = None
        self.hanging = asyncio.Event()

    async def add_documents(
        self,
        documents: Sequence[str],
        embeddings: Sequence[Vector],
        metadatas: Sequence[dict[str, MetadataValue]],  # type: ignore[override]
        ids: Sequence[str],
    ) -> None:
        self.writes.append(len(ids))
        if len(self.writes) > self.good_writes:
            if self.error:
                raise self.error
            self.hanging.set()
            await asyncio.Event().wait()
        await super().add_documents(documents, embeddings, metadatas, ids)

    async def get(self, ids: Sequence[str]) -> tuple[VectorRecord, ...]:
        if self.error and len(self.writes) > self.good_writes:
            raise self.error
        return await super().get(ids)


class World:
    def __init__(self) -> None:
        self.documents = _Documents()
        self.vectors = _Vectors()
        self.clock = FakeClock()
        self.knowledge = KnowledgeService(
            documents=self.documents,
            vectors=self.vectors,
            embeddings=HashingEmbedding(),
            clock=self.clock,
            ids=SequentialIds(),
        )

    async def take(self, *sources: SourceDocument, origin: Origin = Origin.IMPORT) -> ImportReport:
        return await self.knowledge.import_documents(None, GLOBAL, sources, origin=origin)

    async def the_document(self) -> KnowledgeDocument:
        (document,) = await self.documents.scan()
        return document


@pytest.fixture
def world() -> World:
    return World()


class TestOutcome:
    async def test_the_second_run_changes_nothing(self, world: World) -> None:
        assert await world.take(*SOURCES) == ImportReport(added=100)
        assert await world.vectors.count() == 200
        before, writes = await world.documents.scan(limit=200), len(world.vectors.writes)
        assert await world.take(*SOURCES) == ImportReport(unchanged=100)
        assert (await world.documents.scan(limit=200), len(world.vectors.writes)) == (before, writes)

    async def test_everything_of_the_source_is_kept(self, world: World) -> None:
        source = a_source(tags=("a", "b"), version="7", metadata={"alerts": "AlphaDown"})
        await world.knowledge.import_documents(ADMIN, GLOBAL, [source])
        document = await world.the_document()
        assert (document.title, document.content, document.tags) == (source.title, source.content, ("a", "b"))
        assert (document.source_key, document.source_version) == (source.source_key, "7")
        assert (document.origin, document.created_by) == (Origin.IMPORT, ADMIN.user_id)
        assert document.metadata == {"alerts": "AlphaDown"}
        assert document.created_at == document.updated_at == world.clock.now()

    @pytest.mark.parametrize(
        "change",
        [
            {"title": "Other"},
            {"content": "Other"},
            {"version": "2"},
            {"tags": ("new",)},
            {"metadata": {"alerts": "Other"}},
            {"document_type": KnowledgeType.FAQ},
        ],
    )
    async def test_whatever_changes_at_the_source_updates_the_document(
        self, world: World, change: dict[str, object]
    ) -> None:
        await world.take(a_source())
        first = await world.the_document()
        assert await world.take(a_source(**change)) == ImportReport(updated=1)
        second = await world.the_document()
        assert (second.document_id, second.version) == (first.document_id, 2)
        assert await world.vectors.count() == len(await world.documents.chunks_of(second.document_id))

    @pytest.mark.parametrize("origin", [Origin.IMPORT, Origin.STARTER])
    async def test_what_somebody_edited_is_kept(self, world: World, origin: Origin) -> None:
        await world.take(a_source(), origin=origin)
        document = await world.the_document()
        await world.knowledge.update_document(ADMIN, document.document_id, content="Mine")
        assert await world.take(a_source(), origin=origin) == ImportReport(kept=1)
        assert await world.take(a_source(content="Newer"), origin=origin) == ImportReport(kept=1)
        assert (await world.the_document()).content == "Mine"

    async def test_the_same_key_in_another_scope_is_another_document(self, world: World) -> None:
        await world.take(a_source())
        report = await world.knowledge.import_documents(ADA, Scope.for_user(ADA.user_id), [a_source()])
        assert report.added == 1

    async def test_a_key_is_the_same_however_its_letters_are_composed(self, world: World) -> None:
        assert (await world.take(a_source(source_key="Zo\u0308e.md"))).added == 1
        assert (await world.take(a_source(source_key="Z\u00f6e.md"))).unchanged == 1

    async def test_only_who_may_write_imports(self, world: World) -> None:
        with pytest.raises(Forbidden):
            await world.knowledge.import_documents(ADA, GLOBAL, SOURCES)
        assert await world.documents.scan() == ()

    async def test_progress_names_every_source(self, world: World) -> None:
        seen: list[str] = []
        sources = [a_source(1), a_source(2, title=""), a_source(3)]
        await world.knowledge.import_documents(None, GLOBAL, sources, on_progress=seen.append)
        assert seen == [source.source_key for source in sources]


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"title": " "}, "title: "),
            ({"title": "x" * 501}, "title: "),
            ({"content": ""}, "content: "),
            ({"content": "x" * (MAX_DOCUMENT + 1)}, "content: "),
            ({"content": "a\0b"}, "NUL"),
            ({"content": "a\ud800"}, "surrogates"),
            ({"title": "a\ud800"}, "surrogates"),
            ({"tags": ("x" * 51,)}, "tags.0: "),
            ({"source_key": "x" * 256}, "source_key: "),
            ({"source_key": "a\udcff.md"}, "surrogates"),
        ],
    )
    async def test_a_bad_document_is_named_with_the_reason_and_stops_no_other(
        self, world: World, fields: dict[str, object], reason: str
    ) -> None:
        bad = a_source(1, **fields)
        report = await world.take(bad, a_source(2))
        assert report.added == 1
        ((name, why),) = report.failed
        assert name == bad.source_key
        assert reason in why

    async def test_too_many_pieces_are_refused_in_words(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chunking, "MAX_CHUNKS", 3)
        report = await world.take(a_source(1, content="# a\nb\n" * 4), a_source(2))
        assert report.added == 1
        assert "more than 3 pieces" in report.failed[0][1]

    async def test_a_full_store_stops_the_import(self, world: World) -> None:
        world.documents.errors = [StorageFull("no space")]
        with pytest.raises(StorageFull):
            await world.take(*SOURCES)


class TestTwoImporters:
    @pytest.mark.parametrize("error", [AlreadyExists("document", "source_key"), Conflict("document", "kb", 0, 1)])
    async def test_who_comes_second_looks_again(self, world: World, error: PortError) -> None:
        world.documents.errors = [error]
        assert await world.take(a_source()) == ImportReport(added=1)
        world.documents.errors = [error, error]
        report = await world.take(a_source(content="new"))
        assert report.failed == ((a_source().source_key, str(error)),)

    async def test_both_end_with_each_document_once(self, world: World) -> None:
        reports = await asyncio.gather(world.take(*SOURCES), world.take(*SOURCES))
        assert sum(report.added for report in reports) == 100
        assert sum(report.unchanged for report in reports) == 100
        assert len(await world.documents.scan(limit=200)) == 100
        assert await world.knowledge.reindex() == 0


class TestVectors:
    async def test_chunks_of_several_documents_are_written_together(self, world: World) -> None:
        await world.take(*SOURCES)
        assert sum(world.vectors.writes) == 200
        assert max(world.vectors.writes) == BATCH
        assert len(world.vectors.writes) <= 200 / BATCH + 1

    async def test_while_they_are_away_documents_are_saved_and_repaired_later(self, world: World) -> None:
        world.vectors.good_writes = 1
        world.vectors.error = StorageUnavailable("away")
        report = await world.take(*SOURCES)
        assert (report.added, report.words_only) == (100, 100 - BATCH // 2)
        assert len(world.vectors.writes) == 2, "asking again for every batch would wait for every time limit"
        found = await world.knowledge.search(None, "alpha100 fails")
        assert found.hits[0].document.title == "Runbook 100"
        assert (await world.take(*SOURCES)).words_only == 100

        world.vectors.error = None
        world.vectors.good_writes = 1000
        assert await world.take(*SOURCES) == ImportReport(unchanged=100)
        assert await world.vectors.count() == 200
        assert await world.knowledge.reindex() == 0

    async def test_a_damaged_store_stops_the_import(self, world: World) -> None:
        await world.take(a_source())
        world.vectors.good_writes = 0
        world.vectors.error = StorageCorrupt("damaged")
        with pytest.raises(StorageCorrupt):
            await world.take(a_source())
        with pytest.raises(StorageCorrupt):
            await world.take(a_source(2))

    async def test_after_a_cancellation_the_next_run_does_the_rest(self, world: World) -> None:
        world.vectors.good_writes = 1
        task = asyncio.create_task(world.take(*SOURCES))
        await world.vectors.hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        world.vectors.good_writes = 1000
        report = await world.take(*SOURCES)
        assert report.added + report.unchanged == 100
        assert 0 < report.unchanged < 100
        assert await world.vectors.count() == 200
        assert await world.knowledge.reindex() == 0


class TestLongDocuments:
    async def test_cutting_one_leaves_the_event_loop_free(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The index in memory works on the loop, so it is left out: what is measured is the service's own work."""
        content = ("Älpha fails, beta waits. " * 40 + "\n\n") * (MAX_DOCUMENT // 1042)

        async def save(document: KnowledgeDocument, chunks: Sequence[Chunk]) -> KnowledgeDocument:
            return document

        async def add(*arguments: object) -> None:
            return

        monkeypatch.setattr(world.documents, "save", save)
        monkeypatch.setattr(world.knowledge._index, "add", add)
        gaps: list[float] = []

        async def watch() -> None:
            last = time.perf_counter()
            while True:
                await asyncio.sleep(0)
                now = time.perf_counter()
                gaps.append(now - last)
                last = now

        watcher = asyncio.create_task(watch())
        await asyncio.sleep(0)
        assert (await world.take(a_source(content=content))).added == 1
        watcher.cancel()
        gaps.sort()
        assert gaps[-1] < 0.5, "the loop stood still while a thread could have worked"
        assert len(gaps) > 50
