"""The ports as stores that are opened by their first operation: each method is that of the port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from bootstrap.stores.deferred import DeferredStore
from domain.analytics import CaseAnalytics
from domain.case import Case
from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Scope
from domain.message import Message
from domain.user import User
from ports.blobs import BlobInfo, BlobStore
from ports.cases import ALL_CASES, CaseFilter, CaseRepository
from ports.knowledge import KnowledgeRepository, TextHit
from ports.paging import Page
from ports.sessions import CacheStore
from ports.users import UserRepository


class DeferredCaseRepository(DeferredStore[CaseRepository], CaseRepository):
    """Cases and their messages."""

    async def save(self, case: Case) -> Case:
        return await (await self.opened()).save(case)

    async def get(self, case_id: str) -> Case | None:
        return await (await self.opened()).get(case_id)

    async def list(self, filter: CaseFilter = ALL_CASES, *, limit: int = 50, offset: int = 0) -> Page[Case]:  # noqa: A002 - the name of the port
        return await (await self.opened()).list(filter, limit=limit, offset=offset)

    async def delete(self, case_id: str) -> bool:
        return await (await self.opened()).delete(case_id)

    async def search(
        self,
        query: str,
        filter: CaseFilter = ALL_CASES,  # noqa: A002 - the name of the port
        *,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[Case]:
        return await (await self.opened()).search(query, filter, limit=limit, offset=offset)

    async def add_message(self, message: Message) -> bool:
        return await (await self.opened()).add_message(message)

    async def get_messages(self, case_id: str, *, limit: int = 50, offset: int = 0) -> Page[Message]:
        return await (await self.opened()).get_messages(case_id, limit=limit, offset=offset)

    async def update_activity_timestamp(self, case_id: str, at: datetime) -> bool:
        return await (await self.opened()).update_activity_timestamp(case_id, at)

    async def get_analytics(self, case_id: str) -> CaseAnalytics | None:
        return await (await self.opened()).get_analytics(case_id)

    async def cleanup_expired(self, closed_before: datetime, *, batch_size: int = 100) -> tuple[str, ...]:
        return await (await self.opened()).cleanup_expired(closed_before, batch_size=batch_size)

    async def find_by_session(self, session_id: str, *, limit: int = 50, offset: int = 0) -> Page[Case]:
        return await (await self.opened()).find_by_session(session_id, limit=limit, offset=offset)

    @asynccontextmanager
    async def begin_transaction(self) -> AsyncIterator[None]:
        async with (await self.opened()).begin_transaction():
            yield

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[Case, ...]:
        return await (await self.opened()).scan(after=after, limit=limit)


class DeferredUserRepository(DeferredStore[UserRepository], UserRepository):
    """Users."""

    async def save(self, user: User) -> User:
        return await (await self.opened()).save(user)

    async def get(self, user_id: str) -> User | None:
        return await (await self.opened()).get(user_id)

    async def get_by_username(self, username: str) -> User | None:
        return await (await self.opened()).get_by_username(username)

    async def get_by_email(self, email: str) -> User | None:
        return await (await self.opened()).get_by_email(email)

    async def list(self, *, limit: int = 50, offset: int = 0) -> Page[User]:
        return await (await self.opened()).list(limit=limit, offset=offset)

    async def delete(self, user_id: str) -> bool:
        return await (await self.opened()).delete(user_id)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[User, ...]:
        return await (await self.opened()).scan(after=after, limit=limit)


class DeferredKnowledgeRepository(DeferredStore[KnowledgeRepository], KnowledgeRepository):
    """Knowledge documents and their chunks."""

    async def save(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> KnowledgeDocument:
        return await (await self.opened()).save(document, chunks)

    async def get(self, document_id: str) -> KnowledgeDocument | None:
        return await (await self.opened()).get(document_id)

    async def get_by_source(self, scope: Scope, source_key: str) -> KnowledgeDocument | None:
        return await (await self.opened()).get_by_source(scope, source_key)

    async def get_chunks(self, chunk_ids: Sequence[str]) -> tuple[Chunk, ...]:
        return await (await self.opened()).get_chunks(chunk_ids)

    async def chunks_of(self, document_id: str) -> tuple[Chunk, ...]:
        return await (await self.opened()).chunks_of(document_id)

    async def list(
        self, scopes: Sequence[Scope], *, document_type: KnowledgeType | None = None, limit: int = 50, offset: int = 0
    ) -> Page[KnowledgeDocument]:
        return await (await self.opened()).list(scopes, document_type=document_type, limit=limit, offset=offset)

    async def delete(self, document_id: str) -> bool:
        return await (await self.opened()).delete(document_id)

    async def search(
        self,
        terms: Sequence[str],
        scopes: Sequence[Scope],
        *,
        document_types: Sequence[KnowledgeType] = (),
        limit: int = 20,
    ) -> tuple[TextHit, ...]:
        return await (await self.opened()).search(terms, scopes, document_types=document_types, limit=limit)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[KnowledgeDocument, ...]:
        return await (await self.opened()).scan(after=after, limit=limit)


class DeferredCacheStore(DeferredStore[CacheStore], CacheStore):
    """Sessions and caches."""

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        return await (await self.opened()).set(key, value, ttl)

    async def get(self, key: str) -> str | None:
        return await (await self.opened()).get(key)

    async def delete(self, key: str) -> bool:
        return await (await self.opened()).delete(key)

    async def exists(self, key: str) -> bool:
        return await (await self.opened()).exists(key)

    async def expire(self, key: str, ttl: timedelta) -> bool:
        return await (await self.opened()).expire(key, ttl)

    async def keys(self, pattern: str) -> list[str]:
        return await (await self.opened()).keys(pattern)

    async def get_many(self, keys: Sequence[str]) -> dict[str, str]:
        return await (await self.opened()).get_many(keys)

    async def set_many(self, values: Mapping[str, str], ttl: timedelta | None = None) -> None:
        await (await self.opened()).set_many(values, ttl)

    async def add(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        return await (await self.opened()).add(key, value, ttl)

    async def compare_and_set(
        self, key: str, expected: str | None, value: str | None, ttl: timedelta | None = None
    ) -> bool:
        return await (await self.opened()).compare_and_set(key, expected, value, ttl)

    async def increment(self, key: str, by: int = 1, ttl: timedelta | None = None) -> int:
        return await (await self.opened()).increment(key, by, ttl)

    async def clear(self) -> int:
        return await (await self.opened()).clear()


class DeferredBlobStore(DeferredStore[BlobStore], BlobStore):
    """Uploaded files."""

    async def put(self, key: str, content: AsyncIterator[bytes]) -> BlobInfo:
        return await (await self.opened()).put(key, content)

    async def open(self, key: str) -> AsyncIterator[bytes]:
        return await (await self.opened()).open(key)

    async def stat(self, key: str) -> BlobInfo | None:
        return await (await self.opened()).stat(key)

    async def delete(self, key: str) -> bool:
        return await (await self.opened()).delete(key)

    async def scan(self, *, prefix: str = "", after: str | None = None, limit: int = 100) -> tuple[BlobInfo, ...]:
        return await (await self.opened()).scan(prefix=prefix, after=after, limit=limit)
