"""The knowledge service over stores in memory that fail when they are told to."""

from collections.abc import Sequence
from datetime import timedelta

from adapters.hashing.embeddings import HashingEmbedding
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.vectors import InMemoryVectorStore
from application.knowledge import KnowledgeService
from domain.access import Actor
from domain.filter import Filter
from domain.knowledge import KnowledgeDocument, KnowledgeType, Scope
from domain.user import Role
from ports.errors import PortError
from ports.vectors import Vector, VectorHit
from tests.builders import OWNER, an_id
from tests.fakes import FakeClock, SequentialIds

ADMIN = Actor(user_id=an_id("user", 9), username="admin", roles=(Role.ADMIN,))
ADA = Actor(user_id=OWNER, username="ada", roles=(Role.USER,))
BEN = Actor(user_id=an_id("user", 2), username="ben", roles=(Role.USER,))

TEXT = "The connection pool is exhausted because sessions leak."
QUESTION = "connection pool exhausted, sessions leak"


class Embeddings(HashingEmbedding):
    """Counts its work, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.error: PortError | None = None
        self.documents = 0
        self.queries = 0

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        if self.error:
            raise self.error
        self.documents += len(texts)
        return await super().embed_documents(texts)

    async def embed_query(self, text: str) -> Vector:
        if self.error:
            raise self.error
        self.queries += 1
        return await super().embed_query(text)


class Vectors(InMemoryVectorStore):
    """Fails when it is told to, and can be a store that ignores filters."""

    error: PortError | None = None
    ignores_filters = False

    async def query(
        self, query_embedding: Vector, n_results: int = 10, where: Filter | None = None
    ) -> tuple[VectorHit, ...]:
        return await super().query(query_embedding, n_results, None if self.ignores_filters else where)

    async def delete(self, ids: Sequence[str]) -> int:
        if self.error:
            raise self.error
        return await super().delete(ids)


class Cache(InMemorySessionStore):
    """Fails when it is told to."""

    reading: PortError | None = None
    writing: PortError | None = None

    async def get(self, key: str) -> str | None:
        if self.reading:
            raise self.reading
        return await super().get(key)

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        if self.writing:
            raise self.writing
        return await super().set(key, value, ttl)


class World:
    """The service over memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.documents = InMemoryKnowledgeRepository()
        self.embeddings = Embeddings()
        self.vectors = Vectors(self.embeddings.space)
        self.cache = Cache(self.clock)
        self.knowledge = self.service()

    def service(self, **options: object) -> KnowledgeService:
        return KnowledgeService(
            documents=self.documents,
            vectors=self.vectors,
            embeddings=self.embeddings,
            clock=self.clock,
            ids=SequentialIds(),
            **options,  # type: ignore[arg-type]
        )

    async def add(self, actor: Actor, scope: Scope, content: str = TEXT, **fields: object) -> KnowledgeDocument:
        values = {"title": "Pool", "content": content, "document_type": KnowledgeType.PLAYBOOK, **fields}
        return await self.knowledge.add_document(actor, scope, **values)  # type: ignore[arg-type]

    async def found(self, actor: Actor | None, question: str = QUESTION, **options: object) -> list[str]:
        result = await self.knowledge.search(actor, question, **options)  # type: ignore[arg-type]
        return [hit.document.document_id for hit in result.hits]
